//! Names a method on the wire.

use super::{
    decoder::{DecodeError, Decoder},
    encoder::Encoder,
};
use std::borrow::Cow;

/// The first value of every call, and part of every answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceId<'a> {
    /// The service.
    pub(super) name: Cow<'a, str>,
    /// Its method.
    pub(super) method: Cow<'a, str>,
}

impl<'a> ServiceId<'a> {
    /// Writes it.
    pub(super) fn write(&self, to: &mut Encoder) {
        to.structure(|fields| {
            fields.text("Name", &self.name);
            fields.text("Method", &self.method);
        });
    }

    /// Reads it.
    pub(super) fn read(from: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let mut name = Cow::default();
        let mut method = Cow::default();
        from.structure(&["Name", "Method"], |place, from| {
            match place {
                0 => name = from.text()?,
                _ => method = from.text()?,
            }
            Ok(())
        })?;
        Ok(Self { name, method })
    }

    /// Detaches it from what it was read from.
    pub(super) fn into_owned(self) -> ServiceId<'static> {
        ServiceId { name: Cow::Owned(self.name.into_owned()), method: Cow::Owned(self.method.into_owned()) }
    }
}
