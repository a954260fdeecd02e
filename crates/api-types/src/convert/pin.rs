//! Pins, both directions.

use super::{ConvertError, ConvertProblem};
use crate::{AddrText, CidText, PeerText, Pin, PinOptions, TextCache, Timestamp};
use cluster_core::{
    Cid, Multiaddr, PeerId, Pin as CorePin, PinDepth, PinMode, PinOptions as CoreOptions, ReplicationFactors,
    UnixSeconds,
};

impl Pin {
    /// Writes a pin as `GET /allocations` shows it; `cache` saves writing the same peers for every line.
    pub fn from_core(pin: &CorePin, cache: &mut TextCache) -> Self {
        Self {
            options: PinOptions::from_core(&pin.options, pin.depth.mode(), cache),
            cid: CidText::from(&pin.cid),
            kind: pin.kind,
            allocations: Some(cache.peers(&pin.allocations)),
            max_depth: pin.depth.0,
            reference: pin.reference.as_ref().map(CidText::from),
            timestamp: Timestamp::from(pin.timestamp),
        }
    }
}

impl PinOptions {
    /// Writes options; user allocations and metadata are `null` when there are none, origins `[]`.
    pub fn from_core(options: &CoreOptions, mode: PinMode, cache: &mut TextCache) -> Self {
        let user_allocations = &options.user_allocations;
        Self {
            replication_factor_min: options.replication.min,
            replication_factor_max: options.replication.max,
            name: options.name.clone(),
            mode,
            shard_size: options.shard_size,
            user_allocations: (!user_allocations.is_empty()).then(|| cache.peers(user_allocations)),
            expire_at: Timestamp::from(options.expire_at),
            metadata: (!options.metadata.is_empty()).then(|| options.metadata.clone()),
            pin_update: options.pin_update.as_ref().map(CidText::from),
            origins: Some(cache.addresses(&options.origins)),
        }
    }
}

impl From<&CorePin> for Pin {
    fn from(pin: &CorePin) -> Self {
        Self::from_core(pin, &mut TextCache::default())
    }
}

/// The import direction (api §13): the mode is ignored, for it follows from `max_depth`, and user allocations are
/// dropped, for they are never stored.
impl TryFrom<Pin> for CorePin {
    type Error = ConvertError;

    fn try_from(pin: Pin) -> Result<Self, ConvertError> {
        if !pin.cid.is_defined() {
            return Err(ConvertError::new("cid", ConvertProblem::Missing));
        }
        let options = CoreOptions { user_allocations: Vec::new(), ..core_options(pin.options)? };
        Ok(Self {
            cid: pin.cid.parse("cid")?,
            kind: pin.kind,
            allocations: peers(pin.allocations, "allocations")?,
            depth: PinDepth(pin.max_depth),
            reference: optional_cid(pin.reference, "reference")?,
            options,
            timestamp: stored(pin.timestamp, "timestamp")?,
        })
    }
}

/// Reads options; the mode has no place in them and is left to the caller.
impl TryFrom<PinOptions> for CoreOptions {
    type Error = ConvertError;

    fn try_from(options: PinOptions) -> Result<Self, ConvertError> {
        let user_allocations = peers(options.user_allocations.clone(), "user_allocations")?;
        Ok(Self { user_allocations, ..core_options(options)? })
    }
}

fn core_options(options: PinOptions) -> Result<CoreOptions, ConvertError> {
    Ok(CoreOptions {
        replication: ReplicationFactors {
            min: options.replication_factor_min,
            max: options.replication_factor_max,
        },
        name: options.name,
        shard_size: options.shard_size,
        user_allocations: Vec::new(),
        expire_at: stored(options.expire_at, "expire_at")?,
        metadata: options.metadata.unwrap_or_default(),
        pin_update: optional_cid(options.pin_update, "pin_update")?,
        origins: addresses(options.origins, "origins")?,
    })
}

fn optional_cid(text: Option<CidText>, field: &'static str) -> Result<Option<Cid>, ConvertError> {
    text.filter(CidText::is_defined).map(|t| t.parse(field)).transpose()
}

fn peers(texts: Option<Vec<PeerText>>, field: &'static str) -> Result<Vec<PeerId>, ConvertError> {
    texts.iter().flatten().map(|t| t.parse(field)).collect()
}

fn addresses(texts: Option<Vec<AddrText>>, field: &'static str) -> Result<Vec<Multiaddr>, ConvertError> {
    texts.iter().flatten().map(|t| t.parse(field)).collect()
}

/// Zero time and epoch mean "none"; a stored pin cannot express what lies before the epoch.
fn stored(time: Timestamp, field: &'static str) -> Result<Option<UnixSeconds>, ConvertError> {
    if time.unix_seconds() < 0 && !time.is_zero() {
        return Err(ConvertError::new(field, ConvertProblem::BeforeEpoch(time)));
    }
    Ok(time.stored())
}
