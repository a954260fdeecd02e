//! Finding pins page by page: by what they are named, carry as metadata or when they were made, in constant memory and at a
//! cost that follows what is found.
//!
//! One index leads, the one that lets the fewest pins through as far as can be told without counting; what it leads to is
//! looked at with all that was asked for.

use super::{
    indexing::{self, IndexState},
    search_index::{self, SearchIndex},
    stored_pin,
};
use crate::{
    Pin, PinKey, PinKindFilter, UnixMillis,
    ports::datastore::{Cursor, MAX_PAGE, Snapshot, StoreError, Tree, prefix_end},
};
use sha2::{Digest, Sha256};
use std::ops::Bound;

/// Rows that one page looks at, at most: a page of a search that finds little ends with less than was asked for.
const MAX_LOOKED_AT: usize = 16_384;

/// What is searched for; a pin is found when it fits everything that is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinSearch {
    /// Types to keep.
    pub kinds: PinKindFilter,
    /// Exactly this name.
    pub name: Option<String>,
    /// A name that begins so.
    pub name_prefix: Option<String>,
    /// Entries that the metadata has.
    pub metadata: Vec<(String, String)>,
    /// Made at this time or later.
    pub created_from: Option<UnixMillis>,
    /// Made before this time.
    pub created_before: Option<UnixMillis>,
    /// The order of the answer.
    pub order: SearchOrder,
}

/// The order in which pins are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SearchOrder {
    /// That of the index which leads: by the bytes of their CIDs when none does.
    #[default]
    Any,
    /// Latest first; pins without a time of creation are left out.
    Newest,
    /// Earliest first; pins without a time of creation are left out.
    Oldest,
}

/// Why a page of a search was not read.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index that would lead is not complete yet.
    #[error("the index by {index} is being made: {done} of {pins} pins are in it; try again later")]
    NotReady {
        /// Which index.
        index: &'static str,
        /// Pins that are in it.
        done: u64,
        /// All pins.
        pins: u64,
    },
}

impl Default for PinSearch {
    fn default() -> Self {
        Self {
            kinds: PinKindFilter::ALL,
            name: None,
            name_prefix: None,
            metadata: Vec::new(),
            created_from: None,
            created_before: None,
            order: SearchOrder::Any,
        }
    }
}

impl PinSearch {
    /// Says whether every pin of the kinds is found, in the order of the CIDs.
    pub fn is_all(&self) -> bool {
        *self == Self { kinds: self.kinds, ..Self::default() }
    }

    /// Says whether a pin is found.
    pub fn matches(&self, pin: &Pin) -> bool {
        let options = &pin.options;
        let created = pin.timestamp.map(crate::UnixSeconds::millis);
        self.kinds.matches(pin.kind)
            && self.name.as_ref().is_none_or(|name| *name == options.name)
            && self.name_prefix.as_ref().is_none_or(|prefix| options.name.starts_with(prefix.as_str()))
            && self.metadata.iter().all(|(key, value)| options.metadata.get(key) == Some(value))
            && self.created_from.is_none_or(|from| created.is_some_and(|at| at >= from))
            && self.created_before.is_none_or(|before| created.is_some_and(|at| at < before))
    }

    /// Makes a digest of what is searched for, so that a position in one search is not taken for one in another.
    /// `also` is what else the answer depends on.
    pub fn digest(&self, also: &str) -> [u8; 8] {
        let digest = Sha256::digest(format!("{self:?} {also}"));
        std::array::from_fn(|at| digest[at])
    }

    /// Chooses the index that leads; `None` for the pinset itself.
    fn lead(&self) -> Option<Lead> {
        let by = |index, prefix: Vec<u8>| {
            let to = prefix_end(&prefix).map_or(Bound::Unbounded, Bound::Excluded);
            Some(Lead { index, from: Bound::Included(prefix), to, backwards: false })
        };
        if self.order != SearchOrder::Any {
            return Some(self.by_time());
        }
        if let Some(name) = &self.name {
            return by(SearchIndex::Name, search_index::name_exactly(name)).filter(|_| !name.is_empty());
        }
        if let Some((key, value)) = self.metadata.first() {
            return by(SearchIndex::Metadata, search_index::metadata_exactly(key, value));
        }
        if let Some(prefix) = self.name_prefix.as_ref().filter(|prefix| !prefix.is_empty()) {
            return by(SearchIndex::Name, search_index::name_starting(prefix));
        }
        (self.created_from.is_some() || self.created_before.is_some()).then(|| self.by_time())
    }

