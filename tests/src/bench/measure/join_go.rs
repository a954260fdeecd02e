//! Fresh peers of both suites that join the same peer of the Go suite, in turn: how fast its history comes from the first
//! pin on.

use super::arrival;
use super::kills::Moments;
use crate::bench::cids;
use crate::bench::cluster::{Blocks, Cluster};
use crate::bench::figures::{Figure, Results, median};
use crate::bench::peer::{Daemon, Peer};
use crate::bench::procfs;
use crate::bench::stage::{Stage, TRANSFER_LIMIT, World, settle};
use crate::bench::suite::{Side, Suite};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

/// Longest wait for all pins, several times what it takes Go's peers.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(300);
/// Newcomers of Go's that are tried.
const TRIES: u32 = 4;
/// How often heads are told again.
const REBROADCAST: &str = "10s";
/// Longest walk of a newcomer that is killed amid it.
const WALK_LIMIT: Duration = Duration::from_secs(1_800);
/// Pause between two looks at how far it is.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// A history, and how fast it has to come.
struct Task {
    blocks: Blocks,
    /// How many pins are on their way at once while it is made: one makes a chain, many make it wide.
    connections: usize,
    count: u64,
    rate: Figure,
    ratio: Figure,
    /// Go's newcomers at a peer of ours over those at Go's.
    serving: Figure,
}

/// Takes the measure for blocks of many pins, many blocks side by side, and a chain. It belongs to Go's turn.
pub(super) async fn run(stage: &Stage<'_>, results: &mut Results) -> Result<()> {
    let Some(ours) = stage.ours.filter(|_| stage.suite.side == Side::Go) else { return Ok(()) };
    let settings = stage.settings;
    let (held, chained) = (settings.held(), settings.chained());
    for task in [
        Task {
            blocks: Blocks::Batched,
            connections: 256,
            count: held,
            rate: Figure::JoinBatchedRate,
            ratio: Figure::JoinBatchedRatio,
            serving: Figure::JoinBatchedServing,
        },
        Task {
            blocks: Blocks::AsSet,
            // With 256, no newcomer of Go's was seen to come to the end.
            connections: 64,
            count: held,
            rate: Figure::JoinWideRate,
            ratio: Figure::JoinWideRatio,
            serving: Figure::JoinWideServing,
        },
        Task {
            blocks: Blocks::AsSet,
            connections: 1,
            count: chained,
            rate: Figure::JoinChainRate,
            ratio: Figure::JoinChainRatio,
            serving: Figure::JoinChainServing,
        },
    ] {
        join(stage, ours, results, &task).await?;
    }
    Ok(())
}

async fn join(stage: &Stage<'_>, ours: &Suite, results: &mut Results, task: &Task) -> Result<()> {
    let cluster = cluster(stage, task.blocks)?;
    let mut holder = arrival::holder(stage, &cluster, task.count, task.connections).await?;
    let scene = Scene { stage, cluster, count: task.count };

    let mut rates: BTreeMap<Side, Vec<f64>> = BTreeMap::new();
    for _ in 0..stage.settings.newcomers() {
        for suite in [stage.suite, ours] {
            settle(&mut holder.daemon).await?;
            let (newcomer, rate) = scene.arrive(suite, &holder.peer, results).await?;
            rates.entry(suite.side).or_default().push(rate);
            newcomer.daemon.kill().await?;
            holder.daemon.check_alive()?;
        }
    }
    let of = |side| rates.get(&side).and_then(|rates| median(rates)).context("nothing was measured");
    let (go, own) = (of(Side::Go)?, of(Side::Ours)?);
    results.record(Side::Go, task.rate, go);
    results.record(Side::Ours, task.rate, own);
    results.record(Side::Ours, task.ratio, own / go);

    // Go's newcomers at the Go peer and at one of ours that has all of it, in turn, the other one stopped.
    let (other, _) = scene.arrive(ours, &holder.peer, results).await?;
    let World { peer: own_peer, stub: _own_stub, daemon } = other;
    daemon.stop().await?;
    let World { peer: go_peer, stub: _go_stub, daemon } = holder;
    daemon.stop().await?;
    let mut served: [Vec<f64>; 2] = Default::default();
    for _ in 0..stage.settings.newcomers() {
        for (peer, rates) in [&go_peer, &own_peer].into_iter().zip(&mut served) {
            let mut daemon = peer.start()?;
            daemon.first_answer(&cids::text(stage.settings.seed, 0), 200).await?;
            settle(&mut daemon).await?;
            let (newcomer, rate) = scene.arrive(stage.suite, peer, results).await?;
            rates.push(rate);
            newcomer.daemon.kill().await?;
            daemon.stop().await?;
        }
    }
    let [at_go, at_ours] = served.map(|rates| median(&rates));
    let ratio = at_ours.zip(at_go).map(|(ours, go)| ours / go);
    results.record(Side::Ours, task.serving, ratio.context("nothing was measured")?);
    Ok(())
}

