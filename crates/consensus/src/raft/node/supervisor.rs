//! Keeping openraft running: it stops when the store fails, and starts again from the rows once the store works.

use super::{Current, Instance, RaftInput, RaftNode, Running, StartRaftError};
use cluster_core::{
    mutate::{Mutation as Defect, active},
    pinset::Input,
    ports::consensus::RaftState,
};
use cluster_runtime::Pinset;
use openraft::async_runtime::WatchReceiver as _;
use std::{future::Future, sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};

/// First pause before it is started again.
const FIRST: Duration = Duration::from_millis(100);

/// Longest such pause.
const LONGEST: Duration = Duration::from_secs(10);

/// What ran so long does not count as failing again and again.
const STEADY: Duration = Duration::from_secs(60);

/// Keeps a member running until it is told to stop. `failures` has seen those before the first run.
pub(super) async fn supervise(
    node: Arc<RaftNode>,
    pinset: Pinset<RaftInput>,
    first: Running,
    mut failures: watch::Receiver<u64>,
) {
    let mut pause = FIRST;
    let mut next = Some(first);
    while let Some(running) = next.take() {
        let began = Instant::now();
        node.current.send_replace(Current::Up(running.instance.clone()));
        let failed = follow(&node, &running, &mut failures).await;
        if !active(Defect::StayReady) {
            node.ready.set_recent(false);
        }
        let Some(cause) = failed else {
            node.current.send_replace(Current::Stopped);
            running.close().await;
            break;
        };
        let is_over = node.caller.runs.out_of_service().is_some();
        if is_over {
            tracing::error!(target: "raft", "{cause}");
        } else {
            tracing::error!(target: "raft", %cause, "Raft failed; it starts again from what the store holds");
        }
        node.current.send_replace(Current::Down(cause.into()));
        node.set_state(RaftState::Failed);
        running.close().await;
        if is_over {
            node.stop.cancelled().await;
            break;
        }
        if began.elapsed() >= STEADY {
            pause = FIRST;
        }
        next = open_again(&node, &pinset, &mut pause, &mut failures).await;
    }
    node.current.send_replace(Current::Stopped);
    node.set_state(RaftState::Stopped);
}

/// Follows one run; returns why it failed, or `None` when the peer stops.
async fn follow(
    node: &Arc<RaftNode>,
    running: &Running,
    failures: &mut watch::Receiver<u64>,
) -> Option<String> {
    let instance = &running.instance;
    let mut metrics = instance.raft.server_metrics();
    let mut removed = node.caller.removed.subscribe();
    let mut beside = node.caller.runs.beside();
    let mut ended = std::pin::pin!(instance.ended());
    let mut readiness = std::pin::pin!(node.first_barrier(instance));
    if let Some(cause) = node.caller.runs.out_of_service() {
        return Some(cause);
    }
    let mut is_ready = active(Defect::ReadyAtOnce);
    if is_ready {
        node.ready.set_recent(true);
    }
    loop {
        let state = node.state_of(instance);
        // Nobody would vote for it, but it would ask again and again.
        if node.set_state(state) {
            instance.raft.runtime_config().elect(state != RaftState::Removed);
        }
        tokio::select! {
            biased;
            () = node.stop.cancelled() => return None,
            cause = &mut ended => return Some(cause),
            Ok(()) = beside.changed() => if let Some(cause) = node.caller.runs.out_of_service() { return Some(cause) },
            // Also when openraft has nothing to write just now: what was shown last may be lost.
            () = node.store_failed.notified() => return Some("the store failed".to_owned()),
            Ok(()) = failures.changed() => return Some("the store failed".to_owned()),
            () = &mut readiness, if !is_ready => {
                is_ready = true;
                node.ready.set_recent(true);
            }
            changed = metrics.changed() => if changed.is_err() { return unless_stopped(node, ended).await },
            _ = removed.changed() => {}
        }
    }
}

async fn unless_stopped(node: &RaftNode, ended: impl Future<Output = String>) -> Option<String> {
    tokio::select! {
        biased;
        () = node.stop.cancelled() => None,
        cause = ended => Some(cause),
    }
}

/// Waits until the store takes writes, and starts from what it holds; `None` when the peer stops.
async fn open_again(
    node: &Arc<RaftNode>,
    pinset: &Pinset<RaftInput>,
    pause: &mut Duration,
    failures: &mut watch::Receiver<u64>,
) -> Option<Running> {
    loop {
        tokio::select! {
            biased;
            () = node.stop.cancelled() => return None,
            () = tokio::time::sleep(*pause) => {}
        }
        *pause = (*pause * 2).min(LONGEST);
        // The writer of the pinset is who takes a failed store up again; it has to notice that it failed.
        let probe = vec![(Input::Backend(RaftInput::Probe), cluster_runtime::now())];
        let probed = pinset.carry_out(probe).await;
        failures.mark_unchanged();
        let opened = match probed {
            Ok(_) => open(node, pinset).await.map_err(|error| chain(&error)),
            Err(error) => Err(error.to_string()),
        };
        match opened {
            Ok(running) => {
                tracing::info!(target: "raft", "Raft runs again");
                return Some(running);
            }
            Err(cause) => {
                tracing::debug!(target: "raft", %cause, "Raft does not run yet");
                node.current.send_replace(Current::Down(cause.into()));
            }
        }
    }
}

async fn open(node: &Arc<RaftNode>, pinset: &Pinset<RaftInput>) -> Result<Running, StartRaftError> {
    let running = Running::open(node, pinset.clone()).await?;
    if let Some(members) = node.first_members.get()
        && let Err(error) = node.begin(&running.instance, members).await
    {
        running.close().await;
        return Err(error);
    }
    Ok(running)
}

/// Prints an error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl RaftNode {
    /// Says what this peer is just now, as that run shows it.
    pub(super) fn state_of(&self, instance: &Instance) -> RaftState {
        let is_removed = self.caller.removed.is_later_than(instance.members_since());
        if is_removed { RaftState::Removed } else { instance.state() }
    }

    /// Says what this peer is; true when it was something else.
    fn set_state(&self, state: RaftState) -> bool {
        self.state.send_if_modified(|known| std::mem::replace(known, state) != state)
    }
}
