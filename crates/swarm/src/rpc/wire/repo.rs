//! The repository of an IPFS daemon: `IPFSRepoStat`, and `RepoGC` with its `IPFSRepoGC`s.

use super::Wire;
use crate::rpc::{
    decoder::{DecodeError, Decoder},
    encoder::Encoder,
};
use cluster_core::ports::{
    cluster_api::RepoGc,
    ipfs_connector::{GcItem, RepoStat},
};

impl Wire for RepoStat {
    fn write(&self, to: &mut Encoder) {
        to.structure(|fields| {
            fields.uint("r", self.repo_size);
            fields.value("s").uint(self.storage_max);
        });
    }

    fn read(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let mut stat = Self { repo_size: 0, storage_max: 0 };
        from.structure(&["r", "s"], |place, from| {
            match place {
                0 => stat.repo_size = from.uint()?,
                _ => stat.storage_max = from.uint()?,
            }
            Ok(())
        })?;
        Ok(stat)
    }
}

impl Wire for RepoGc {
    fn write(&self, to: &mut Encoder) {
        to.structure(|fields| {
            fields.peer("p", Some(&self.peer));
            fields.text("pn", &self.peername);
            let keys = fields.value("k");
            keys.array(self.keys.len());
            for item in &self.keys {
                keys.structure(|fields| match item {
                    GcItem::Removed(cid) => fields.cid("k", Some(cid)),
                    GcItem::Error(error) => fields.text("e", error),
                });
            }
            fields.text("e", &self.error);
        });
    }

    fn read(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let mut peer = None;
        let mut peername = String::new();
        let mut keys = Vec::new();
        let mut error = String::new();
        from.structure(&["p", "pn", "k", "e"], |place, from| {
            match place {
                0 => peer = from.peer()?,
                1 => peername = from.string()?,
                2 => from.array(|element| {
                    keys.extend(read_item(element)?);
                    Ok(())
                })?,
                _ => error = from.string()?,
            }
            Ok(())
        })?;
        Ok(Self { peer: peer.ok_or(DecodeError::Missing { what: "peer ID" })?, peername, keys, error })
    }
}

/// Reads `IPFSRepoGC`; `None` for one that says nothing.
fn read_item(from: &mut Decoder<'_>) -> Result<Option<GcItem>, DecodeError> {
    let mut cid = None;
    let mut error = String::new();
    from.structure(&["k", "e"], |place, from| {
        match place {
            0 => cid = from.cid()?,
            _ => error = from.string()?,
        }
        Ok(())
    })?;
    Ok(if error.is_empty() { cid.map(GcItem::Removed) } else { Some(GcItem::Error(error)) })
}
