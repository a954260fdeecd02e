//! Many real peers in one process.

use anyhow::{Context, Result};
use cluster_daemon::{
    Environment,
    command::Prepared,
    daemon::{Bootstrap, RunningPeer},
};
use std::path::PathBuf;

/// A folder made by `init`, and what the peer in it is told besides.
#[derive(Debug, Clone)]
pub struct PeerFolder {
    /// The folder.
    pub base: PathBuf,
    /// Variables of its environment.
    pub variables: Vec<(String, String)>,
    /// Addresses of peers to join.
    pub join: Vec<String>,
}

/// Runs peers until `until` resolves, then stops them orderly. `ready` is called when all have started.
///
/// # Errors
/// When one does not start or does not stop.
pub fn run(folders: &[PeerFolder], ready: impl FnOnce(), until: impl Future<Output = ()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut peers = Vec::new();
        for folder in folders {
            let environment = Environment::of(folder.variables.clone());
            let prepared = Prepared::load(&folder.base, &environment)?;
            let addresses = folder.join.iter().map(|address| address.parse()).collect::<Result<_, _>>();
            let addresses = addresses.context("an address to join")?;
            let bootstrap = Bootstrap { addresses, trusted: true, ..Bootstrap::default() };
            let running = RunningPeer::start(&prepared, &bootstrap).await?;
            // The folder stays locked as long as its peer runs.
            peers.push((prepared, running));
        }
        ready();
        until.await;
        for (_, running) in peers {
            running.stop().await?;
        }
        Ok(())
    })
}
