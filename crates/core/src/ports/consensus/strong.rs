//! What only a backend with one order and a list of members can do, and why it did not.

use crate::ErrorKind;
use libp2p_identity::PeerId;

/// Why a read cannot be said to be up to date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BarrierError {
    /// The backend has no order of all changes.
    #[error(
        "strongly consistent reads need the consensus \"raft\"; this cluster uses \"{backend}\": read without asking for them"
    )]
    Unsupported {
        /// Name of the backend.
        backend: &'static str,
    },
    /// A majority could not be asked, or this peer did not catch up, in time.
    #[error("the cluster did not confirm in time that this peer is up to date: {cause}")]
    TimedOut {
        /// What it waited for last.
        cause: String,
    },
    /// This peer is no member of the cluster any more.
    #[error("this peer was removed from the cluster")]
    Removed,
    /// The peer is stopping.
    #[error("the peer is stopping")]
    Stopping,
}

impl BarrierError {
    /// Classifies the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::TimedOut { .. } | Self::Removed | Self::Stopping => ErrorKind::Unavailable,
        }
    }
}

/// Why the members of the cluster are not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// The last voter cannot go: nobody could agree on anything.
    #[error("{peer} is the last voter of the cluster and cannot be taken out: add another one first")]
    LastVoter {
        /// The voter.
        peer: PeerId,
    },
    /// The peer is no member.
    #[error("{peer} is no member of the cluster: add it first")]
    NotMember {
        /// The peer.
        peer: PeerId,
    },
    /// The peer has no vote and can therefore not lead.
    #[error("{peer} has no vote and cannot lead the cluster: promote it first")]
    NotVoter {
        /// The peer.
        peer: PeerId,
    },
    /// The peer is a member without a vote, and lacks too much of the log to get one.
    #[error(
        "{peer} is a member now, but did not catch up in time ({}): the call can be repeated and goes on from there",
        missing(*.lag)
    )]
    NotCaughtUp {
        /// The peer.
        peer: PeerId,
        /// Entries that it lacks; none when it was never heard of.
        lag: Option<u64>,
    },
    /// The data folder of the peer belongs to another cluster.
    #[error("{peer} cannot become a member: {cause}")]
    Refused {
        /// The peer.
        peer: PeerId,
        /// Why, with the remedy.
        cause: String,
    },
    /// Nobody who could decide it answered; nothing was changed as far as is known.
    #[error("the cluster did not change its members in time: {cause}; the call can be repeated")]
    TimedOut {
        /// What it waited for last.
        cause: String,
    },
    /// This peer is no member of the cluster any more.
    #[error("this peer was removed from the cluster")]
    Removed,
    /// The peer is stopping.
    #[error("the peer is stopping")]
    Stopping,
}

impl MembershipError {
    /// Classifies the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::LastVoter { .. } | Self::NotVoter { .. } | Self::Refused { .. } => ErrorKind::Conflict,
            Self::NotMember { .. } => ErrorKind::NotFound,
            Self::NotCaughtUp { .. } | Self::TimedOut { .. } | Self::Removed | Self::Stopping => {
                ErrorKind::Unavailable
            }
        }
    }
}

fn missing(lag: Option<u64>) -> String {
    lag.map_or_else(|| "it does not answer".to_owned(), |lag| format!("it lacks {lag} entries"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_remedy() {
        let text = BarrierError::Unsupported { backend: "crdt" }.to_string();
        assert!(text.contains("raft") && text.contains("crdt"), "{text}");
        let peer = PeerId::random();
        for (lag, part) in [(None, "does not answer"), (Some(7), "lacks 7 entries")] {
            let error = MembershipError::NotCaughtUp { peer, lag };
            assert!(error.to_string().contains(part), "{error}");
        }
        assert_eq!(MembershipError::NotMember { peer }.kind(), ErrorKind::NotFound);
    }
}
