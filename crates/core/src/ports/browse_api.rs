//! The part of the API servers' port that goes beyond the reference: search, pages, totals and the stream of changes.

use super::{
    BoxFuture, BoxStream,
    cluster_api::{ApiError, GlobalPinStatus, Scope},
};
use crate::{
    PeerId, Pin, PinKind, PinKindFilter, StatusFilter, TrackerStatus, UnixMillis,
    pinset::{
        Change,
        search::{FoundPins, PinSearch},
    },
};
use std::{fmt, str::FromStr};

/// Some statuses that were found, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundStatuses {
    /// The statuses.
    pub statuses: Vec<GlobalPinStatus>,
    /// Position behind the last one looked at; `None` at the end.
    pub next: Option<Vec<u8>>,
}

/// How many pins there are, without listing them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// Pins of each type that occurs.
    pub kinds: Vec<(PinKind, u64)>,
    /// Pins of this peer in each status that occurs.
    pub statuses: Vec<(TrackerStatus, u64)>,
    /// Pins allocated to each peer that has some by name; those that everybody holds are in none.
    pub peers: Vec<(PeerId, u64)>,
}

/// A position in the stream of changes: behind the change `index` of the batch `batch` of a history. Every store counts its
/// own changes, so each has its own history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct EventPosition {
    /// Which history.
    pub history: u32,
    /// Number of the batch.
    pub batch: u64,
    /// Changes of that batch which lie before the position.
    pub index: u64,
}

impl EventPosition {
    /// Returns the position behind all changes of a batch.
    pub fn end_of(history: u32, batch: u64) -> Self {
        Self { history, batch, index: u64::MAX }
    }
}

/// Writes `<history>-<batch>-<index>`, the history in hexadecimal, or `<history>-<batch>` behind all changes of a batch.
impl fmt::Display for EventPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            u64::MAX => write!(f, "{:08x}-{}", self.history, self.batch),
            index => write!(f, "{:08x}-{}-{index}", self.history, self.batch),
        }
    }
}

/// The text is no position in the stream of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor of events has the form 0a1b2c3d-12-3, as events name it; \"oldest\" is the first one kept")]
pub struct EventPositionError;

impl FromStr for EventPosition {
    type Err = EventPositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| match text.parse() {
            Ok(number) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(number),
            _ => Err(EventPositionError),
        };
        let (history, place) = text.split_once('-').ok_or(EventPositionError)?;
        let is_hex = history.len() == 8 && history.bytes().all(|byte| byte.is_ascii_hexdigit());
        let history = u32::from_str_radix(history, 16).ok().filter(|_| is_hex).ok_or(EventPositionError)?;
        match place.split_once('-') {
            None => Ok(Self::end_of(history, number(place)?)),
            Some((batch, index)) => Ok(Self { history, batch: number(batch)?, index: number(index)? }),
        }
    }
}

/// Where a reader of the changes starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventStart {
    /// With the first change that comes.
    Now,
    /// With the oldest change that is kept.
    Oldest,
    /// Behind a position.
    After(EventPosition),
}

/// One change with its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The position behind it.
    pub position: EventPosition,
    /// When it was written.
    pub time: UnixMillis,
    /// What happened.
    pub change: Change,
}

/// What the stream of changes yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventPage {
    /// Changes, in the order in which they took effect.
    Changes(Vec<Event>),
    /// Nothing happened for a while; everything up to here was told.
    Quiet(EventPosition),
}

/// Search, pages, totals and changes.
pub trait BrowseApi: Send + Sync + 'static {
    /// Reads a page of pins behind a position; as [`search::page`](crate::pinset::search::page) says, it may hold less than
    /// `limit`.
    fn search_pins(
        &self,
        search: PinSearch,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> BoxFuture<'_, Result<FoundPins, ApiError>>;

    /// Reads a page of statuses behind a position. Without a search also those of pins that were removed and are still being
    /// unpinned.
    fn search_statuses(
        &self,
        search: PinSearch,
        statuses: StatusFilter,
        scope: Scope,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> BoxFuture<'_, Result<FoundStatuses, ApiError>>;

    /// Streams the pinset as it is at one moment, in key order. Engines that cannot write meanwhile answer changes with
    /// "busy" until the stream ends.
    fn pinset_at_once(&self, kinds: PinKindFilter) -> BoxStream<'static, Result<Vec<Pin>, ApiError>>;

    /// Reads the totals.
    fn totals(&self) -> BoxFuture<'_, Result<Totals, ApiError>>;

    /// Streams changes: those that are kept, and with `follow` those to come, for ever.
    ///
    /// # Errors
    /// [`ApiError::EventsGone`] when changes behind the position are no longer kept.
    fn events(
        &self,
        start: EventStart,
        follow: bool,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<EventPage, ApiError>>, ApiError>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_they_are_written() {
        let within = EventPosition { history: 0xa0b, batch: 7, index: 3 };
        for position in [EventPosition::end_of(u32::MAX, 7), within, EventPosition::default()] {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        assert_eq!(within.to_string(), "00000a0b-7-3");
        assert!(within < EventPosition::end_of(0xa0b, 7));
        for text in [
            "",
            "x",
            "7",
            "00000a0b-",
            "00000a0b-+1",
            "0a0b-1",
            "00000a0b-1-",
            "00000a0b-1-2-3",
            "00000a0b-99999999999999999999",
        ] {
            assert_eq!(text.parse::<EventPosition>(), Err(EventPositionError), "{text}");
        }
    }
}
