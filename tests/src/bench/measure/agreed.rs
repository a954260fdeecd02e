//! Acknowledged pins a second on one peer of a cluster, and what each peer writes for a pin.

use crate::bench::cluster::{Blocks, Cluster, stop};
use crate::bench::figures::{Figure, Results};
use crate::bench::procfs;
use crate::bench::stage::{Stage, World, settle};
use crate::bench::sync_probe;
use anyhow::{Context, Result};
use std::time::Duration;

/// Length of the probe of the disk before and after each load.
const PROBE: Duration = Duration::from_secs(1);

/// The figures of one number of peers: rates at c = 1, 16 and 256, and bytes written.
const CLUSTERS: [(usize, [Figure; 3], Figure); 3] = [
    (1, [Figure::Agreed1Of1, Figure::Agreed1Of16, Figure::Agreed1Of256], Figure::Agreed1Written),
    (3, [Figure::Agreed3Of1, Figure::Agreed3Of16, Figure::Agreed3Of256], Figure::Agreed3Written),
    (5, [Figure::Agreed5Of1, Figure::Agreed5Of16, Figure::Agreed5Of256], Figure::Agreed5Written),
];

pub(super) async fn run(stage: &Stage<'_>, results: &mut Results) -> Result<()> {
    let mut errors = 0;
    for (count, rates, written) in CLUSTERS {
        let cluster = Cluster::new(stage, Blocks::AsSet)?;
        let mut worlds = cluster.start(count, stage.settings.delay).await?;
        let mut first = 0;
        for (connections, rate) in [1, 16, 256].into_iter().zip(rates) {
            for world in &mut worlds {
                settle(&mut world.daemon).await?;
            }
            let (sent, bytes, failed) = load(stage, results, &mut worlds, (connections, first), rate).await?;
            first += sent;
            errors += failed;
            let per_pin = bytes as f64 / count as f64 / sent as f64;
            if connections == 1 {
                results.record(stage.suite.side, written, per_pin);
            }
            results.note(
                stage.suite.side,
                &format!("{count} peer(s), c = {connections}: {per_pin:.0} B written per peer and pin"),
            );
        }
        stop(worlds).await?;
    }
    results.record(stage.suite.side, Figure::AgreedErrors, errors as f64);
    Ok(())
}

/// Loads the first peer; returns how many pins were sent, the bytes that all peers wrote meanwhile, and the errors.
async fn load(
    stage: &Stage<'_>,
    results: &mut Results,
    worlds: &mut [World],
    (connections, first): (usize, u64),
    rate: Figure,
) -> Result<(u64, u64, u64)> {
    let side = stage.suite.side;
    let mut load = stage.load(&worlds[0].peer, connections);
    load.first = first;
    results.probed(sync_probe::probe(stage.settings, PROBE)?);
    let (bytes, cpu) = used(worlds)?;
    let outcome = load.run().await?;
    let (bytes_after, cpu_after) = used(worlds)?;
    results.probed(sync_probe::probe(stage.settings, PROBE)?);
    let sent = outcome.next - first;
    results.note(side, &format!("{} peer(s), c = {connections}: {}", worlds.len(), outcome.describe()));
    let cpu: Vec<String> = cpu_after
        .iter()
        .zip(&cpu)
        .map(|(after, before)| format!("{:.0}", (after - before) / sent as f64 * 1e6))
        .collect();
    results.note(side, &format!("µs of CPU time a pin, peer by peer: {}", cpu.join(", ")));
    results.record(side, rate, outcome.rate());
    for world in worlds {
        world.daemon.check_alive().context("after the load")?;
    }
    Ok((sent, bytes_after - bytes, outcome.errors))
}

/// Returns the bytes that all peers have written, and the CPU time of each in seconds.
fn used(worlds: &[World]) -> Result<(u64, Vec<f64>)> {
    let (mut bytes, mut cpu) = (0, Vec::new());
    for world in worlds {
        bytes += procfs::write_bytes(world.daemon.id())?;
        cpu.push(procfs::cpu_seconds(world.daemon.id())?);
    }
    Ok((bytes, cpu))
}
