//! Reads that are up to date: what has to be carried out here before one, as a leader that a quorum confirms says.

use super::{Answer, Instance, RaftNode, Request, TRY_AGAIN};
use cluster_core::{
    PeerId,
    mutate::{Mutation as Defect, active},
    ports::consensus::BarrierError,
};
use openraft::{
    async_runtime::WatchReceiver as _,
    errors::{LinearizableReadError, RaftError},
    raft::linearizable_read::LinearizerOption,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

/// Reads that may wait for a round. More wait for a place, each until its own deadline.
const WAITING: usize = 4096;

/// How long one round may take: with a leader that has lost its majority there is no point in waiting for it.
const ROUND: Duration = Duration::from_secs(2);

/// Longest pause before a peer that is not ready asks again.
const LONGEST: Duration = Duration::from_millis(500);

type Index = Result<u64, String>;
type Asked = oneshot::Sender<Index>;

/// The way to the next round. One that began before a read came is of no use to it: something may have been acknowledged
/// in between.
#[derive(Debug)]
pub(super) struct Rounds(mpsc::Sender<Asked>);

impl Rounds {
    pub(super) fn new() -> (Self, mpsc::Receiver<Asked>) {
        let (queue, asked) = mpsc::channel(WAITING);
        (Self(queue), asked)
    }
}

/// Makes one round after the other, each for all who came before it began.
pub(super) async fn answer_rounds(node: Arc<RaftNode>, mut asked: mpsc::Receiver<Asked>) {
    let mut waiting = Vec::new();
    loop {
        let came = tokio::select! {
            biased;
            () = node.stop.cancelled() => return,
            came = asked.recv_many(&mut waiting, WAITING) => came,
        };
        if came == 0 {
            return;
        }
        let index = tokio::select! {
            biased;
            () = node.stop.cancelled() => return,
            index = node.read_index() => index,
        };
        while active(Defect::JoinOldRound)
            && let Ok(late) = asked.try_recv()
        {
            waiting.push(late);
        }
        for asked in waiting.drain(..) {
            // Whoever asked may have gone.
            let _ = asked.send(index.clone());
        }
    }
}

impl RaftNode {
    /// Waits until a read of this peer's store sees everything that any peer acknowledged before this call. Calls that
    /// wait together share one round to the leader, and the leader's to a quorum.
    ///
    /// # Errors
    /// [`BarrierError::TimedOut`] when that takes longer than `limit`; [`BarrierError::Removed`] and
    /// [`BarrierError::Stopping`].
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn read_barrier(&self, limit: Duration) -> Result<(), BarrierError> {
        let until = Instant::now() + limit;
        let mut cause = "no round to the leader ended".to_owned();
        loop {
            if self.stop.is_cancelled() {
                return Err(BarrierError::Stopping);
            }
            if self.is_removed() {
                return Err(BarrierError::Removed);
            }
            let Some(instance) = self.instance() else {
                cause = self.no_leader();
                if !self.pause(until).await {
                    return Err(BarrierError::TimedOut { cause });
                }
                continue;
            };
            match timeout_at(until, self.next_round()).await {
                Err(_) => return Err(BarrierError::TimedOut { cause }),
                Ok(Some(Ok(_))) if active(Defect::ReadBeforeApplied) => return Ok(()),
                Ok(Some(Ok(index))) => match timeout_at(until, instance.carried_out(index)).await {
                    Ok(true) => return Ok(()),
                    Ok(false) => cause = self.no_leader(),
                    Err(_) => {
                        let cause = "this peer is behind in carrying out the log".to_owned();
                        return Err(BarrierError::TimedOut { cause });
                    }
                },
                Ok(Some(Err(why))) => cause = why,
                Ok(None) => return Err(BarrierError::Stopping),
            }
            if !self.pause(until).await {
                return Err(BarrierError::TimedOut { cause });
            }
        }
    }

    /// How long a read that has to be up to date waits where nobody says otherwise.
    pub(crate) fn barrier_wait(&self) -> Duration {
        self.config.barrier_wait
    }

    /// Waits a little before the next attempt; false when there is no time for one.
    pub(super) async fn pause(&self, until: Instant) -> bool {
        tokio::time::sleep_until(until.min(Instant::now() + TRY_AGAIN)).await;
        Instant::now() < until
    }

    async fn next_round(&self) -> Option<Index> {
        let (reply, answer) = oneshot::channel();
        self.rounds.0.send(reply).await.ok()?;
        answer.await.ok()
    }

    /// Waits until this run of openraft has carried out what was committed when it first knew a leader.
    pub(super) async fn first_barrier(&self, instance: &Instance) {
        let mut pause = TRY_AGAIN;
        loop {
            if let Some(Ok(index)) = self.next_round().await
                && instance.carried_out(index).await
            {
                return;
            }
            // A peer that waits to be added, or was removed, may try for ever.
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Asks the leader, whoever that is, for what has to be carried out.
    async fn read_index(&self) -> Index {
        let until = Instant::now() + ROUND;
        let Some((instance, leader)) = self.wait_for_leader(until).await else {
            return Err(self.no_leader());
        };
        let answer = if leader == self.config.local {
            timeout_at(until, confirmed_index(&instance)).await.map_err(|_| "no answer in time".to_owned())?
        } else {
            self.caller
                .call(leader, &Request::ReadIndex, until.saturating_duration_since(Instant::now()))
                .await
                .map_err(|error| error.to_string())?
        };
        match answer {
            Answer::ReadIndex(index) => Ok(index),
            Answer::Failed(cause) => Err(cause),
            Answer::NotLeader(_) => Err(format!("{leader} does not lead any more")),
            Answer::NotMember(_) => Err(not_member(&leader)),
            _ => Err(format!("{leader} answered another question")),
        }
    }
}

fn not_member(leader: &PeerId) -> String {
    format!("this peer is no member, says {leader}")
}

/// Returns the index that a read has to wait for, once a quorum has confirmed, by answers to what was sent after now, that
/// this peer leads. No clock is asked: a lease would be cheaper, but rests on clocks that run equally fast.
pub(super) async fn confirmed_index(instance: &Instance) -> Answer {
    if active(Defect::ReadWithoutQuorum) && instance.leader() == Some(instance.local) {
        let committed = instance.raft.metrics().borrow_watched().cluster_committed.map(|id| id.index);
        return Answer::ReadIndex(committed.unwrap_or_default());
    }
    let option = LinearizerOption::new(Some(Duration::ZERO), true).with_wait_timeout(ROUND);
    match instance.raft.get_read_linearizer(option).await {
        Ok(linearizer) => Answer::ReadIndex(linearizer.read_log_id().index()),
        Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(to))) => {
            Answer::NotLeader(to.leader_id.map(|node| node.peer()))
        }
        Err(error) => Answer::Failed(error.to_string()),
    }
}
