//! How Raft stands. Not in the Go suite.

use crate::PeerText;
use cluster_core::ports::consensus::{RaftHealth as CoreRaftHealth, RaftRole, RaftState};
use serde::{Deserialize, Serialize};

/// How Raft stands on one peer. Places in the log are numbers from 1; 0 is none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RaftHealth {
    /// `leader`, `follower`, `candidate`, `learner`, `waiting` (to be taken in), `removed`, `failed` (the store fails) or
    /// `stopped`.
    pub state: String,
    /// Who leads, as far as the peer knows.
    pub leader: Option<PeerText>,
    /// The term.
    pub term: u64,
    /// Whether the pinset of the peer is fit to be read.
    pub ready: bool,
    /// The last entry of its log.
    pub last_index: u64,
    /// The last entry that a majority is known to hold.
    pub committed_index: u64,
    /// The last entry that its pinset has carried out.
    pub applied_index: u64,
    /// The entry up to which a snapshot stands.
    pub snapshot_index: u64,
    /// The entry up to which its log is gone.
    pub purged_index: u64,
    /// Entries in its log.
    pub log_entries: u64,
    /// Entries that are committed and not carried out yet.
    pub lag: u64,
    /// Who is a member.
    pub members: Vec<RaftMember>,
    /// Why it does not work; empty when it does.
    pub error: String,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RaftMember {
    /// Which peer.
    pub peer: PeerText,
    /// `voter` or `learner`.
    pub role: String,
    /// Entries that it does not hold yet; only the leader knows.
    pub lag: Option<u64>,
    /// Milliseconds since it answered; only the leader knows.
    pub heard_ms_ago: Option<u64>,
}

impl From<&CoreRaftHealth> for RaftHealth {
    fn from(health: &CoreRaftHealth) -> Self {
        let index = Option::unwrap_or_default;
        let (committed, applied): (u64, u64) = (index(health.committed), index(health.applied));
        Self {
            state: state(health.state).to_owned(),
            leader: health.leader.as_ref().map(PeerText::from),
            term: health.term,
            ready: health.is_ready,
            last_index: index(health.last),
            committed_index: committed,
            applied_index: applied,
            snapshot_index: index(health.snapshot),
            purged_index: index(health.purged),
            log_entries: health.log_entries,
            lag: committed.saturating_sub(applied),
            members: health
                .members
                .iter()
                .map(|member| RaftMember {
                    peer: PeerText::from(&member.peer),
                    role: role(member.role).to_owned(),
                    lag: member.lag,
                    heard_ms_ago: member.heard.map(|ago| u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)),
                })
                .collect(),
            error: health.failure.clone().unwrap_or_default(),
        }
    }
}

fn state(state: RaftState) -> &'static str {
    match state {
        RaftState::Waiting => "waiting",
        RaftState::Follower => "follower",
        RaftState::Candidate => "candidate",
        RaftState::Leader => "leader",
        RaftState::Learner => "learner",
        RaftState::Removed => "removed",
        RaftState::Failed => "failed",
        RaftState::Stopped => "stopped",
    }
}

fn role(role: RaftRole) -> &'static str {
    match role {
        RaftRole::Voter => "voter",
        RaftRole::Learner => "learner",
    }
}
