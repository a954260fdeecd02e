//! Mistakes in pin options, in the words that clients know (api §3.7).

/// Why a query describes no pin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PinQueryError {
    /// A replication factor is no number.
    #[error("parameter {name} invalid")]
    Factor {
        /// Name of the parameter.
        name: &'static str,
    },
    /// The shard size is no number.
    #[error("parameter shard_size is invalid")]
    ShardSize,
    /// The expiry is no time.
    #[error("expire-at cannot be parsed: {0}")]
    ExpireAt(#[from] cluster_api_types::TimestampError),
    /// The time to live is no duration.
    #[error("expire-in cannot be parsed: invalid duration \"{text}\": {source}")]
    ExpireIn {
        /// What was sent.
        text: String,
        /// What is wrong with it.
        source: cluster_core::go_duration::DurationError,
    },
    /// The time to live is below a second.
    #[error("expire-in duration too short")]
    TooShort,
    /// The pin to copy from is no CID.
    #[error("error decoding update option parameter: {0}")]
    PinUpdate(cluster_core::NotACid),
    /// An origin is no multiaddress.
    #[error("error decoding multiaddress: {0}")]
    Origin(multiaddr::Error),
    /// An origin does not say whom to ask.
    #[error("multiaddress does not contain peer ID: {text}")]
    OriginWithoutPeer {
        /// What was sent.
        text: String,
    },
}
