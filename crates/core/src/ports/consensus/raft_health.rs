//! How Raft stands on one peer.

use libp2p_identity::PeerId;
use std::time::Duration;

/// What a peer is in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RaftState {
    /// Nothing yet: it waits for the first leader that has it as a member.
    Waiting,
    /// It has a vote and follows a leader, or waits for one.
    Follower,
    /// It stands for election.
    Candidate,
    /// It leads.
    Leader,
    /// It follows without a vote.
    Learner,
    /// It was a member, and is none any more.
    Removed,
    /// Its store or Raft failed; it starts again by itself.
    Failed,
    /// It stopped.
    Stopped,
}

impl RaftState {
    /// Returns the name for people and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Follower => "follower",
            Self::Candidate => "candidate",
            Self::Leader => "leader",
            Self::Learner => "learner",
            Self::Removed => "removed",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// Whether a member votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RaftRole {
    /// It votes, and counts for a majority.
    Voter,
    /// It only receives the log.
    Learner,
}

/// One member, as a peer knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaftMember {
    /// The member.
    pub peer: PeerId,
    /// Whether it votes.
    pub role: RaftRole,
    /// Entries that it lacks; only a leader knows, and only of members that it has heard of.
    pub lag: Option<u64>,
    /// How long ago it last answered; only a leader knows.
    pub heard: Option<Duration>,
}

/// How Raft stands on one peer. Numbers of entries begin at 0; `None` is none yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaftHealth {
    /// What this peer is.
    pub state: RaftState,
    /// Why it failed, while it does.
    pub failure: Option<String>,
    /// Who leads, as far as this peer knows.
    pub leader: Option<PeerId>,
    /// The term.
    pub term: u64,
    /// Whether reads of this peer's store are not older than what it had acknowledged or shown.
    pub is_ready: bool,
    /// The last entry of its log.
    pub last: Option<u64>,
    /// The last entry that it knows to be committed.
    pub committed: Option<u64>,
    /// The last entry that its pinset carried out.
    pub applied: Option<u64>,
    /// The last entry that a snapshot holds.
    pub snapshot: Option<u64>,
    /// The last entry that is gone from its log.
    pub purged: Option<u64>,
    /// Entries that its log holds.
    pub log_entries: u64,
    /// The members, sorted by the bytes of their IDs.
    pub members: Vec<RaftMember>,
}

impl RaftHealth {
    /// Counts the entries that are committed, as far as this peer knows, and not carried out yet.
    pub fn lag(&self) -> u64 {
        let end = |index: Option<u64>| index.map_or(0, |index| index + 1);
        end(self.committed).saturating_sub(end(self.applied))
    }
}
