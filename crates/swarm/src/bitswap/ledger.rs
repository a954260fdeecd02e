//! What other peers want of us: the server's half of bitswap, without its input and output.

use super::{
    message::{Ask, Want},
    ordered_map::OrderedMap,
    read_ahead::ReadAhead,
};
use cid::Cid;
use cluster_core::PeerId;
use std::collections::HashMap;

/// Wants of one peer that wait for their answer; further ones are dropped and counted, and asked again by the peer.
pub(super) const MAX_DUE: usize = 8192;

/// Wants of one peer for blocks that are missing; the oldest is forgotten when there are more.
pub(super) const MAX_MISSING: usize = 1024;

/// Wants of all peers for blocks that are missing; beyond it a peer that adds some loses its oldest.
pub(super) const MAX_MISSING_IN_ALL: usize = 64 * 1024;

/// What happens to the ledger.
#[derive(Debug)]
pub(super) enum LedgerInput<'a> {
    /// A peer is connected.
    Connected(PeerId),
    /// A peer is one of this suite.
    Ours(PeerId),
    /// A peer is gone: its wants are forgotten.
    Disconnected(PeerId),
    /// A list of wants came.
    Wants {
        /// The peer that wants.
        peer: PeerId,
        /// Whether the list replaces what it wanted before.
        full: bool,
        /// The list.
        wants: &'a [Want],
    },
    /// A block is here now.
    Announced(Cid),
    /// A block that is here is told about: every peer of this suite will ask for it, unless it had it before.
    Offered(Cid),
    /// A peer does not take its answers: what it wants is forgotten.
    Stuck(PeerId),
    /// The answers taken by [`Ledger::next`] are made.
    Answered(PeerId),
}

/// What follows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LedgerOutput {
    /// Peers that have answers due.
    pub(super) ready: Vec<PeerId>,
    /// Number of wants that were dropped.
    pub(super) dropped: usize,
}

/// A want that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// Whether the block itself is asked.
    pub(super) block: bool,
    /// Whether its lack is to be told.
    pub(super) dont_have: bool,
}

#[derive(Debug, Default)]
struct Account {
    due: OrderedMap<Cid, Due>,
    missing: OrderedMap<Cid, Due>,
    read_ahead: Option<ReadAhead>,
}

/// The wants of all connected peers.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    accounts: HashMap<PeerId, Account>,
}

impl Ledger {
    /// Takes note of something.
    pub(super) fn handle(&mut self, input: LedgerInput<'_>) -> LedgerOutput {
        let mut output = LedgerOutput::default();
        match input {
            LedgerInput::Connected(peer) => {
                self.accounts.entry(peer).or_default();
            }
            LedgerInput::Ours(peer) => {
                if let Some(account) = self.accounts.get_mut(&peer) {
                    account.read_ahead.get_or_insert_default();
                }
            }
            LedgerInput::Disconnected(peer) => {
                self.accounts.remove(&peer);
            }
            LedgerInput::Wants { peer, full, wants } => {
                if let Some(account) = self.accounts.get_mut(&peer) {
                    output.dropped = account.on_wants(full, wants);
                    if !account.due.is_empty() {
                        output.ready.push(peer);
                    }
                }
            }
            LedgerInput::Announced(cid) => {
                for (peer, account) in &mut self.accounts {
                    if let Some(due) = account.missing.remove(&cid) {
                        account.due.insert(cid, due);
                        output.ready.push(*peer);
                    }
                }
            }
            LedgerInput::Offered(cid) => {
                for (peer, account) in &mut self.accounts {
                    let Some(ahead) = &mut account.read_ahead else { continue };
                    if account.due.len() < MAX_DUE && !account.due.contains(&cid) && !ahead.was_sent(&cid) {
                        ahead.on_sent(cid);
                        account.due.insert(cid, Due { block: false, dont_have: false });
                        output.ready.push(*peer);
                    }
                }
            }
            LedgerInput::Stuck(peer) => {
                if let Some(account) = self.accounts.get_mut(&peer) {
                    output.dropped = account.due.clear() + account.missing.clear();
                }
            }
            LedgerInput::Answered(peer) => self.on_answered(&peer),
        }
        output
    }

    /// Says whether answers are due to a peer.
    pub(super) fn has_due(&self, peer: &PeerId) -> bool {
        self.accounts.get(peer).is_some_and(|account| !account.due.is_empty())
    }

    /// Takes the oldest want that is due. It is remembered as missing from now on, not only when it turns out to
    /// be: a block that arrives while it is looked for is announced in between.
    pub(super) fn next(&mut self, peer: &PeerId) -> Option<(Cid, Due)> {
        let account = self.accounts.get_mut(peer)?;
        let (cid, due) = account.due.pop_oldest()?;
        account.missing.insert(cid, Due { dont_have: false, ..due });
        Some((cid, due))
    }

    /// Notes that a want is answered with the block or with HAVE.
    pub(super) fn on_found(&mut self, peer: &PeerId, cid: &Cid) {
        if let Some(account) = self.accounts.get_mut(peer) {
            account.missing.remove(cid);
            account.due.remove(cid);
        }
    }

    /// Returns what was sent ahead to a peer, when it is one of this suite.
    pub(super) fn read_ahead(&mut self, peer: &PeerId) -> Option<&mut ReadAhead> {
        self.accounts.get_mut(peer)?.read_ahead.as_mut()
    }

    /// Says whether nothing is known of a want.
    #[cfg(test)]
    pub(super) fn is_forgotten(&self, peer: &PeerId, cid: &Cid) -> bool {
        let knows = |account: &Account| account.due.contains(cid) || account.missing.contains(cid);
        !self.accounts.get(peer).is_some_and(knows)
    }

    fn on_answered(&mut self, peer: &PeerId) {
        let in_all: usize = self.accounts.values().map(|account| account.missing.len()).sum();
        let Some(account) = self.accounts.get_mut(peer) else { return };
        let excess = account.missing.len().saturating_sub(MAX_MISSING);
        let excess = excess.max(in_all.saturating_sub(MAX_MISSING_IN_ALL)).min(account.missing.len());
        for _ in 0..excess {
            account.missing.pop_oldest();
        }
    }
}

impl Account {
    /// Returns how many wants had no room.
    fn on_wants(&mut self, full: bool, wants: &[Want]) -> usize {
        if full {
            self.due.clear();
            self.missing.clear();
        }
        let mut dropped = 0;
        for want in wants {
            if want.ask == Ask::Cancel {
                self.due.remove(&want.cid);
                self.missing.remove(&want.cid);
                continue;
            }
            let mut due = Due { block: want.ask == Ask::Block, dont_have: want.dont_have };
            if let Some(earlier) = self.due.get(&want.cid) {
                due.block |= earlier.block;
            } else if self.due.len() >= MAX_DUE {
                dropped += 1;
                continue;
            }
            self.due.insert(want.cid, due);
        }
        dropped
    }
}

#[cfg(test)]
mod tests;
