//! The values that calls carry (wire-protocol §5.7), each with the fields in the order of the Go struct.

mod block;
mod peer_info;
mod pin;
mod pin_info;
mod repo;

use super::{
    decoder::{DecodeError, Decoder},
    encoder::Encoder,
};
use cluster_core::PeerId;

/// A value of the protocol.
pub(super) trait Wire: Sized {
    /// Writes the value.
    fn write(&self, to: &mut Encoder);

    /// Reads one value.
    ///
    /// # Errors
    /// When the value is of another type, or something is missing that makes no sense without.
    fn read(from: &mut Decoder<'_>) -> Result<Self, DecodeError>;
}

/// The empty struct.
impl Wire for () {
    fn write(&self, to: &mut Encoder) {
        to.structure(|_| ());
    }

    fn read(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        from.skip()
    }
}

/// Bytes.
impl Wire for Vec<u8> {
    fn write(&self, to: &mut Encoder) {
        to.raw(self);
    }

    fn read(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(from.raw()?.to_vec())
    }
}

/// Peer IDs.
impl Wire for Vec<PeerId> {
    fn write(&self, to: &mut Encoder) {
        to.peers(self);
    }

    fn read(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        from.peers()
    }
}

#[cfg(test)]
mod tests;