/// Where newcomers arrive.
struct Scene<'a> {
    stage: &'a Stage<'a>,
    cluster: Cluster<'a>,
    count: u64,
}

impl Scene<'_> {
    /// Starts a fresh peer that joins a holder and waits until it has all pins. Returns it with the pins a second that
    /// came after the first one. Go's peers sometimes wait for ever amid a walk; another one is tried then, and of the last one
    /// tried what came in the time counts.
    async fn arrive(&self, suite: &Suite, holder: &Peer, results: &mut Results) -> Result<(World, f64)> {
        let (count, mut left) = (self.count, TRIES);
        loop {
            let (peer, stub) = self.cluster.peer_of(suite, &[holder], self.stage.settings.delay).await?;
            let mut daemon = peer.start()?;
            let watched = arrival::watch(&mut daemon, peer.api(), self.stage.settings.seed, count);
            let Ok(arrival) = tokio::time::timeout(ARRIVAL_LIMIT, watched).await else {
                left -= 1;
                let had = listed(&daemon).await?;
                let waited = ARRIVAL_LIMIT.as_secs();
                results.note(suite.side, &format!("{had} of {count} pins after {waited} s, given up"));
                if suite.side == Side::Ours {
                    bail!("{count} pins did not come to a peer of {}", suite.side.title());
                }
                if left == 0 {
                    // What came in that time is all that can be said of it.
                    return Ok((World { daemon, peer, stub }, had as f64 / ARRIVAL_LIMIT.as_secs_f64()));
                }
                daemon.kill().await?;
                continue;
            };
            let arrival = arrival?;
            let rate = (count - 1) as f64 / (arrival.all - arrival.first).as_secs_f64();
            results.note(
                suite.side,
                &format!(
                    "{count} pins at a peer of {}: first after {:.2} s, all after {:.2} s, {rate:.0} a second; \
                     RSS peak {:.0} MiB, {:.1} s of CPU",
                    holder.side().title(),
                    arrival.first.as_secs_f64(),
                    arrival.all.as_secs_f64(),
                    procfs::peak_mib(daemon.id())?,
                    procfs::cpu_seconds(daemon.id())?,
                ),
            );
            return Ok((World { daemon, peer, stub }, rate));
        }
    }
}

/// Makes a cluster in which a Go peer soon tells a newcomer what there is: it does so at intervals only.
fn cluster<'a>(stage: &'a Stage<'_>, blocks: Blocks) -> Result<Cluster<'a>> {
    let mut cluster = Cluster::new(stage, blocks)?;
    cluster.set("CLUSTER_CRDT_REBROADCASTINTERVAL", REBROADCAST.to_owned());
    Ok(cluster)
}

