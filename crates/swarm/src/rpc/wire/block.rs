//! A block of content: `NodeWithMeta`.

use super::Wire;
use crate::rpc::{
    decoder::{DecodeError, Decoder},
    encoder::Encoder,
};
use cluster_core::ports::ipfs_connector::ContentBlock;

impl Wire for ContentBlock {
    fn write(&self, to: &mut Encoder) {
        to.structure(|fields| {
            if !self.data.is_empty() {
                fields.value("d").raw(&self.data);
            }
            fields.cid("c", Some(&self.cid));
            fields.uint("s", self.data.len() as u64);
        });
    }

    fn read(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let (mut cid, mut data) = (None, Vec::new());
        from.structure(&["d", "c"], |place, from| {
            match place {
                0 => data = from.raw()?.to_vec(),
                _ => cid = from.cid()?,
            }
            Ok(())
        })?;
        Ok(Self { cid: cid.ok_or(DecodeError::Missing { what: "cid" })?, data })
    }
}
