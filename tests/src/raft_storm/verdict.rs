//! What has to hold when everything has healed.

use super::{
    change::{cid, number_of},
    client::Load,
    cluster::Cluster,
    doors::{Connections, Doors},
    election::Watch,
    summary::StormSummary,
};
use anyhow::{Context as _, Result, bail, ensure};
use cluster_testkit::{
    raft_simulator::{Asked, Call, Name, Told, check},
    stored::StoredState,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// How long peers may take to be well when everything has healed.
const LIMIT: Duration = Duration::from_secs(90);
/// How long a list of all pins may take.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// Histories that no order explains and that are told whole.
const MOST_TOLD: usize = 5;

/// Waits until all peers vote, follow one leader and may be read.
///
/// # Errors
/// When they do not in time.
pub(super) fn until_all_well(cluster: &mut Cluster, doors: &Doors) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    let mut watch = Watch::new(doors);
    loop {
        cluster.check_running()?;
        let count = doors.count();
        let standings: Vec<_> = (0..count).map(|peer| watch.ask(cluster, peer)).collect();
        let is_well = |leader: Option<usize>| {
            leader.is_some()
                && standings.iter().flatten().all(|s| s.is_ready && s.voters == count && s.leader == leader)
        };
        if standings.iter().all(Result::is_ok) && is_well(standings[0].as_ref().ok().and_then(|s| s.leader)) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "not well within {LIMIT:?}: {standings:?}");
        std::thread::sleep(POLL);
    }
}

/// Checks everything, and stops the peers for it.
///
/// # Errors
/// When something prevents a check.
pub(super) fn judge(
    cluster: &mut Cluster,
    doors: &Doors,
    load: &Load<'_>,
    summary: &mut StormSummary,
) -> Result<()> {
    let mut connections = Connections::new(doors, PATIENCE);
    let mut seen = Vec::new();
    // Up to date first: what a peer shows of its own store is no less from then on.
    for query in ["?consistency=strong", ""] {
        for peer in 0..doors.count() {
            seen.push((peer, query, list(&mut connections, peer, query)?));
        }
    }
    let (_, _, first) = seen.first().context("there are no peers")?;
    for (peer, query, lines) in &seen {
        if lines != first {
            let different: Vec<_> = lines.symmetric_difference(first).take(4).collect();
            summary.failures.push(format!("peer {peer} lists others{query}: {different:?}"));
        }
    }
    summary.left = first.len();
    explain(load, first, summary);
    compare(cluster, summary)
}

/// Lists the pins of a peer, a line each.
fn list(connections: &mut Connections<'_>, peer: usize, query: &str) -> Result<BTreeSet<String>> {
    let (_, mut connection) = connections.to(peer)?;
    let response = connection.ask("GET", &format!("/allocations{query}"))?;
    let text = String::from_utf8(response.body)?;
    match (response.status, response.stream_error) {
        (200 | 204, None) => Ok(text.lines().map(str::to_owned).collect()),
        (status, error) => bail!("peer {peer} lists no pins: {status} {text} {error:?}"),
    }
}

/// Checks that what clients were told, and what is left, could have happened pin by pin.
fn explain(load: &Load<'_>, lines: &BTreeSet<String>, summary: &mut StormSummary) {
    let mut left: BTreeMap<String, Name> = BTreeMap::new();
    for line in lines {
        let pin: Value = serde_json::from_str(line).unwrap_or_default();
        match (pin["cid"].as_str(), number_of(&pin)) {
            (Some(cid), Ok(number)) => drop(left.insert(cid.to_owned(), number)),
            (_, Err(error)) => summary.failures.push(format!("{error:#}")),
            (None, _) => summary.failures.push(format!("no pin: {line}")),
        }
    }
    let mut calls: BTreeMap<usize, Vec<Call>> = (0..summary.pins).map(|key| (key, Vec::new())).collect();
    let mut last = 0;
    for call in load.history.all() {
        last = last.max(call.began).max(call.ended.unwrap_or(0));
        calls.entry(call.key).or_default().push(call);
    }
    for (key, mut calls) in calls {
        let told = Told::Is(left.remove(&cid(load.seed, key)));
        let (began, ended) = (last + 1, Some(last + 2));
        calls.push(Call { client: usize::MAX, peer: 0, key, asked: Asked::Read, began, ended, told });
        if let Err(error) = check(key, &calls) {
            summary.unexplained += 1;
            if summary.unexplained <= MOST_TOLD {
                summary.failures.push(format!("{error:#}"));
            }
        }
    }
    summary.failures.extend(left.keys().map(|cid| format!("nobody pinned {cid}")));
}

