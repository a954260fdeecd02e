//! The whole life of a peer: open, start, serve, wait, and stop in the reverse order.

mod consensus;
mod counts;
mod drops;
mod effects;
mod error;
mod events;
mod forgotten_file;
mod joining;
mod listen;
mod numbers;
mod raft_member;
mod raft_numbers;
mod running_peer;
mod settings;
mod shared_settings;
mod traces;

pub(crate) use counts::Counts;
pub use error::DaemonError;
pub use joining::Bootstrap;
pub use raft_member::Membership;
pub use running_peer::RunningPeer;
pub(crate) use settings::kubo as kubo_config;

use crate::command::Prepared;
use cluster_runtime::StopSignal;
use sd_notify::NotifyState;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Threads for reads of the store.
const BLOCKING_THREADS: usize = 16;

/// Returns how many threads serve requests: half of the processors, since the writer, the tracker and the engine have
/// threads of their own, and a second thread that finds nothing to do costs every request a wake-up.
fn request_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().div_ceil(2))
}

/// Runs a peer until a signal stops it.
///
/// # Errors
/// Whatever kept it from starting, or from stopping orderly.
pub fn run(prepared: Prepared, bootstrap: &Bootstrap) -> Result<(), DaemonError> {
    let runtime = runtime().map_err(DaemonError::Runtime)?;
    let result = runtime.block_on(async {
        let signals = StopSignal::listen().map_err(DaemonError::Runtime)?;
        let peer = Box::pin(RunningPeer::start(&prepared, bootstrap)).await?;
        until_stopped(peer, signals).await
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    match result? {
        Membership::Kept => Ok(()),
        Membership::Lost => Ok(crate::state::put_aside(&prepared)?),
    }
}

/// Makes the threads that a peer runs on.
pub(crate) fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(request_threads())
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
}

/// Lets a peer run until a signal stops it.
pub(crate) async fn until_stopped(
    peer: RunningPeer,
    mut signals: StopSignal,
) -> Result<Membership, DaemonError> {
    tokio::select! {
        name = signals.next() => tracing::info!(target: "service", signal = name, "stopping"),
        () = peer.failed() => {}
    }
    tell_service_manager(NotifyState::Stopping);
    tokio::spawn(async move {
        signals.next().await;
        tracing::warn!(target: "service", "still stopping; once more ends the process at once");
        signals.next().await;
        crate::logging::flush();
        std::process::exit(1);
    });
    peer.stop().await
}

/// Tells systemd how far the peer is, where it started it and wants to know (`NOTIFY_SOCKET`).
fn tell_service_manager(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(target: "service", %error, "the service manager cannot be told how far the peer is");
    }
}