    fn by_time(&self) -> Lead {
        let bound = |time: Option<UnixMillis>| time.map(search_index::created_at);
        Lead {
            index: SearchIndex::Created,
            from: bound(self.created_from).map_or(Bound::Unbounded, Bound::Included),
            to: bound(self.created_before).map_or(Bound::Unbounded, Bound::Excluded),
            backwards: self.order == SearchOrder::Newest,
        }
    }
}

/// A range of an index.
#[derive(Debug)]
struct Lead {
    index: SearchIndex,
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    backwards: bool,
}

/// Some pins that were found, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPins {
    /// The pins.
    pub pins: Vec<Pin>,
    /// Position behind the last row looked at; `None` at the end.
    pub next: Option<Vec<u8>>,
}

/// Reads up to `limit` pins behind a position that an earlier page gave, from the start without one. A page may hold less
/// than that, even nothing, although there is a next one: it looks at a bounded number of rows.
///
/// # Errors
/// When the store fails, or the index is not complete yet.
pub fn page(
    snapshot: &dyn Snapshot,
    search: &PinSearch,
    after: Option<Vec<u8>>,
    limit: usize,
) -> Result<FoundPins, SearchError> {
    let mut rows = Rows::open(snapshot, search, after)?;
    let mut found = FoundPins { pins: Vec::new(), next: None };
    let mut looked_at = 0;
    let limit = limit.max(1);
    loop {
        // A page full of hits is one read; of a search with few, the reads stay as long as allowed.
        let want = if looked_at == 0 { limit + 1 } else { MAX_PAGE };
        let batch = rows.read(want.min(MAX_PAGE))?;
        let is_last = batch.is_empty();
        for (position, pin) in batch {
            if found.pins.len() == limit {
                return Ok(found);
            }
            looked_at += 1;
            found.next = Some(position);
            found.pins.extend(pin.filter(|pin| search.matches(pin)));
        }
        if is_last {
            found.next = None;
            return Ok(found);
        }
        if looked_at >= MAX_LOOKED_AT {
            return Ok(found);
        }
    }
}

/// A position, and the pin there, unless that went meanwhile.
type Row = (Vec<u8>, Option<Pin>);

/// The rows that a search looks at.
struct Rows<'a> {
    snapshot: &'a dyn Snapshot,
    lead: Option<Lead>,
    cursor: Cursor,
}

impl<'a> Rows<'a> {
    fn open(
        snapshot: &'a dyn Snapshot,
        search: &PinSearch,
        after: Option<Vec<u8>>,
    ) -> Result<Self, SearchError> {
        let mut lead = search.lead();
        if let Some(Lead { index, from, to, backwards }) = &mut lead {
            ready(snapshot, *index)?;
            if let Some(after) = &after {
                *if *backwards { to } else { from } = Bound::Excluded(after.clone());
            }
        }
        let cursor = match (&lead, after) {
            (Some(lead), _) => Cursor::range(lead.index.tree(), lead.from.clone(), lead.to.clone()),
            (None, Some(after)) => Cursor::all(Tree::Pins).after(after),
            (None, None) => Cursor::all(Tree::Pins),
        };
        Ok(Self { snapshot, lead, cursor })
    }

    /// Reads the next rows.
    fn read(&mut self, limit: usize) -> Result<Vec<Row>, StoreError> {
        let rows = match &mut self.lead {
            Some(Lead { index, from, to, backwards: true }) => {
                let rows = self.snapshot.page_back(
                    index.tree(),
                    from.as_ref().map(Vec::as_slice),
                    to.as_ref().map(Vec::as_slice),
                    limit,
                )?;
                if let Some((last, _)) = rows.last() {
                    *to = Bound::Excluded(last.clone());
                }
                rows
            }
            _ => self.cursor.next_page_of(self.snapshot, limit)?,
        };
        let mut found = Vec::with_capacity(rows.len());
        for (key, row) in rows {
            let pin = match &self.lead {
                None => PinKey::from_bytes(&key).ok().map(|pin_key| stored_pin::pin(&pin_key, &row)),
                Some(lead) => match lead.index.pin_key(&key) {
                    Some(pin_key) => super::read::pin(self.snapshot, &pin_key)?.map(|(pin, _)| pin),
                    None => None,
                },
            };
            found.push((key, pin));
        }
        Ok(found)
    }
}

/// Checks that an index is complete.
fn ready(snapshot: &dyn Snapshot, index: SearchIndex) -> Result<(), SearchError> {
    let done = match indexing::state(snapshot, index)? {
        IndexState::Ready => return Ok(()),
        IndexState::Clearing(_) => 0,
        IndexState::Building { done, .. } => done,
    };
    let pins = super::counters::Counters::load(snapshot)?.pins();
    Err(SearchError::NotReady { index: index.name(), done, pins })
}
