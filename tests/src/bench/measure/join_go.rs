//! Fresh peers of both suites that join the same peer of the Go suite, in turn: how fast its history comes from the first
//! pin on.

use super::arrival;
use crate::bench::cluster::{Blocks, Cluster};
use crate::bench::figures::{Figure, Results, median};
use crate::bench::procfs;
use crate::bench::stage::{Stage, settle};
use crate::bench::suite::{Side, Suite};
use anyhow::{Context, Result};
use std::collections::BTreeMap;

/// A history, and how fast it has to come.
struct Task {
    blocks: Blocks,
    /// How many pins are on their way at once while it is made: one makes a chain, many make it wide.
    connections: usize,
    count: u64,
    rate: Figure,
    ratio: Figure,
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
        },
        Task {
            blocks: Blocks::AsSet,
            connections: 256,
            count: held,
            rate: Figure::JoinWideRate,
            ratio: Figure::JoinWideRatio,
        },
        Task {
            blocks: Blocks::AsSet,
            connections: 1,
            count: chained,
            rate: Figure::JoinChainRate,
            ratio: Figure::JoinChainRatio,
        },
    ] {
        join(stage, ours, results, &task).await?;
    }
    Ok(())
}

async fn join(stage: &Stage<'_>, ours: &Suite, results: &mut Results, task: &Task) -> Result<()> {
    let settings = stage.settings;
    let cluster = Cluster::new(stage, task.blocks)?;
    let mut holder = arrival::holder(stage, &cluster, task.count, task.connections).await?;

    let mut rates: BTreeMap<Side, Vec<f64>> = BTreeMap::new();
    for _ in 0..settings.newcomers() {
        for suite in [stage.suite, ours] {
            settle(&mut holder.daemon).await?;
            let (peer, _stub) = cluster.peer_of(suite, &[&holder.peer], settings.delay).await?;
            let mut daemon = peer.start()?;
            let arrival = arrival::watch(&mut daemon, peer.api(), settings.seed, task.count).await?;
            let rate = (task.count - 1) as f64 / (arrival.all - arrival.first).as_secs_f64();
            let peak = procfs::peak_mib(daemon.id())?;
            results.note(
                suite.side,
                &format!(
                    "{} pins at a Go peer: first after {:.2} s, all after {:.2} s, {rate:.0} a second; RSS peak {peak:.0} MiB",
                    task.count,
                    arrival.first.as_secs_f64(),
                    arrival.all.as_secs_f64(),
                ),
            );
            rates.entry(suite.side).or_default().push(rate);
            daemon.kill().await?;
            holder.daemon.check_alive()?;
        }
    }
    let of = |side| rates.get(&side).and_then(|rates| median(rates)).context("nothing was measured");
    let (go, own) = (of(Side::Go)?, of(Side::Ours)?);
    results.record(Side::Go, task.rate, go);
    results.record(Side::Ours, task.rate, own);
    results.record(Side::Ours, task.ratio, own / go);
    holder.daemon.stop().await
}
