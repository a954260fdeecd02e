//! How Raft stands. Not in the Go suite.

use crate::PeerText;
use cluster_core::ports::consensus::{RaftHealth as CoreRaftHealth, RaftRole};
use serde::{Deserialize, Serialize};

/// How Raft stands on one peer. Entries are numbered from 0; `null` is none.
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
    pub last_index: Option<u64>,
    /// The last entry that a majority is known to hold.
    pub committed_index: Option<u64>,
    /// The last entry that its pinset has carried out.
    pub applied_index: Option<u64>,
    /// The entry up to which a snapshot stands.
    pub snapshot_index: Option<u64>,
    /// The entry up to which its log is gone.
    pub purged_index: Option<u64>,
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
        Self {
            state: health.state.name().to_owned(),
            leader: health.leader.as_ref().map(PeerText::from),
            term: health.term,
            ready: health.is_ready,
            last_index: health.last,
            committed_index: health.committed,
            applied_index: health.applied,
            snapshot_index: health.snapshot,
            purged_index: health.purged,
            log_entries: health.log_entries,
            lag: health.lag(),
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

fn role(role: RaftRole) -> &'static str {
    match role {
        RaftRole::Voter => "voter",
        RaftRole::Learner => "learner",
    }
}