/// Kills a fresh peer of ours again and again while it fetches what a Go peer holds, and compares what both export when
/// it has come to the end. It belongs to Go's turn.
pub(super) async fn kills(stage: &Stage<'_>, results: &mut Results) -> Result<()> {
    let Some(ours) = stage.ours.filter(|_| stage.suite.side == Side::Go) else { return Ok(()) };
    let settings = stage.settings;
    let count = settings.pins();
    let cluster = cluster(stage, Blocks::Batched)?;
    let holder = arrival::holder(stage, &cluster, count, 256).await?;
    let (peer, _stub) = cluster.peer_of(ours, &[&holder.peer], settings.delay).await?;

    // Evenly over the walk, on the whole.
    let step = count / u64::from(settings.kills() + 1);
    let mut moments = Moments(settings.seed);
    let (mut kills, mut behind, mut known) = (0, 0, 0);
    let began = Instant::now();
    let mut daemon = peer.start_and_wait().await?;
    while kills < settings.kills() {
        let more = known + 1 + moments.next() % (2 * step);
        let found = elements(&daemon).await?;
        behind += u64::from(found < known);
        known = found;
        while known < more.min(count) {
            if began.elapsed() > WALK_LIMIT {
                bail!("{known} of {count} pins came in {} s", WALK_LIMIT.as_secs());
            }
            daemon.check_alive()?;
            tokio::time::sleep(LOOK_PAUSE).await;
            known = elements(&daemon).await?;
        }
        if known == count {
            break;
        }
        daemon.kill().await?;
        kills += 1;
        results.note(Side::Ours, &format!("killed at {known} of {count} pins"));
        daemon = peer.start_and_wait().await?;
    }
    arrival::watch(&mut daemon, peer.api(), settings.seed, count).await?;
    results.note(
        Side::Ours,
        &format!("all {count} pins after {kills} kills and {:.1} s", began.elapsed().as_secs_f64()),
    );
    daemon.stop().await?;
    holder.daemon.stop().await?;
    results.record(Side::Ours, Figure::JoinKills, kills as f64);
    results.record(Side::Ours, Figure::JoinKillsBehind, behind as f64);
    let different = differences(&export(&holder.peer).await?, &export(&peer).await?);
    results.record(Side::Ours, Figure::JoinKillsDifferences, different as f64);
    Ok(())
}

/// Counts the pins that a peer lists.
async fn listed(daemon: &Daemon) -> Result<usize> {
    let (_, body) = daemon.fetch("/allocations", ARRIVAL_LIMIT).await?;
    Ok(memchr::memchr_iter(b'\n', &body).count())
}

/// Counts the elements that a peer of ours says it has.
async fn elements(daemon: &Daemon) -> Result<u64> {
    let (status, body) = daemon.fetch("/health/crdt", WALK_LIMIT).await?;
    let health: serde_json::Value = serde_json::from_slice(&body)?;
    health["elements"].as_u64().with_context(|| format!("GET /health/crdt: status {status}: {health}"))
}

/// Exports a stopped peer's state, its lines in order.
async fn export(peer: &Peer) -> Result<Vec<Vec<u8>>> {
    let file = peer.scratch("export");
    peer.run(
        &["state", "export", "-f", file.to_str().context("a folder's name is not text")?],
        TRANSFER_LIMIT,
    )
    .await?;
    let mut exported: Vec<Vec<u8>> =
        BufReader::new(std::fs::File::open(&file)?).split(b'\n').collect::<std::io::Result<_>>()?;
    exported.sort_unstable();
    Ok(exported)
}

/// Counts the lines that one of two sorted lists has and the other has not.
fn differences(left: &[Vec<u8>], right: &[Vec<u8>]) -> usize {
    let missing = |from: &[Vec<u8>], other: &[Vec<u8>]| {
        from.iter().filter(|line| other.binary_search(line).is_err()).count()
    };
    missing(left, right) + missing(right, left) + left.len().abs_diff(right.len())
}

#[cfg(test)]
mod tests {
    use super::differences;

    #[test]
    fn every_line_of_one_side_only_counts() {
        let lines = |text: &str| text.bytes().map(|byte| vec![byte]).collect::<Vec<_>>();
        assert_eq!(differences(&lines("abc"), &lines("abc")), 0);
        assert_eq!(differences(&lines("abc"), &lines("abd")), 2);
        assert_eq!(differences(&lines("abcc"), &lines("abc")), 1);
    }
}
