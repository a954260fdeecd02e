//! A storm, from the first peer's start to the verdict.

use super::{
    client::Load,
    cluster::Cluster,
    nemesis::Nemesis,
    summary::StormSummary,
    verdict::{judge, until_all_well},
};
use anyhow::{Context as _, Result};
use std::{
    sync::{PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

/// How clients go on after all has healed.
const CALM: Duration = Duration::from_secs(1);

/// How much of it.
#[derive(Debug, Clone)]
pub struct StormOptions {
    /// Peers.
    pub peers: usize,
    /// Times to kill a peer with -9.
    pub kills: usize,
    /// Partitions.
    pub partitions: usize,
    /// Clients that work at the same time.
    pub clients: usize,
    /// `consensus.raft.election_timeout`, and `heartbeat_timeout`.
    pub election_timeout: Duration,
    /// Seed of everything.
    pub seed: u64,
    /// Say each fault when it comes.
    pub is_verbose: bool,
}

/// Starts peers, makes the faults while clients work, and checks everything.
///
/// # Errors
/// When something prevents the check itself; what it finds is in the summary.
pub fn storm(options: &StormOptions) -> Result<StormSummary> {
    let mut cluster = Cluster::start(options)?;
    let mut summary = StormSummary {
        seed: options.seed,
        peers: options.peers,
        election_timeout: options.election_timeout,
        are_partitions_skipped: options.partitions > 0 && !cluster.has_machines(),
        ..StormSummary::default()
    };
    let outcome = weather(options, &mut cluster, &mut summary);
    if let Err(error) = outcome {
        summary.failures.push(format!("{error:#}"));
    }
    if !summary.failures.is_empty() {
        summary.failures.push(format!("folders and logs are kept in {}", cluster.keep().display()));
    }
    Ok(summary)
}

fn weather(options: &StormOptions, cluster: &mut Cluster, summary: &mut StormSummary) -> Result<()> {
    let doors = cluster.doors()?;
    until_all_well(cluster, &doors).context("before the storm")?;
    let load = Load::new(options.seed, &doors);
    let began = Instant::now();
    let raged = std::thread::scope(|scope| {
        let load = &load;
        for client in 0..options.clients {
            scope.spawn(move || load.work(client));
        }
        let raged = Nemesis::new(cluster, &doors, options).rage(summary);
        summary.took = began.elapsed();
        let raged = raged.and_then(|()| until_all_well(cluster, &doors).context("after the storm"));
        if raged.is_ok() {
            std::thread::sleep(CALM);
        }
        load.is_over.store(true, Ordering::SeqCst);
        raged
    });
    summary.pins = load.slots.count();
    summary.take(load.tally.lock().unwrap_or_else(PoisonError::into_inner).clone());
    raged?;
    judge(cluster, &doors, &load, summary)
}
