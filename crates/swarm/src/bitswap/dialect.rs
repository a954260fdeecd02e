//! What the negotiated version of bitswap lets us say.

use libp2p::StreamProtocol;

/// Names of the protocols, best first (wire-protocol §1.4).
pub(crate) const IDS: [&str; 4] =
    ["/ipfs/bitswap/1.2.0", "/ipfs/bitswap/1.1.0", "/ipfs/bitswap/1.0.0", "/ipfs/bitswap"];

/// The protocols, best first.
pub static PROTOCOLS: [StreamProtocol; 4] = [
    StreamProtocol::new(IDS[0]),
    StreamProtocol::new(IDS[1]),
    StreamProtocol::new(IDS[2]),
    StreamProtocol::new(IDS[3]),
];

/// A version of the language, as far as it matters for what is written; everything is always read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Blocks carry no prefix; there is no HAVE.
    Oldest,
    /// Blocks carry a prefix; there is no HAVE.
    Old,
    /// Everything.
    Current,
}

impl Dialect {
    /// Tells the version from the protocol agreed on.
    pub(super) fn of(protocol: &StreamProtocol) -> Self {
        match PROTOCOLS.iter().position(|known| known == protocol) {
            Some(0) => Self::Current,
            Some(1) => Self::Old,
            _ => Self::Oldest,
        }
    }
}
