//! From the start of a fresh peer that joins another one to the first pin and to all pins.

use super::arrival::{self, Arrival};
use crate::bench::cluster::{BATCH, Blocks, Cluster};
use crate::bench::figures::{Figure, Results, median};
use crate::bench::peer::Peer;
use crate::bench::procfs;
use crate::bench::stage::{Stage, settle};
use anyhow::{Context, Result};

/// What the newcomer finds.
struct Task {
    blocks: Blocks,
    connections: usize,
    count: u64,
    first: Figure,
    all: Figure,
}

/// Measures a newcomer at a holder with few large blocks.
pub(super) async fn batched(stage: &Stage<'_>, results: &mut Results) -> Result<()> {
    let task = Task {
        blocks: Blocks::Batched,
        connections: 256,
        count: stage.settings.held(),
        first: Figure::NewcomerFirst,
        all: Figure::NewcomerAll,
    };
    results.note(stage.suite.side, &format!("{} pins, up to {BATCH} in a block", task.count));
    run(stage, results, &task).await
}

/// Measures a newcomer at a holder with many small blocks, each on top of the one before.
pub(super) async fn chained(stage: &Stage<'_>, results: &mut Results) -> Result<()> {
    let task = Task {
        blocks: Blocks::AsSet,
        // One after the other: pins that come together might share a block.
        connections: 1,
        count: stage.settings.chained(),
        first: Figure::ChainFirst,
        all: Figure::ChainAll,
    };
    run(stage, results, &task).await
}

async fn run(stage: &Stage<'_>, results: &mut Results, task: &Task) -> Result<()> {
    let side = stage.suite.side;
    let settings = stage.settings;
    let cluster = Cluster::new(stage, task.blocks)?;
    let mut holder = arrival::holder(stage, &cluster, task.count, task.connections).await?;

    let mut arrivals = Vec::new();
    for _ in 0..settings.newcomers() {
        settle(&mut holder.daemon).await?;
        let cpu = procfs::cpu_seconds(holder.daemon.id())?;
        let (arrival, own_cpu, peak) = newcomer(&cluster, stage, &holder.peer, task.count).await?;
        let cpu = procfs::cpu_seconds(holder.daemon.id())? - cpu;
        holder.daemon.check_alive()?;
        results.note(
            side,
            &format!(
                "{} pins: first after {:.2} s, a sample of them after {:.2} s, the end of a listing of all after {:.2} s; \
                 newcomer {own_cpu:.1} s of CPU, RSS peak {peak:.0} MiB; holder {cpu:.1} s of CPU",
                task.count,
                arrival.first.as_secs_f64(),
                arrival.sample.as_secs_f64(),
                arrival.all.as_secs_f64(),
            ),
        );
        arrivals.push(arrival);
    }
    for (figure, age) in [(task.first, (|a| a.first) as fn(&Arrival) -> _), (task.all, |a| a.all)] {
        let ages: Vec<f64> = arrivals.iter().map(|arrival| age(arrival).as_secs_f64()).collect();
        results.record(side, figure, median(&ages).context("nothing was measured")?);
    }
    holder.daemon.stop().await
}

/// Starts a fresh peer that joins the holder and returns when it had the pins, the CPU time it used for that in seconds
/// and its memory peak in MiB.
async fn newcomer(
    cluster: &Cluster<'_>,
    stage: &Stage<'_>,
    holder: &Peer,
    count: u64,
) -> Result<(Arrival, f64, f64)> {
    // Its stand-in must live as long as it.
    let (peer, _stub) = cluster.peer(&[holder], stage.settings.delay).await?;
    let mut daemon = peer.start()?;
    let arrival = arrival::watch(&mut daemon, peer.api(), stage.settings.seed, count).await?;
    let cpu = procfs::cpu_seconds(daemon.id())?;
    let peak = procfs::peak_mib(daemon.id())?;
    daemon.kill().await?;
    Ok((arrival, cpu, peak))
}
