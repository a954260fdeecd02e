//! The status of a pin on one peer: `PinInfo` with `PinInfoShort` inlined.

use super::Wire;
use crate::rpc::{
    decoder::{DecodeError, Decoder},
    encoder::Encoder,
};
use cluster_core::{
    Pin, TrackerStatus, UnixMillis,
    ports::cluster_api::{LocalPinStatus, PinStatusOnPeer},
};

const NAMES: [&str; 15] = ["c", "m", "p", "o", "g", "t", "md", "pn", "i", "ia", "st", "ts", "e", "a", "y"];

impl Wire for LocalPinStatus {
    /// Fills the pin's name, allocations, origins, time and metadata too: the caller's view of them is that of the
    /// last peer that answered.
    fn write(&self, to: &mut Encoder) {
        let Self { pin, created, on_peer } = self;
        to.structure(|fields| {
            fields.cid("c", Some(&pin.cid));
            fields.text("m", &pin.options.name);
            fields.peer("p", Some(&on_peer.peer));
            fields.peers("o", &pin.allocations);
            fields.addresses("g", &pin.options.origins);
            fields.time("t", *created);
            fields.texts("md", &pin.options.metadata);
            fields.text("pn", &on_peer.peername);
            fields.peer("i", on_peer.ipfs_peer_id.as_ref());
            fields.addresses("ia", &on_peer.ipfs_peer_addresses);
            fields.int("st", i64::from(on_peer.status.bit()));
            fields.time("ts", on_peer.timestamp);
            fields.text("e", &on_peer.error);
            fields.int("a", i64::from(on_peer.attempt_count));
            fields.flag("y", on_peer.priority_pin);
        });
    }

    /// The type of the pin does not travel: it reads as a data pin.
    fn read(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let mut pin = Pin::new(cluster_core::Cid::default());
        let mut cid = None;
        let mut created = UnixMillis(0);
        let mut peer = None;
        let mut peername = String::new();
        let mut ipfs_peer_id = None;
        let mut ipfs_peer_addresses = Vec::new();
        let mut status = TrackerStatus::Undefined;
        let mut timestamp = UnixMillis(0);
        let mut error = String::new();
        let mut attempt_count = 0;
        let mut priority_pin = false;
        from.structure(&NAMES, |place, from| {
            match place {
                0 => cid = from.cid()?,
                1 => pin.options.name = from.string()?,
                2 => peer = from.peer()?,
                3 => pin.allocations = from.peers()?,
                4 => pin.options.origins = from.addresses()?,
                5 => created = from.time()?,
                6 => pin.options.metadata = from.texts()?,
                7 => peername = from.string()?,
                8 => ipfs_peer_id = from.peer()?,
                9 => ipfs_peer_addresses = from.addresses()?,
                10 => status = status_of(from.int()?),
                11 => timestamp = from.time()?,
                12 => error = from.string()?,
                13 => attempt_count = u32::try_from(from.int()?.max(0)).unwrap_or(u32::MAX),
                _ => priority_pin = from.flag()?,
            }
            Ok(())
        })?;
        pin.cid = cid.ok_or(DecodeError::Missing { what: "cid" })?;
        pin.timestamp = (created.0 != 0).then(|| created.seconds());
        Ok(Self {
            pin,
            created,
            on_peer: PinStatusOnPeer {
                peer: peer.ok_or(DecodeError::Missing { what: "peer ID" })?,
                peername,
                ipfs_peer_id,
                ipfs_peer_addresses,
                status,
                timestamp,
                error,
                attempt_count,
                priority_pin,
            },
        })
    }
}

fn status_of(number: i64) -> TrackerStatus {
    TrackerStatus::ALL
        .into_iter()
        .find(|status| i64::from(status.bit()) == number)
        .unwrap_or(TrackerStatus::Undefined)
}
