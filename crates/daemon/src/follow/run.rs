//! `<name> run` (api §7.4).

use super::{FollowError, Follower, first_sync::FirstSync};
use crate::{
    Config, Environment, ExecutionLock, Identity,
    command::Prepared,
    config::Lookup,
    daemon::{self, Bootstrap, RunningPeer},
    logging::StatusLine,
    state::BesideGo,
};
use cluster_core::ports::IpfsConnector;
use cluster_ipfs::Kubo;
use cluster_runtime::StopSignal;
use std::time::Duration;
use tokio::time::Instant;

/// How long the IPFS daemon is waited for.
const IPFS_LIMIT: Duration = Duration::from_secs(120);

/// Between two questions whether it is there.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How long it may take to answer one of them.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Of so many questions in vain one is told of.
const TOLD: u32 = 10;

/// How long the lock of the folder is waited for.
const LOCK_LIMIT: Duration = Duration::from_secs(2);

/// Between two attempts to take it.
const LOCK_EVERY: Duration = Duration::from_millis(20);

/// Runs a follower until a signal stops it. A person at a terminal sees how its first sync goes on.
///
/// # Errors
/// Another one runs in the folder, there is no IPFS daemon, no configuration, or the peer does not start or stop
/// orderly.
pub fn run(follower: &Follower, environment: &Environment) -> Result<(), FollowError> {
    follower.check_initialized()?;
    let lock = wait_for_lock(follower)?;
    let runtime = daemon::runtime().map_err(FollowError::Runtime)?;
    let result = runtime.block_on(follow(follower, lock, environment));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

/// Takes the lock; a list of the stored pins has it for a moment.
fn wait_for_lock(follower: &Follower) -> Result<ExecutionLock, FollowError> {
    let deadline = Instant::now() + LOCK_LIMIT;
    loop {
        match follower.lock() {
            Err(FollowError::Held { .. }) if Instant::now() < deadline => std::thread::sleep(LOCK_EVERY),
            result => return result,
        }
    }
}

async fn follow(
    follower: &Follower,
    lock: ExecutionLock,
    environment: &Environment,
) -> Result<(), FollowError> {
    let mut signals = StopSignal::listen().map_err(FollowError::Runtime)?;
    println!("Starting the IPFS Cluster follower peer for \"{}\".", follower.name());
    println!("CTRL-C to stop it.");
    println!("Checking if IPFS is online (will wait for 2 minutes)...");
    let ready = async {
        wait_for_ipfs(&follower.defaults(environment)?).await?;
        load(follower.clone(), environment.clone()).await
    };
    let config = tokio::select! {
        signal = signals.next() => return Err(FollowError::Interrupted { signal }),
        config = ready => config?,
    };
    let base = follower.base().to_owned();
    let identity = Identity::load(&base, environment)?;
    let prepared = Prepared { base, config, identity, lock };
    // The pinset is never this peer's own, so that of a Go follower in the folder is nothing to lose.
    let bootstrap = Bootstrap { beside_go: BesideGo::Settle, ..Bootstrap::default() };
    let peer = Box::pin(RunningPeer::start(&prepared, &bootstrap)).await?;
    let first_sync = FirstSync::new(peer.counts(), StatusLine::on_terminal(environment));
    peer.run_beside("first sync", first_sync.watch());
    // A follower is no member of anything.
    Ok(Box::pin(daemon::until_stopped(peer, signals)).await.map(drop)?)
}

/// Loads the configuration beside the runtime: fetching it takes time.
async fn load(follower: Follower, environment: Environment) -> Result<Config, FollowError> {
    let loading = tokio::task::spawn_blocking(move || follower.load(&environment, Lookup::UrlFirst));
    loading.await.unwrap_or_else(|error| Err(FollowError::Runtime(std::io::Error::other(error))))
}

async fn wait_for_ipfs(config: &Config) -> Result<(), FollowError> {
    let ipfs = Kubo::new(daemon::kubo_config(config))?;
    let node = config.ipfshttp.node_multiaddress.to_string();
    let deadline = Instant::now() + IPFS_LIMIT;
    let mut in_vain = 0;
    loop {
        let cause = match tokio::time::timeout(ANSWER_LIMIT, ipfs.id()).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {}s", ANSWER_LIMIT.as_secs()),
        };
        if Instant::now() >= deadline {
            return Err(FollowError::NoIpfs { node, cause });
        }
        in_vain += 1;
        if in_vain % TOLD == 0 {
            println!("waiting for IPFS to become available on {node}...");
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}
