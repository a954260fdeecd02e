//! What clients asked for and were told, in the order in which it happened.

use super::checker::{Asked, Told};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One request to one peer.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) client: usize,
    pub(super) peer: usize,
    /// Which pin.
    pub(super) key: usize,
    pub(super) asked: Asked,
    /// When it was asked and told, as numbers of events.
    pub(super) began: u64,
    pub(super) ended: Option<u64>,
    pub(super) told: Told,
}

/// Everything that was asked.
#[derive(Default)]
pub(super) struct History(Mutex<Calls>);

#[derive(Default)]
struct Calls {
    events: u64,
    calls: Vec<Call>,
}

impl History {
    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a request that is handed over now, and returns its number.
    pub(super) fn ask(&self, client: usize, peer: usize, key: usize, asked: Asked) -> usize {
        let mut calls = self.lock();
        calls.events += 1;
        let began = calls.events;
        calls.calls.push(Call { client, peer, key, asked, began, ended: None, told: Told::Nothing });
        calls.calls.len() - 1
    }

    /// Takes note of an answer. What is told nothing may still happen at any time.
    pub(super) fn tell(&self, number: usize, told: Told) {
        let mut calls = self.lock();
        calls.events += 1;
        let now = calls.events;
        let call = &mut calls.calls[number];
        call.ended = (told != Told::Nothing).then_some(now);
        call.told = told;
    }

    /// Returns what was asked of a pin.
    pub(super) fn of(&self, key: usize) -> Vec<Call> {
        self.lock().calls.iter().filter(|call| call.key == key).cloned().collect()
    }
}
