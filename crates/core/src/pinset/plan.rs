//! The rules of the pinset: what an operation makes of what is there (api §10.2).

use super::staged::Staged;
use super::stored_pin;
use crate::{
    Pin, PinDepth, PinKey, PinKind, PinMode, ReplicationFactors, UnixMillis,
    allocation::allocate,
    mutate::{Mutation as Defect, active},
    ports::{
        consensus::{Operation, OperationKind, Precondition, Rejection},
        datastore::{StoreError, Tree},
    },
};

/// Largest stored value of a pin, in bytes: with its key it must fit into one delta.
pub const MAX_VALUE: usize = 512 * 1024;

/// What follows from an accepted operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planned {
    /// Store this pin; `value` are its exact bytes.
    Put {
        /// The pin.
        pin: Box<Pin>,
        /// Its stored form.
        value: Vec<u8>,
    },
    /// Remove the pin.
    Remove,
}

/// Evaluates `operation` against what is stored and staged.
///
/// # Errors
/// The outer one when the store fails; the inner one is the rule that said no.
pub fn plan(
    operation: &Operation,
    key: &PinKey,
    current: Option<&Pin>,
    current_row: Option<&[u8]>,
    defaults: ReplicationFactors,
    staged: &Staged,
    now: UnixMillis,
) -> Result<Result<Planned, Rejection>, StoreError> {
    match (&operation.precondition, current_row) {
        (Precondition::None, _) | (Precondition::IfAbsent, None) => {}
        (Precondition::IfMatch(tag), Some(row)) if *tag == stored_pin::etag(row) => {}
        (Precondition::IfMatch(_) | Precondition::IfAbsent, _) if active(Defect::IgnorePrecondition) => {}
        (Precondition::IfMatch(_) | Precondition::IfAbsent, _) => {
            return Ok(Err(Rejection::PreconditionFailed));
        }
    }
    match &operation.kind {
        OperationKind::Unpin(_) => Ok(plan_unpin(current)),
        OperationKind::Pin(pin) => Ok(plan_pin(pin, operation, current, defaults, now)),
        OperationKind::PinUpdate { pin, from } if *from == pin.cid => {
            Ok(plan_pin(pin, operation, current, defaults, now))
        }
        OperationKind::PinUpdate { pin, from } => {
            let from_key = PinKey::from_cid(from);
            let Some(row) = staged.get(Tree::Pins, from_key.as_bytes())? else {
                return Ok(Err(Rejection::NotPinned));
            };
            let source = stored_pin::pin(&from_key, &row);
            debug_assert_eq!(pin.key(), *key);
            Ok(plan_update(pin, &source, now))
        }
    }
}

fn plan_unpin(current: Option<&Pin>) -> Result<Planned, Rejection> {
    match current.map(|pin| pin.kind) {
        None => Err(Rejection::NotPinned),
        Some(PinKind::Shard) => Err(Rejection::UnpinShard),
        Some(PinKind::ClusterDag) => Err(Rejection::UnpinClusterDag),
        // An unreadable pin can be removed: there is no other way to be rid of it.
        Some(PinKind::Data | PinKind::Meta | PinKind::Bad) => Ok(Planned::Remove),
    }
}

fn plan_pin(
    wish: &Pin,
    operation: &Operation,
    current: Option<&Pin>,
    defaults: ReplicationFactors,
    now: UnixMillis,
) -> Result<Planned, Rejection> {
    let mut pin = wish.clone();
    pin.options.replication = pin.options.replication.or(defaults);
    let policy = pin.options.replication.policy()?;
    if pin.is_everywhere() {
        pin.allocations.clear();
    }
    if pin.is_expired_at(now) {
        return Err(Rejection::AlreadyExpired);
    }
    if let Some(current) = current {
        check_repin(&pin, current)?;
    }
    pin.timestamp = Some(now.seconds());
    // Pins made by an add come with the peers that already hold the blocks; meta pins are held by nobody.
    if pin.allocations.is_empty() && pin.kind != PinKind::Meta {
        let held = current.map(|c| c.allocations.as_slice()).unwrap_or_default();
        pin.allocations = allocate(policy, held, &operation.ranked_candidates)?;
    }
    put(pin)
}

/// Checks what a pin may replace. The consistency rules hold for first-time pins too: Go skips them there and
/// then cannot change such a pin again.
fn check_repin(pin: &Pin, current: &Pin) -> Result<(), Rejection> {
    if current.kind != PinKind::Bad && pin.kind != current.kind {
        return Err(Rejection::DifferentKind { new: pin.kind.name(), was: current.kind.name() });
    }
    if current.kind == PinKind::Data
        && current.depth.mode() == PinMode::Recursive
        && pin.depth.mode() != PinMode::Recursive
    {
        return Err(Rejection::AlreadyRecursive { new: pin.depth.mode().name() });
    }
    let fail = |text| Err(Rejection::Inconsistent(text));
    match pin.kind {
        PinKind::Data if pin.reference.is_some() => fail("data pins should not reference other pins"),
        PinKind::Shard if pin.depth.0 < 1 => fail("must pin shards go depth 1"),
        PinKind::ClusterDag if pin.depth != PinDepth::DIRECT => fail("must pin roots directly"),
        PinKind::ClusterDag if pin.reference.is_none() => fail("clusterDAG pins should reference a Meta pin"),
        PinKind::Meta if !pin.allocations.is_empty() => fail("meta pin should not specify allocations"),
        PinKind::Meta if pin.reference.is_none() => fail("metaPins should reference a ClusterDAG"),
        PinKind::Bad => fail("unrecognized pin type"),
        PinKind::Data | PinKind::Shard | PinKind::ClusterDag | PinKind::Meta => Ok(()),
    }
}

fn plan_update(wish: &Pin, source: &Pin, now: UnixMillis) -> Result<Planned, Rejection> {
    if source.kind != PinKind::Data {
        return Err(Rejection::NotUpdatable);
    }
    let mut pin = source.clone();
    pin.cid = wish.cid;
    pin.options.pin_update = Some(source.cid);
    if !wish.options.name.is_empty() {
        pin.options.name.clone_from(&wish.options.name);
    }
    if let Some(at) = wish.options.expire_at.filter(|at| at.millis() > now) {
        pin.options.expire_at = Some(at);
    }
    pin.timestamp = Some(now.seconds());
    put(pin)
}

fn put(pin: Pin) -> Result<Planned, Rejection> {
    let value = pin.encode();
    if value.len() > MAX_VALUE {
        return Err(Rejection::TooLarge { size: value.len(), limit: MAX_VALUE });
    }
    Ok(Planned::Put { pin: Box::new(pin), value })
}
