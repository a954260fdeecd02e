//! The header of an answer.

use super::{
    decoder::{DecodeError, Decoder},
    encoder::Encoder,
    service_id::ServiceId,
};

/// Longest error text that is sent, in bytes; those of a daemon may quote a whole answer.
const MAX_ERROR: usize = 16 << 10;

/// Who is to blame for an error (wire-protocol §5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorType {
    /// The method failed.
    Method = 0,
    /// The call itself was wrong.
    Server = 1,
    /// The caller may not. Whoever asks all peers leaves those out that say so.
    Authorization = 3,
}

/// Says how a call or one item of it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    /// Why it failed; empty when it did not.
    pub(super) error: String,
    /// Who is to blame, as on the wire: peers of other versions may know more types than [`ErrorType`].
    pub(super) error_type: i64,
}

impl Response {
    /// Reads it; the names of the method are what was called and do not matter.
    pub(super) fn read(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let mut response = Self { error: String::new(), error_type: 0 };
        from.structure(&["Service", "Error", "ErrType"], |place, from| {
            match place {
                0 => from.skip()?,
                1 => response.error = from.string()?,
                _ => response.error_type = from.int()?,
            }
            Ok(())
        })?;
        Ok(response)
    }

    /// Says whether the call failed.
    pub(super) fn is_failure(&self) -> bool {
        !self.error.is_empty() || self.error_type != 0
    }
}

/// Writes the header of a good answer; the value follows.
pub(super) fn write_success(to: &mut Encoder, service: &ServiceId<'_>) {
    to.structure(|fields| service.write(fields.value("Service")));
}

/// Writes a whole bad answer. Without a text it would pass for a good one, and nil in that ends a Go daemon.
pub(super) fn write_failure(to: &mut Encoder, service: Option<&ServiceId<'_>>, error: &str, kind: ErrorType) {
    let error = if error.is_empty() { "unknown error" } else { error };
    to.structure(|fields| {
        if let Some(service) = service {
            service.write(fields.value("Service"));
        }
        fields.text("Error", &error[..error.floor_char_boundary(MAX_ERROR)]);
        fields.int("ErrType", kind as i64);
    });
    to.nil();
}
