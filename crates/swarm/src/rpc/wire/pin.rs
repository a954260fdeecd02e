//! A pin as an argument: `Pin` with `PinOptions` inlined.

use super::Wire;
use crate::rpc::{
    decoder::{DecodeError, Decoder},
    encoder::Encoder,
};
use cluster_core::{Cid, Pin, PinDepth, PinKind, PinMode, UnixMillis, UnixSeconds};

const NAMES: [&str; 16] =
    ["rn", "rx", "n", "o", "s", "ua", "e", "m", "pu", "g", "c", "t", "a", "d", "r", "i"];

impl Wire for Pin {
    fn write(&self, to: &mut Encoder) {
        let options = &self.options;
        let millis = |at: Option<UnixSeconds>| at.map_or(UnixMillis(0), UnixSeconds::millis);
        to.structure(|fields| {
            fields.int("rn", i64::from(options.replication.min));
            fields.int("rx", i64::from(options.replication.max));
            fields.text("n", &options.name);
            fields.int("o", i64::from(self.depth.mode() == PinMode::Direct));
            fields.uint("s", options.shard_size);
            fields.peers("ua", &options.user_allocations);
            fields.time("e", millis(options.expire_at));
            fields.texts("m", &options.metadata);
            fields.cid("pu", options.pin_update.as_ref());
            fields.addresses("g", &options.origins);
            fields.cid("c", Some(&self.cid));
            fields.uint("t", u64::from(self.kind.bit()));
            fields.peers("a", &self.allocations);
            fields.int("d", i64::from(self.depth.0));
            fields.cid("r", self.reference.as_ref());
            fields.time("i", millis(self.timestamp));
        });
    }

    /// The mode follows from the depth. A pin without a type is [`PinKind::Bad`].
    fn read(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let mut pin = Self { kind: PinKind::Bad, depth: PinDepth::DIRECT, ..Self::new(Cid::default()) };
        let mut cid = None;
        let seconds = |at: UnixMillis| (at.0 != 0).then(|| at.seconds());
        from.structure(&NAMES, |place, from| {
            let options = &mut pin.options;
            match place {
                0 => options.replication.min = from.int32()?,
                1 => options.replication.max = from.int32()?,
                2 => options.name = from.string()?,
                4 => options.shard_size = from.uint()?,
                5 => options.user_allocations = from.peers()?,
                6 => options.expire_at = seconds(from.time()?),
                7 => options.metadata = from.texts()?,
                8 => options.pin_update = from.cid()?,
                9 => options.origins = from.addresses()?,
                10 => cid = from.cid()?,
                11 => pin.kind = kind_of(from.uint()?),
                12 => pin.allocations = from.peers()?,
                13 => pin.depth = PinDepth(from.int32()?),
                14 => pin.reference = from.cid()?,
                15 => pin.timestamp = seconds(from.time()?),
                _ => from.skip()?,
            }
            Ok(())
        })?;
        pin.cid = cid.ok_or(DecodeError::Missing { what: "cid" })?;
        Ok(pin)
    }
}

fn kind_of(bit: u64) -> PinKind {
    [PinKind::Data, PinKind::Meta, PinKind::ClusterDag, PinKind::Shard]
        .into_iter()
        .find(|kind| u64::from(kind.bit()) == bit)
        .unwrap_or(PinKind::Bad)
}
