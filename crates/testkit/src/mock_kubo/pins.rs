//! The pins a stand-in holds.

use std::{collections::BTreeMap, ops::Bound};

/// How a CID is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PinnedAs {
    /// The whole graph.
    Recursive,
    /// The root block alone.
    Direct,
}

impl PinnedAs {
    /// Returns Kubo's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recursive => "recursive",
            Self::Direct => "direct",
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Pins {
    by_cid: BTreeMap<Box<str>, PinnedAs>,
}

impl Pins {
    pub(crate) fn insert(&mut self, cid: &str, kind: PinnedAs) {
        self.by_cid.insert(cid.into(), kind);
    }

    pub(crate) fn remove(&mut self, cid: &str) -> bool {
        self.by_cid.remove(cid).is_some()
    }

    pub(crate) fn get(&self, cid: &str) -> Option<PinnedAs> {
        self.by_cid.get(cid).copied()
    }

    pub(crate) fn count(&self, kind: PinnedAs) -> usize {
        self.by_cid.values().filter(|k| **k == kind).count()
    }

    /// Returns the CIDs of one kind (or all) among the next `limit` after `after`, and where to go on.
    pub(crate) fn page(&self, kind: Option<PinnedAs>, after: Option<&str>, limit: usize) -> Page {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut page = Page { pins: Vec::new(), next: None };
        for (cid, is) in self.by_cid.range::<str, _>((from, Bound::Unbounded)).take(limit) {
            if kind.is_none_or(|k| k == *is) {
                page.pins.push((cid.clone(), *is));
            }
            page.next = Some(cid.clone());
        }
        page
    }
}

/// Some pins; `next` is `None` when there were no more.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) pins: Vec<(Box<str>, PinnedAs)>,
    pub(crate) next: Option<Box<str>>,
}
