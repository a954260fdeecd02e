//! Who a peer is, for those who must know before it is there.

use anyhow::{Context, Result};
use data_encoding::BASE64;
use libp2p::identity::Keypair;

/// The keypair of a peer.
#[derive(Debug, Clone)]
pub struct Identity(Keypair);

impl Identity {
    /// Makes one that nobody knows.
    pub fn random() -> Self {
        Self(Keypair::generate_ed25519())
    }

    /// Takes the one with a private key as in `identity.json`.
    ///
    /// # Errors
    /// When the key is none.
    pub fn of_key(key: &str) -> Result<Self> {
        let bytes = BASE64.decode(key.as_bytes()).context("the private key is not base64")?;
        Ok(Self(Keypair::from_protobuf_encoding(&bytes).context("not a private key")?))
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
