//! What has to hold at the end.

use super::{checker, client, shown::replicated, world::World};
use anyhow::{Context, Result, bail, ensure};
use cluster_core::{pinset::check, ports::consensus::RaftState};
use std::{sync::Arc, time::Duration};

/// Virtual time after the faults within which all members must agree.
const QUIET_LIMIT: Duration = Duration::from_secs(120);

/// Returns the members, as the peer says that leads in the latest term.
fn members(world: &World) -> Option<Vec<usize>> {
    let all = world.peers.iter().filter_map(|peer| {
        let (_, _, serving) = peer.serving()?;
        let status = serving.node.status();
        (status.state == RaftState::Leader).then(|| (status.term, serving.node.members()))
    });
    let (_, members) = all.max_by_key(|(term, _)| *term)?;
    members.iter().map(|peer| world.number_of(peer)).collect()
}

/// Says what is not quiet yet.
fn unrest(world: &World) -> Result<Option<String>> {
    let Some(members) = members(world) else { return Ok(Some("nobody leads".to_owned())) };
    let mut rows = None;
    for number in members {
        let peer = &world.peers[number];
        let Some((_, disk, serving)) = peer.serving() else {
            return Ok(Some(format!("peer {number} does not run")));
        };
        if !serving.node.is_ready() {
            return Ok(Some(format!("peer {number} is not ready: {:?}", serving.node.status())));
        }
        let own = replicated(disk.store())?;
        if rows.get_or_insert_with(|| own.clone()) != &own {
            return Ok(Some(format!("peer {number} differs")));
        }
    }
    Ok(None)
}

/// Waits until all members agree.
///
/// # Errors
/// When they do not in time.
pub(super) async fn settle(world: &Arc<World>) -> Result<()> {
    let end = world.journal.elapsed() + QUIET_LIMIT;
    let mut last = None;
    while world.journal.elapsed() < end {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let now = unrest(world)?;
        if now.is_none() && last == Some(None) {
            return Ok(());
        }
        last = Some(now);
    }
    let why = last.flatten().unwrap_or_default();
    bail!("the cluster does not come to rest within {QUIET_LIMIT:?}: {why}")
}

/// Checks everything.
///
/// # Errors
/// What is not as it must be.
pub(super) async fn judge(world: &Arc<World>) -> Result<()> {
    let members = members(world).context("nobody leads")?;
    for &number in &members {
        for key in 0..world.faults.keys {
            let mut known = vec![None; world.faults.keys];
            let told = client::read(world, client::READER, number, key, &mut known).await;
            ensure!(told, "peer {number} does not read although all is well");
        }
        client::local_read(world, number);
    }
    for (number, peer) in world.peers.iter().enumerate() {
        let store = peer.store();
        let report = check::check(&store, &peer.id)?;
        ensure!(report.total_mismatches() == 0, "peer {number} contradicts itself: {report}");
    }
    let rows = members.iter().map(|number| replicated(&world.peers[*number].store()));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    ensure!(rows.windows(2).all(|pair| pair[0] == pair[1]), "members differ although they had agreed");
    for key in 0..world.faults.keys {
        checker::check(key, &world.history.of(key))?;
    }
    Ok(())
}
