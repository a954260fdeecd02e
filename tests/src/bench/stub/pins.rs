//! What the stub remembers as pinned: 32 bytes a pin for the generator's CIDs, text for others.

use crate::bench::cids;
use std::collections::{HashMap, HashSet};

/// How a root is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Recursive,
    Direct,
}

impl Mode {
    /// Returns the daemon's name of it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Recursive => "recursive",
            Self::Direct => "direct",
        }
    }

    /// Reads such a name; `None` for every other type, which then means "any".
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "recursive" => Some(Self::Recursive),
            "direct" => Some(Self::Direct),
            _ => None,
        }
    }
}

/// A pinned root.
#[derive(Debug, Clone)]
pub(super) enum Root {
    Raw([u8; 32]),
    Other(String),
}

impl Root {
    /// Returns the CID's text.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Raw(digest) => cids::as_str(&cids::text_of(digest)).to_owned(),
            Self::Other(text) => text.clone(),
        }
    }
}

/// The set of pinned roots.
#[derive(Debug, Default)]
pub(super) struct Pins {
    raw: HashSet<[u8; 32]>,
    /// Direct pins and CIDs of another kind: few.
    other: HashMap<String, Mode>,
}

impl Pins {
    /// Returns how many there are.
    pub(super) fn len(&self) -> usize {
        self.raw.len() + self.other.len()
    }

    /// Pins a root.
    pub(super) fn add(&mut self, cid: &str, mode: Mode) {
        self.remove(cid);
        match (cids::parse(cid.as_bytes()), mode) {
            (Some(digest), Mode::Recursive) => {
                self.raw.insert(digest);
            }
            _ => {
                self.other.insert(cid.to_owned(), mode);
            }
        }
    }

    /// Unpins a root and tells whether it was pinned.
    pub(super) fn remove(&mut self, cid: &str) -> bool {
        cids::parse(cid.as_bytes()).is_some_and(|digest| self.raw.remove(&digest))
            || self.other.remove(cid).is_some()
    }

    /// Returns how a root is pinned.
    pub(super) fn get(&self, cid: &str) -> Option<Mode> {
        match cids::parse(cid.as_bytes()) {
            Some(digest) if self.raw.contains(&digest) => Some(Mode::Recursive),
            _ => self.other.get(cid).copied(),
        }
    }

    /// Pins `count` CIDs of the generator's sequence.
    pub(super) fn preload(&mut self, seed: u64, first: u64, count: u64) {
        self.raw.extend((first..first + count).map(|index| cids::digest(seed, index)));
    }

    /// Copies the list as it is now.
    pub(super) fn snapshot(&self, wanted: Option<Mode>) -> Vec<(Root, Mode)> {
        let raw = self.raw.iter().map(|digest| (Root::Raw(*digest), Mode::Recursive));
        let other = self.other.iter().map(|(text, mode)| (Root::Other(text.clone()), *mode));
        raw.chain(other).filter(|(_, mode)| wanted.is_none_or(|wanted| wanted == *mode)).collect()
    }
}
