//! The oracle's own reading of an operation (api §10.2), as far as the made-up clients go.

use super::Model;
use cluster_core::{
    Pin, PinKey, PinMode, ReplicationFactors, UnixMillis,
    ports::consensus::{Applied, Operation, OperationKind, Precondition, Rejection, SubmitError},
};
use sha2::{Digest, Sha256};

/// What a request must be answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulator) enum Expected {
    Done { value: Vec<u8>, repeated: bool },
    NotPinned,
    Recursive,
    PreconditionFailed,
    Mismatch,
}

/// A request that was carried out, as far as a repetition is compared with it.
#[derive(Debug, Clone)]
pub(super) struct Past {
    kind: OperationKind,
    precondition: Precondition,
    value: Vec<u8>,
}

impl Expected {
    /// Compares the expectation with an answer.
    pub(in crate::simulator) fn fits(&self, answer: &Result<Applied, SubmitError>) -> bool {
        match (self, answer) {
            (Self::Done { value, repeated }, Ok(applied)) => {
                applied.pin.encode() == *value
                    && applied.repeated == *repeated
                    && applied.etag.0 == tag(value)
            }
            (Self::NotPinned, Err(SubmitError::Rejected(Rejection::NotPinned)))
            | (Self::Recursive, Err(SubmitError::Rejected(Rejection::AlreadyRecursive { .. })))
            | (Self::PreconditionFailed, Err(SubmitError::Rejected(Rejection::PreconditionFailed)))
            | (Self::Mismatch, Err(SubmitError::Rejected(Rejection::RequestMismatch))) => true,
            _ => false,
        }
    }
}

/// The tag of a value.
pub(in crate::simulator) fn tag(value: &[u8]) -> [u8; 16] {
    let mut tag = [0; 16];
    tag.copy_from_slice(&Sha256::digest(value)[..16]);
    tag
}

impl Model {
    /// Carries an operation out and says how it must be answered.
    pub(in crate::simulator) fn operate(&mut self, operation: &Operation, now: UnixMillis) -> Expected {
        let id = operation.request_id.as_ref().map(|id| id.as_str().to_owned());
        if let Some(past) = id.as_ref().and_then(|id| self.past.get(id)) {
            let same = past.kind == operation.kind && past.precondition == operation.precondition;
            return match same {
                true => Expected::Done { value: past.value.clone(), repeated: true },
                false => Expected::Mismatch,
            };
        }
        let key = match &operation.kind {
            OperationKind::Pin(pin) | OperationKind::PinUpdate { pin, .. } => pin.key(),
            OperationKind::Unpin(key) => key.clone(),
        };
        let shown = self.shown(key.as_bytes());
        let holds = match (&operation.precondition, &shown) {
            (Precondition::None, _) => true,
            (Precondition::IfAbsent, shown) => shown.is_none(),
            (Precondition::IfMatch(etag), Some(value)) => etag.0 == tag(value),
            (Precondition::IfMatch(_), None) => false,
        };
        if !holds {
            return Expected::PreconditionFailed;
        }
        let value = match &operation.kind {
            OperationKind::Unpin(key) => {
                let Some(value) = shown else { return Expected::NotPinned };
                self.remove(key.as_bytes());
                value
            }
            OperationKind::Pin(wish) => {
                if let Some(current) = shown.and_then(|value| Pin::decode(&key, &value).ok())
                    && current.depth.mode() == PinMode::Recursive
                    && wish.depth.mode() == PinMode::Direct
                {
                    return Expected::Recursive;
                }
                let mut pin = (**wish).clone();
                if pin.options.replication == ReplicationFactors::default() {
                    pin.options.replication = ReplicationFactors::EVERYWHERE;
                }
                self.add_pin(pin, now)
            }
            OperationKind::PinUpdate { pin: wish, from } => {
                let from = PinKey::from_cid(from);
                let Some(mut pin) =
                    self.shown(from.as_bytes()).and_then(|value| Pin::decode(&from, &value).ok())
                else {
                    return Expected::NotPinned;
                };
                pin.options.pin_update = Some(pin.cid);
                pin.cid = wish.cid;
                pin.options.name.clone_from(&wish.options.name);
                self.add_pin(pin, now)
            }
        };
        if let Some(id) = id {
            let past = Past {
                kind: operation.kind.clone(),
                precondition: operation.precondition.clone(),
                value: value.clone(),
            };
            self.past.insert(id, past);
        }
        Expected::Done { value, repeated: false }
    }

    fn add_pin(&mut self, mut pin: Pin, now: UnixMillis) -> Vec<u8> {
        pin.timestamp = Some(now.seconds());
        let value = pin.encode();
        self.add(pin.key().as_bytes(), &value);
        value
    }
}
