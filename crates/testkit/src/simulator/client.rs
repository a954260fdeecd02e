//! What clients ask for.

use super::{chance::Chance, queue::Peer};
use cluster_core::{
    Cid, PeerId, Pin, PinDepth, PinKey, ReplicationFactors, UnixMillis, UnixSeconds,
    ports::consensus::{Etag, Operation, OperationKind, Precondition, RequestId},
};

/// Times a request is repeated while its outcome is not known.
const REPEATS: u32 = 6;

/// A request on its way, with how often it may still be repeated.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) operation: Operation,
    pub(super) repeats: u32,
}

/// Makes up requests.
pub(super) struct Clients {
    keys: Vec<Cid>,
    peers: Vec<PeerId>,
    made: u64,
    /// Requests with an id, to be asked again.
    past: Vec<(Peer, Request)>,
}

impl Clients {
    pub(super) fn new(keys: usize, peers: Vec<PeerId>) -> Self {
        // The identity CIDs of one byte each.
        let cid = |n: usize| PinKey::from_bytes(&[1, 0x55, 0, 1, n as u8]).map(|key| key.cid());
        Self { keys: (0..keys).filter_map(|n| cid(n).ok()).collect(), peers, made: 0, past: Vec::new() }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = PinKey> + '_ {
        self.keys.iter().map(PinKey::from_cid)
    }

    /// Makes up the next request to `peer`; `tag` is what a client would have read of a pin's tag.
    pub(super) fn next(
        &mut self,
        chance: &mut Chance,
        peer: Peer,
        now: UnixMillis,
        tag: impl Fn(&PinKey) -> Option<Etag>,
    ) -> Request {
        self.made += 1;
        let mine: Vec<usize> =
            (0..self.past.len()).filter(|n| self.past.get(*n).is_some_and(|(p, _)| *p == peer)).collect();
        if !mine.is_empty() && chance.permille(80) {
            let (_, mut request) = self.past[mine[chance.index(mine.len())]].clone();
            if chance.permille(300) {
                // The same id with another body.
                request.operation.kind = self.kind(chance, now);
            }
            return request;
        }
        let kind = self.kind(chance, now);
        let key = match &kind {
            OperationKind::Pin(pin) | OperationKind::PinUpdate { pin, .. } => pin.key(),
            OperationKind::Unpin(key) => key.clone(),
        };
        let mut operation = Operation::new(kind);
        operation.precondition = match chance.index(8) {
            0 => Precondition::IfAbsent,
            1 => tag(&key).map_or(Precondition::None, Precondition::IfMatch),
            2 if chance.permille(200) => Precondition::IfMatch(Etag([7; 16])),
            _ => Precondition::None,
        };
        let mut request = Request { operation, repeats: 0 };
        if chance.permille(400) {
            request.operation.request_id = RequestId::new(&format!("request {}", self.made));
            request.repeats = REPEATS;
            self.past.push((peer, request.clone()));
        }
        request
    }

    fn kind(&mut self, chance: &mut Chance, now: UnixMillis) -> OperationKind {
        let cid = self.keys[chance.index(self.keys.len())];
        match chance.index(10) {
            0..=3 => OperationKind::Unpin(PinKey::from_cid(&cid)),
            4 => {
                let from = self.keys[chance.index(self.keys.len())];
                let mut pin = Pin::new(cid);
                pin.options.name = format!("update {}", self.made);
                if from == cid {
                    return OperationKind::Pin(Box::new(pin));
                }
                OperationKind::PinUpdate { pin: Box::new(pin), from }
            }
            _ => OperationKind::Pin(Box::new(self.pin(cid, chance, now))),
        }
    }

    fn pin(&self, cid: Cid, chance: &mut Chance, now: UnixMillis) -> Pin {
        let mut pin = Pin::new(cid);
        pin.options.name = format!("{} of {}", "pin".repeat(1 + chance.index(3)), self.made);
        if chance.permille(200) {
            pin.depth = PinDepth::DIRECT;
        }
        if chance.permille(200) {
            pin.options.expire_at = Some(UnixSeconds(now.0 / 1000 + 100_000));
        }
        if chance.permille(400) {
            let copies = 1 + chance.index(2);
            pin.options.replication = ReplicationFactors { min: 1, max: copies as i32 };
            let first = chance.index(self.peers.len());
            pin.allocations = self.peers.iter().cycle().skip(first).take(copies).copied().collect();
        }
        pin
    }
}
