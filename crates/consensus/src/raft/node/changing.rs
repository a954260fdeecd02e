//! Changing the members from any member: the leader decides, and is asked until it has.

use super::{
    super::{
        cluster_id::complaint,
        member_change::{ChangeRefused, MemberChange},
    },
    Answer, RaftNode, Request,
    leading::CHANGE,
};
use cluster_core::{PeerId, ports::consensus::MembershipError};
use std::time::Duration;
use tokio::time::Instant;

/// Entries that a new member may lack and still get a vote: a majority may need it from then on.
pub(super) const CAUGHT_UP: u64 = 100;

/// Pause before the leader is asked again.
const AGAIN: Duration = Duration::from_millis(100);

/// How long an answer of the leader may take on the way, beyond what it takes for the change.
const WAY: Duration = Duration::from_secs(5);

/// How often the progress of a new member is told to the log.
const TELL: Duration = Duration::from_secs(10);

impl RaftNode {
    /// Makes a peer a voter: it gets the log first, and a vote once it has caught up. A voter already stays one. Asking again
    /// after an error goes on where it stopped.
    ///
    /// # Errors
    /// [`MembershipError::NotCaughtUp`] when the peer is a member, but has no vote after `limit`; otherwise as
    /// [`MembershipError`] says.
    pub async fn add_member(&self, peer: PeerId, limit: Duration) -> Result<(), MembershipError> {
        let until = Instant::now() + limit;
        let added = self.make(MemberChange::AddLearner(peer), until).await?;
        let mut told = Instant::now();
        let mut last = None;
        loop {
            let answer = match self.at_leader(&Request::Lag(peer), until).await {
                Err(MembershipError::TimedOut { .. }) => {
                    return Err(MembershipError::NotCaughtUp { peer, lag: last });
                }
                answer => answer?,
            };
            match answer {
                Answer::Lag { is_voter: true, .. } => {
                    self.wait_for(added, until).await;
                    return Ok(());
                }
                Answer::Lag { lag: Some(lag), .. } if lag <= CAUGHT_UP => break,
                Answer::Lag { lag, .. } => last = lag,
                answer => return Err(unexpected(answer)),
            }
            if Instant::now() >= until {
                return Err(MembershipError::NotCaughtUp { peer, lag: last });
            }
            if told.elapsed() >= TELL {
                told = Instant::now();
                tracing::info!(target: "raft", %peer, lag = ?last, "a new member is catching up");
            }
            tokio::time::sleep_until(until.min(Instant::now() + AGAIN)).await;
        }
        self.promote(peer, until.saturating_duration_since(Instant::now())).await
    }

    /// Gives a member a vote.
    ///
    /// # Errors
    /// As [`MembershipError`] says.
    pub async fn promote(&self, peer: PeerId, limit: Duration) -> Result<(), MembershipError> {
        self.make(MemberChange::Promote(peer), Instant::now() + limit).await.map(|_| ())
    }

    /// Takes a member's vote; it goes on receiving the log. A leader hands the leadership over before.
    ///
    /// # Errors
    /// As [`MembershipError`] says.
    pub async fn demote(&self, peer: PeerId, limit: Duration) -> Result<(), MembershipError> {
        self.make(MemberChange::Demote(peer), Instant::now() + limit).await.map(|_| ())
    }

    /// Makes a peer no member; one that is none stays none. A leader hands the leadership over before. The peer is told, and
    /// stands for no election any more.
    ///
    /// # Errors
    /// As [`MembershipError`] says.
    pub async fn remove_member(&self, peer: PeerId, limit: Duration) -> Result<(), MembershipError> {
        match self.make(MemberChange::Remove(peer), Instant::now() + limit).await {
            // An earlier attempt was carried out, and its answer was lost.
            Err(MembershipError::Removed) if peer == self.config.local => Ok(()),
            done => done.map(|_| ()),
        }
    }

    /// Makes this peer no member.
    ///
    /// # Errors
    /// As [`RaftNode::remove_member`].
    pub async fn leave(&self, limit: Duration) -> Result<(), MembershipError> {
        self.remove_member(self.config.local, limit).await
    }

