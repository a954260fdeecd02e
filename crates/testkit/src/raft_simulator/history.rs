//! What clients asked for and were told, in the order in which it happened.

use super::checker::{Asked, Told};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One request to one peer.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who asked.
    pub client: usize,
    /// Who was asked.
    pub peer: usize,
    /// Which pin.
    pub key: usize,
    /// What was asked.
    pub asked: Asked,
    /// When it was asked, as the number of an event.
    pub began: u64,
    /// When it was told; `None` for nothing.
    pub ended: Option<u64>,
    /// What was told.
    pub told: Told,
}

/// Everything that was asked.
#[derive(Debug, Default)]
pub struct History(Mutex<Calls>);

#[derive(Debug, Default)]
struct Calls {
    events: u64,
    calls: Vec<Call>,
}

impl History {
    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a request that is handed over now, and returns its number.
    pub fn ask(&self, client: usize, peer: usize, key: usize, asked: Asked) -> usize {
        let mut calls = self.lock();
        calls.events += 1;
        let began = calls.events;
        calls.calls.push(Call { client, peer, key, asked, began, ended: None, told: Told::Nothing });
        calls.calls.len() - 1
    }

    /// Takes note of an answer. What is told nothing may still happen at any time.
    pub fn tell(&self, number: usize, told: Told) {
        let mut calls = self.lock();
        calls.events += 1;
        let now = calls.events;
        let call = &mut calls.calls[number];
        call.ended = (told != Told::Nothing).then_some(now);
        call.told = told;
    }

    /// Returns what was asked of a pin.
    pub fn of(&self, key: usize) -> Vec<Call> {
        self.lock().calls.iter().filter(|call| call.key == key).cloned().collect()
    }

    /// Returns everything that was asked, in its order.
    pub fn all(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }
}
