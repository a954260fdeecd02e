//! Who this peer is: its private key and the ID that follows from it (api §6.2).

mod error;
mod file;
mod old_file;

pub use error::IdentityError;

use cluster_core::PeerId;
use data_encoding::BASE64;
use libp2p_identity::Keypair;
use zeroize::Zeroizing;

/// A private key with its peer ID. Never shown: `Debug` prints the ID alone.
#[derive(Clone)]
pub struct Identity {
    id: PeerId,
    keypair: Keypair,
    /// The key as it was read: not every kind of key can be encoded again.
    encoded: Zeroizing<Vec<u8>>,
}

impl Identity {
    /// Makes a new Ed25519 key.
    ///
    /// # Errors
    /// The key cannot be encoded.
    pub fn generate() -> Result<Self, IdentityError> {
        let encoded = Keypair::generate_ed25519().to_protobuf_encoding().map_err(IdentityError::Key)?;
        Self::from_encoded(Zeroizing::new(encoded))
    }

    /// Reads a private key in text form: base64 of its libp2p protobuf encoding, of any kind of key.
    ///
    /// # Errors
    /// The text is not base64, or not a key. Neither is repeated.
    pub fn from_private_key(text: &str) -> Result<Self, IdentityError> {
        let encoded = BASE64.decode(text.trim().as_bytes()).map(Zeroizing::new);
        Self::from_encoded(encoded.map_err(|error| IdentityError::Base64 { position: error.position + 1 })?)
    }

    fn from_encoded(encoded: Zeroizing<Vec<u8>>) -> Result<Self, IdentityError> {
        let keypair = Keypair::from_protobuf_encoding(&encoded).map_err(IdentityError::Key)?;
        Ok(Self { id: keypair.public().to_peer_id(), keypair, encoded })
    }

    /// Checks that the key is the one of `id`.
    ///
    /// # Errors
    /// It is another one's.
    pub fn matching(self, id: PeerId) -> Result<Self, IdentityError> {
        if self.id == id { Ok(self) } else { Err(IdentityError::Mismatch) }
    }

    /// Returns the peer ID.
    pub fn id(&self) -> PeerId {
        self.id
    }

    /// Lends the keys to the network.
    pub fn keypair(&self) -> &Keypair {
        &self.keypair
    }

    /// Writes the private key in text form, for the file alone.
    pub fn expose_private_key(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64.encode(&self.encoded))
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("id", &self.id.to_string()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
