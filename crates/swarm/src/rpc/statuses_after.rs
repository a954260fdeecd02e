//! The argument of `PinTracker.StatusAllAfter`, which peers of this suite alone have.

use super::{
    decoder::{DecodeError, Decoder},
    encoder::Encoder,
    wire::Wire,
};
use cluster_core::Cid;

/// Which statuses, and behind which CID. On the wire a struct: `f`, the bits of the filter, and `a`, the CID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StatusesAfter {
    pub(super) filter: i64,
    pub(super) after: Cid,
}

impl Wire for StatusesAfter {
    fn write(&self, to: &mut Encoder) {
        to.structure(|fields| {
            fields.int("f", self.filter);
            fields.cid("a", Some(&self.after));
        });
    }

    fn read(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let (mut filter, mut after) = (0, None);
        from.structure(&["f", "a"], |place, from| {
            match place {
                0 => filter = from.int()?,
                _ => after = from.cid()?,
            }
            Ok(())
        })?;
        Ok(Self { filter, after: after.ok_or(DecodeError::Missing { what: "cid" })? })
    }
}