/// Stops the peers, and compares what is on their disks.
fn compare(cluster: &mut Cluster, summary: &mut StormSummary) -> Result<()> {
    for peer in &mut cluster.peers {
        peer.stop()?;
    }
    let mut first: Option<(Vec<u8>, StoredState)> = None;
    for peer in 0..cluster.peers.len() {
        let exported = cluster.command(peer, &["state", "export"])?;
        cluster.command(peer, &["state", "check"])?;
        let stored = StoredState::read(cluster.peers[peer].base())?;
        let (export, state) = match &first {
            Some(first) => first,
            None => {
                first = Some((exported, stored));
                continue;
            }
        };
        if exported != *export {
            summary.failures.push(format!("peer {peer} exports other bytes than the first"));
        }
        let different = stored.differences_of_agreed(state);
        if !different.is_empty() {
            let some = different.iter().take(4).collect::<Vec<_>>();
            summary.failures.push(format!("peer {peer} differs in {} rows: {some:?}", different.len()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster_testkit::raft_simulator::If;
    use serde_json::json;

    const SEED: u64 = 5;

    /// A pin that all peers shall hold, as a peer lists it.
    fn line(key: usize, number: Name) -> String {
        let expiry = format!("2100-01-01T00:00:{number:02}Z");
        json!({
            "cid": cid(SEED, key), "name": number.to_string(), "metadata": {"number": number.to_string()},
            "expire_at": expiry, "replication_factor_min": -1, "replication_factor_max": -1, "allocations": [],
        })
        .to_string()
    }

    /// What is found when clients were told this and these pins are left.
    fn found(told: &[(usize, Asked, Told)], left: &[String]) -> StormSummary {
        let doors = Doors::new(Vec::new());
        let load = Load::new(SEED, &doors);
        for (key, asked, told) in told {
            let call = load.history.ask(0, 0, *key, *asked);
            load.history.tell(call, *told);
        }
        let mut summary = StormSummary { pins: 2, ..StormSummary::default() };
        explain(&load, &left.iter().cloned().collect(), &mut summary);
        summary
    }

    #[test]
    fn what_is_lost_or_too_much_is_found() {
        let pin = |number| Asked::Pin(number, If::Always, None);
        let done = |name| Told::Done { name, repeated: false };
        let story = [
            (0, pin(2), done(2)),
            (0, pin(3), done(3)),
            (0, pin(6), Told::Nothing),
            (1, pin(7), Told::NotDone),
        ];
        for left in [line(0, 3), line(0, 6)] {
            let summary = found(&story, &[left]);
            assert!(summary.failures.is_empty(), "{summary}");
        }
        let lost: &[String] = &[];
        for left in [lost, &[line(0, 2)], &[line(0, 3), line(1, 7)]] {
            let summary = found(&story, left);
            assert_eq!((summary.unexplained, summary.failures.len()), (1, 1), "{left:?}");
        }
        for (left, said) in [
            (line(9, 2), "nobody pinned"),
            (line(0, 3).replace("\"number\":\"3\"", "\"number\":\"2\""), "half of a change"),
        ] {
            let summary = found(&story, &[line(0, 3), left]);
            assert!(summary.failures.iter().any(|failure| failure.contains(said)), "{summary}");
        }
    }
}
