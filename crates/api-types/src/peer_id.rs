//! Reading peer IDs that people typed.

use cluster_core::{Cid, PeerId};

/// Multicodec of the CID form of a peer ID.
const LIBP2P_KEY: u64 = 0x72;

/// Says that a text is no peer ID, and what one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a peer ID; a peer ID looks like \"12D3KooW…\" or \"Qm…\"")]
pub struct NotAPeerId {
    text: String,
}

/// Reads a peer ID in either of its forms: a multihash in base58 or a CID of a libp2p key.
///
/// # Errors
/// When the text is neither; the error names it.
pub fn parse_peer_id(text: &str) -> Result<PeerId, NotAPeerId> {
    text.parse()
        .ok()
        .or_else(|| {
            let cid: Cid = text.parse().ok().filter(|cid: &Cid| cid.codec() == LIBP2P_KEY)?;
            PeerId::from_multihash(*cid.hash()).ok()
        })
        .ok_or_else(|| NotAPeerId { text: text.to_owned() })
}
