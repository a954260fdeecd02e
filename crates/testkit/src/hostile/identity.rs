//! Who a peer is, for those who must know before it is there.

use libp2p::identity::Keypair;

/// The keypair of a peer.
#[derive(Debug, Clone)]
pub struct Identity(Keypair);

impl Identity {
    /// Makes one that nobody knows.
    pub fn random() -> Self {
        Self(Keypair::generate_ed25519())
    }

    /// Returns the peer ID as text.
    pub fn id(&self) -> String {
        self.0.public().to_peer_id().to_base58()
    }

    /// Returns the peer ID as bytes.
    pub fn id_bytes(&self) -> Vec<u8> {
        self.0.public().to_peer_id().to_bytes()
    }

    pub(super) fn into_keypair(self) -> Keypair {
        self.0
    }
}
