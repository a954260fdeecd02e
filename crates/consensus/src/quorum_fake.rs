//! A stand-in for a backend that needs a quorum: N replicas in one process, over whatever stores they are given.
//!
//! It keeps the promises of the port as such a backend would: an operation is put into one order, evaluated by
//! every replica with the same outcome, and acknowledged once a quorum has it flushed. It elects nobody and sends
//! nothing; replicas can be cut off, and the next submission can be made to end with an unknown outcome.

mod log_backend;
mod replica;

use cluster_core::{
    PeerId, Pin, PinKey,
    pinset::WriterConfig,
    ports::{
        BoxFuture, Consensus,
        consensus::{Applied, BarrierError, CrdtHealth, Etag, Operation, RaftHealth, SubmitError},
        datastore::{Datastore, StoreError},
    },
};
use replica::{Entry, FakeReplica};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What happens to the next submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NextBreak {
    /// It is lost, and the caller is not told.
    Lost,
    /// It is made, and the caller is not told.
    Made,
}

/// The replicas and the log they share.
struct Shared {
    log: Vec<Entry>,
    replicas: Vec<FakeReplica>,
    next_break: Option<NextBreak>,
}

/// A backend with N replicas in memory; the first is this peer.
pub struct QuorumFake {
    members: Vec<PeerId>,
    shared: Mutex<Shared>,
}

impl std::fmt::Debug for QuorumFake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuorumFake").field("members", &self.members).finish_non_exhaustive()
    }
}

impl QuorumFake {
    /// Opens a replica on each store; `configs` name the peers. What the stores have of the log of an earlier
    /// fake must be the same for a quorum of them; the others are brought up by their pins never being read.
    ///
    /// # Errors
    /// When a store fails.
    pub fn open(replicas: Vec<(Arc<dyn Datastore>, WriterConfig)>) -> Result<Self, StoreError> {
        let mut members: Vec<PeerId> = replicas.iter().map(|(_, config)| config.local).collect();
        members.sort_by_key(|peer| peer.to_bytes());
        let replicas: Result<Vec<_>, _> =
            replicas.into_iter().map(|(store, config)| FakeReplica::open(store, config)).collect();
        let replicas = replicas?;
        Ok(Self { members, shared: Mutex::new(Shared { log: Vec::new(), replicas, next_break: None }) })
    }

    /// Cuts a replica off: it neither applies nor counts until [`QuorumFake::reconnect`].
    pub fn cut_off(&self, replica: usize) {
        if let Some(replica) = self.lock().replicas.get_mut(replica) {
            replica.reachable = false;
        }
    }

    /// Connects a replica again and brings it up to date.
    ///
    /// # Errors
    /// When its store fails; it then stays cut off.
    pub fn reconnect(&self, replica: usize) -> Result<(), StoreError> {
        let mut shared = self.lock();
        let Shared { log, replicas, .. } = &mut *shared;
        let Some(replica) = replicas.get_mut(replica) else { return Ok(()) };
        replica.recover()?;
        replica.catch_up(log)?;
        replica.reachable = true;
        Ok(())
    }

    /// Makes the next submission end with an unknown outcome; `survives` says whether it is made.
    pub fn break_next(&self, survives: bool) {
        self.lock().next_break = Some(if survives { NextBreak::Made } else { NextBreak::Lost });
    }

    /// Reads a pin from one replica.
    ///
    /// # Errors
    /// When its store fails.
    pub fn read(&self, replica: usize, key: &PinKey) -> Result<Option<(Pin, Etag)>, StoreError> {
        match self.lock().replicas.get(replica) {
            Some(replica) => replica.read(key),
            None => Ok(None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whatever a quorum acknowledged is in the log, which the first replica has once it caught up.
    fn barrier_now(&self) -> Result<(), BarrierError> {
        let timed_out = |cause: String| BarrierError::TimedOut { cause };
        let mut shared = self.lock();
        let quorum = shared.replicas.len() / 2 + 1;
        let reachable = shared.replicas.iter().filter(|replica| replica.reachable).count();
        let Shared { log, replicas, .. } = &mut *shared;
        match replicas.first_mut() {
            Some(local) if local.reachable && reachable >= quorum => {
                local.catch_up(log).map(|_| ()).map_err(|error| timed_out(error.to_string()))
            }
            _ => Err(timed_out("no quorum can be reached".to_owned())),
        }
    }

    fn submit_now(&self, operation: Operation) -> Result<Applied, SubmitError> {
        let unknown = |cause: &str| Err(SubmitError::Unknown { cause: cause.to_owned() });
        let mut shared = self.lock();
        let quorum = shared.replicas.len() / 2 + 1;
        let reachable = shared.replicas.iter().filter(|replica| replica.reachable).count();
        if !shared.replicas.first().is_some_and(|local| local.reachable) || reachable < quorum {
            return unknown("no quorum can be reached");
        }
        let next_break = shared.next_break.take();
        if next_break == Some(NextBreak::Lost) {
            return unknown("the leader was lost");
        }
        shared.log.push(Entry { operation, at: cluster_runtime::now() });
        let Shared { log, replicas, .. } = &mut *shared;
        let mut flushed = 0;
        let mut answer = None;
        for (number, replica) in replicas.iter_mut().enumerate() {
            if !replica.reachable {
                continue;
            }
            match replica.catch_up(log) {
                Ok(last) => {
                    flushed += 1;
                    if number == 0 {
                        answer = last;
                    }
                }
                // Its disk failed: it is out until it is reconnected.
                Err(_) => replica.reachable = false,
            }
        }
        match answer {
            Some(answer) if flushed >= quorum && next_break.is_none() => answer,
            _ => unknown("the quorum was lost half-way"),
        }
    }
}

impl Consensus for QuorumFake {
    fn name(&self) -> &'static str {
        "quorum-fake"
    }

    fn submit(&self, operation: Operation) -> BoxFuture<'_, Result<Applied, SubmitError>> {
        Box::pin(async move { self.submit_now(operation) })
    }

    fn members(&self) -> Vec<PeerId> {
        self.members.clone()
    }

    fn is_trusted(&self, peer: &PeerId) -> bool {
        self.members.contains(peer)
    }

    fn retell(&self, _: Vec<PinKey>) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(std::future::ready(Ok(0)))
    }

    fn crdt_health(&self) -> BoxFuture<'_, Result<Option<CrdtHealth>, StoreError>> {
        Box::pin(std::future::ready(Ok(None)))
    }
    fn read_barrier(&self) -> BoxFuture<'_, Result<(), BarrierError>> {
        Box::pin(async move { self.barrier_now() })
    }

    fn raft_health(&self) -> Option<RaftHealth> {
        None
    }
}
