//! What a peer says of itself: `ID` with `IPFSID` inside.

use super::Wire;
use crate::rpc::{
    decoder::{DecodeError, Decoder},
    encoder::Encoder,
};
use cluster_core::ports::{cluster_api::PeerInfo, ipfs_connector::IpfsId};

/// `c`, the commit of the build, is not among what is told.
const NAMES: [&str; 10] = ["i", "a", "cp", "cpa", "v", "c", "rv", "e", "ip", "pn"];

impl Wire for PeerInfo {
    fn write(&self, to: &mut Encoder) {
        to.structure(|fields| {
            fields.peer("i", Some(&self.id));
            fields.addresses("a", &self.addresses);
            fields.peers("cp", &self.cluster_peers);
            fields.addresses("cpa", &self.cluster_peers_addresses);
            fields.text("v", &self.version);
            fields.text("rv", &self.rpc_protocol_version);
            fields.text("e", self.error.as_deref().unwrap_or_default());
            fields.value("ip").structure(|fields| match &self.ipfs {
                Ok(ipfs) => {
                    fields.peer("i", Some(&ipfs.id));
                    fields.addresses("a", &ipfs.addresses);
                }
                Err(error) => fields.text("e", error),
            });
            fields.text("pn", &self.peername);
        });
    }

    fn read(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let mut id = None;
        let mut addresses = Vec::new();
        let mut cluster_peers = Vec::new();
        let mut cluster_peers_addresses = Vec::new();
        let mut version = String::new();
        let mut rpc_protocol_version = String::new();
        let mut error = String::new();
        let mut ipfs = Err(String::new());
        let mut peername = String::new();
        from.structure(&NAMES, |place, from| {
            match place {
                0 => id = from.peer()?,
                1 => addresses = from.addresses()?,
                2 => cluster_peers = from.peers()?,
                3 => cluster_peers_addresses = from.addresses()?,
                4 => version = from.string()?,
                6 => rpc_protocol_version = from.string()?,
                7 => error = from.string()?,
                8 => ipfs = read_ipfs(from)?,
                9 => peername = from.string()?,
                _ => from.skip()?,
            }
            Ok(())
        })?;
        Ok(Self {
            id: id.ok_or(DecodeError::Missing { what: "peer ID" })?,
            addresses,
            cluster_peers,
            cluster_peers_addresses,
            version,
            rpc_protocol_version,
            peername,
            ipfs,
            error: (!error.is_empty()).then_some(error),
        })
    }
}

/// Reads `IPFSID`: an ID without an error, or why there is none.
fn read_ipfs(from: &mut Decoder<'_>) -> Result<Result<IpfsId, String>, DecodeError> {
    let mut id = None;
    let mut addresses = Vec::new();
    let mut error = String::new();
    from.structure(&["i", "a", "e"], |place, from| {
        match place {
            0 => id = from.peer()?,
            1 => addresses = from.addresses()?,
            _ => error = from.string()?,
        }
        Ok(())
    })?;
    Ok(match id {
        Some(id) if error.is_empty() => Ok(IpfsId { id, addresses }),
        _ => Err(error),
    })
}
