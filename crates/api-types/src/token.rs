//! Small bodies of authentication and membership.

use crate::{AddrText, PeerText};
use serde::{Deserialize, Serialize};

/// Answer of `POST /token`.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Token {
    /// The bearer token. Never printed by `Debug`.
    pub token: String,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token([hidden])")
    }
}

/// Body of `POST /peers`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PeerAddBody {
    /// The peer to add.
    pub peer_id: PeerText,
    /// Where it may be; left out, as in the reference, when there is nothing to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<AddrText>>,
}
