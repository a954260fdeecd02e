//! Where the peers' REST APIs are, for threads that ask them while they come and go.

use crate::http::Connection;
use anyhow::Result;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The addresses, and how often each peer was killed so far.
#[derive(Debug)]
pub(super) struct Doors {
    addresses: Vec<String>,
    kills: Vec<AtomicU64>,
}

impl Doors {
    pub(super) fn new(addresses: Vec<String>) -> Self {
        let kills = addresses.iter().map(|_| AtomicU64::new(0)).collect();
        Self { addresses, kills }
    }

    pub(super) fn count(&self) -> usize {
        self.addresses.len()
    }

    /// Takes note that a peer was killed, and with it all connections to it.
    pub(super) fn killed(&self, peer: usize) {
        self.kills[peer].fetch_add(1, Ordering::SeqCst);
    }
}

/// Open connections of one thread.
#[derive(Debug)]
pub(super) struct Connections<'a> {
    doors: &'a Doors,
    patience: Duration,
    /// By peer, with how often that was killed before.
    open: BTreeMap<usize, (u64, Connection)>,
}

impl<'a> Connections<'a> {
    pub(super) fn new(doors: &'a Doors, patience: Duration) -> Self {
        Self { doors, patience, open: BTreeMap::new() }
    }

    /// Returns a connection to a peer, to be given back by [`Self::keep`] as long as it works.
    ///
    /// # Errors
    /// When nobody listens there.
    pub(super) fn to(&mut self, peer: usize) -> Result<(u64, Connection)> {
        let kills = self.doors.kills[peer].load(Ordering::SeqCst);
        // One to a process that is gone would leave it open whether a request arrived.
        if let Some(open) = self.open.remove(&peer).filter(|(before, _)| *before == kills) {
            return Ok(open);
        }
        let connection = Connection::open_to(self.doors.addresses[peer].as_str())?;
        connection.set_patience(self.patience)?;
        Ok((kills, connection))
    }

    pub(super) fn keep(&mut self, peer: usize, connection: (u64, Connection)) {
        self.open.insert(peer, connection);
    }
}