    /// Has another voter lead.
    ///
    /// # Errors
    /// As [`MembershipError`] says.
    pub async fn transfer_leadership(&self, to: PeerId, limit: Duration) -> Result<(), MembershipError> {
        let until = Instant::now() + limit;
        match self.at_leader(&Request::HandOver(to), until).await? {
            Answer::Done => Ok(()),
            answer => Err(unexpected(answer)),
        }
    }

    /// Has another voter lead, if this peer does and there is one; true when another one leads then.
    pub async fn step_aside(&self, limit: Duration) -> bool {
        let Some(instance) = self.instance() else { return false };
        let has_others = instance.voters().len() > 1;
        if instance.leader() != Some(self.config.local) || !has_others {
            return false;
        }
        let handed_over = tokio::time::timeout(limit, self.hand_over(&instance, None)).await;
        matches!(handed_over, Ok(Answer::NotLeader(Some(_))))
    }

    /// Has a change made, and waits until this peer's own list of members shows it.
    async fn make(&self, change: MemberChange, until: Instant) -> Result<u64, MembershipError> {
        match self.at_leader(&Request::Change(change), until).await? {
            Answer::Changed(index) => {
                if change != MemberChange::Remove(self.config.local) {
                    self.wait_for(index, until).await;
                }
                Ok(index)
            }
            Answer::Stranger { asks, asked } => {
                let cause = complaint(Some(asks), Some(asked)).unwrap_or_default();
                Err(MembershipError::Refused { peer: change.peer(), cause })
            }
            answer => Err(unexpected(answer)),
        }
    }

    /// Waits until this peer has an entry, as long as there is time: the change is made all the same.
    pub(in super::super) async fn wait_for(&self, index: u64, until: Instant) {
        if let Some(instance) = self.instance() {
            let _ = tokio::time::timeout_at(until, instance.carried_out(index)).await;
        }
    }

    /// Asks whoever leads until it answers.
    async fn at_leader(&self, request: &Request, until: Instant) -> Result<Answer, MembershipError> {
        let mut cause = self.no_leader();
        let mut is_first = true;
        loop {
            if self.stop.is_cancelled() {
                return Err(MembershipError::Stopping);
            }
            if self.is_removed() {
                return Err(MembershipError::Removed);
            }
            let Some((_, leader)) = self.wait_for_leader(until.min(Instant::now() + CHANGE)).await else {
                if Instant::now() >= until {
                    return Err(MembershipError::TimedOut { cause });
                }
                cause = self.no_leader();
                continue;
            };
            let limit = (CHANGE + WAY).min(until.saturating_duration_since(Instant::now()));
            if limit.is_zero() {
                return Err(MembershipError::TimedOut { cause });
            }
            let answer = if leader == self.config.local {
                tokio::time::timeout(limit, self.lead(request))
                    .await
                    .map_err(|_| "no majority answered".to_owned())
            } else {
                self.caller.call(leader, request, limit).await.map_err(|error| error.to_string())
            };
            match answer {
                Ok(Answer::NotLeader(_)) => cause = format!("{leader} does not lead any more"),
                Ok(Answer::NotMember(_)) => cause = format!("this peer is no member, says {leader}"),
                Ok(Answer::Failed(why)) => cause = why,
                // Who was cut short says nothing new.
                Err(why) if is_first || Instant::now() < until => cause = why,
                Err(_) => {}
                Ok(answer) => return Ok(answer),
            }
            is_first = false;
            if !self.pause(until).await {
                return Err(MembershipError::TimedOut { cause });
            }
        }
    }

    /// Answers what only a leader can, for this peer or another one.
    pub(super) async fn lead(&self, request: &Request) -> Answer {
        match request {
            Request::Change(change) => self.change(*change).await,
            Request::Lag(peer) => self.lag(*peer),
            Request::HandOver(to) => self.hand_over_to(*to).await,
            _ => Answer::Failed("this is no question for a leader".to_owned()),
        }
    }
}

fn unexpected(answer: Answer) -> MembershipError {
    match answer {
        Answer::Refused(ChangeRefused::LastVoter(peer)) => MembershipError::LastVoter { peer },
        Answer::Refused(ChangeRefused::NotMember(peer)) => MembershipError::NotMember { peer },
        Answer::Refused(ChangeRefused::NotVoter(peer)) => MembershipError::NotVoter { peer },
        _ => MembershipError::TimedOut { cause: "the leader answered another question".to_owned() },
    }
}
