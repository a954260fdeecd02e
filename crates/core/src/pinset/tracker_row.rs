//! The durable state of a pin on this peer.

use super::row_codec::{RowReader, RowWriter};
use crate::{PinKey, TrackerStatus, UnixMillis};

/// What is known, across restarts, of a pin on this peer. A running request is not among the states: it ends
/// with the process, so the row stays queued and the tracker's memory says that it is being worked on.
///
/// The number is the first byte of a `by-status` key and never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TrackedState {
    /// To be pinned, in the priority lane.
    PinQueuedPriority = 1,
    /// To be pinned.
    PinQueued = 2,
    /// Pinned on the IPFS daemon.
    Pinned = 3,
    /// The last attempt to pin failed; the next comes at `next_attempt`.
    PinError = 4,
    /// Removed from the pinset, to be unpinned.
    UnpinQueued = 5,
    /// The last attempt to unpin failed; the next comes at `next_attempt`.
    UnpinError = 6,
    /// Allocated to others, nothing to do here.
    Remote = 7,
    /// Allocated to others since a change, to be unpinned here.
    RemoteUnpinQueued = 8,
    /// As before, and the last attempt failed.
    RemoteUnpinError = 9,
    /// A meta pin: nothing to do on any daemon.
    Sharded = 10,
    /// Should be pinned but was found missing; pinned again at `next_attempt`.
    UnexpectedlyUnpinned = 11,
}

impl TrackedState {
    /// Every state, in number order.
    pub const ALL: [Self; 11] = [
        Self::PinQueuedPriority,
        Self::PinQueued,
        Self::Pinned,
        Self::PinError,
        Self::UnpinQueued,
        Self::UnpinError,
        Self::Remote,
        Self::RemoteUnpinQueued,
        Self::RemoteUnpinError,
        Self::Sharded,
        Self::UnexpectedlyUnpinned,
    ];

    /// Returns the stored number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Reads the stored number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.number() == number)
    }

    /// Returns the status that clients see while no request is running.
    pub fn status(self) -> TrackerStatus {
        match self {
            Self::PinQueuedPriority | Self::PinQueued => TrackerStatus::PinQueued,
            Self::Pinned => TrackerStatus::Pinned,
            Self::PinError => TrackerStatus::PinError,
            Self::UnpinQueued => TrackerStatus::UnpinQueued,
            Self::UnpinError => TrackerStatus::UnpinError,
            Self::Remote | Self::RemoteUnpinQueued | Self::RemoteUnpinError => TrackerStatus::Remote,
            Self::Sharded => TrackerStatus::Sharded,
            Self::UnexpectedlyUnpinned => TrackerStatus::UnexpectedlyUnpinned,
        }
    }

    /// Says whether a pin request waits or failed.
    pub fn wants_pin(self) -> bool {
        match self {
            Self::PinQueuedPriority | Self::PinQueued | Self::PinError | Self::UnexpectedlyUnpinned => true,
            Self::Pinned
            | Self::UnpinQueued
            | Self::UnpinError
            | Self::Remote
            | Self::RemoteUnpinQueued
            | Self::RemoteUnpinError
            | Self::Sharded => false,
        }
    }

    /// Says whether an unpin request waits or failed.
    pub fn wants_unpin(self) -> bool {
        match self {
            Self::UnpinQueued | Self::UnpinError | Self::RemoteUnpinQueued | Self::RemoteUnpinError => true,
            Self::PinQueuedPriority
            | Self::PinQueued
            | Self::Pinned
            | Self::PinError
            | Self::Remote
            | Self::Sharded
            | Self::UnexpectedlyUnpinned => false,
        }
    }

    /// Says whether a row in this state waits in a lane, without a time.
    pub fn is_queued(self) -> bool {
        matches!(
            self,
            Self::PinQueuedPriority | Self::PinQueued | Self::UnpinQueued | Self::RemoteUnpinQueued
        )
    }

    /// Says whether a row in this state waits for its `next_attempt`.
    pub fn is_waiting(self) -> bool {
        matches!(
            self,
            Self::PinError | Self::UnpinError | Self::RemoteUnpinError | Self::UnexpectedlyUnpinned
        )
    }
}

/// One row of `tracker`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerRow {
    /// Names the change of the pinset that this row follows; a result for an older one is dropped.
    pub revision: u64,
    /// The state.
    pub state: TrackedState,
    /// Attempts made since the change.
    pub attempts: u32,
    /// When the state was entered.
    pub since: UnixMillis,
    /// When to try again, in the waiting states.
    pub next_attempt: Option<UnixMillis>,
    /// Bytes fetched when it was pinned; 0 when not known.
    pub size: u64,
    /// The last error; empty when there is none.
    pub error: String,
}

/// Version of the row.
const VERSION: u8 = 1;

/// Longest error text kept, in bytes; longer ones are cut.
pub const MAX_ERROR: usize = 1024;

impl TrackerRow {
    /// Makes a row of a state just entered.
    pub fn new(revision: u64, state: TrackedState, since: UnixMillis) -> Self {
        Self { revision, state, attempts: 0, since, next_attempt: None, size: 0, error: String::new() }
    }

    /// Writes the row.
    pub fn encode(&self) -> Vec<u8> {
        let mut end = self.error.len().min(MAX_ERROR);
        while !self.error.is_char_boundary(end) {
            end -= 1;
        }
        RowWriter::new(VERSION)
            .byte(self.state.number())
            .int(self.revision)
            .int(u64::from(self.attempts))
            .int(self.since.0)
            .int(self.next_attempt.map_or(0, |t| t.0))
            .int(self.size)
            .raw(&self.error.as_bytes()[..end])
            .finish()
    }

    /// Reads a row; `None` when it has another form.
    pub fn decode(row: &[u8]) -> Option<Self> {
        let mut reader = RowReader::new(row, VERSION)?;
        let state = TrackedState::from_number(reader.byte()?)?;
        let revision = reader.int()?;
        let attempts = u32::try_from(reader.int()?).ok()?;
        let since = UnixMillis(reader.int()?);
        let next = reader.int()?;
        let size = reader.int()?;
        Some(Self {
            revision,
            state,
            attempts,
            since,
            next_attempt: (next != 0).then_some(UnixMillis(next)),
            size,
            error: String::from_utf8_lossy(reader.rest()).into_owned(),
        })
    }

    /// Returns the key of the row in `by-status`.
    pub fn status_key(state: TrackedState, key: &PinKey) -> Vec<u8> {
        let mut index = Vec::with_capacity(1 + key.as_bytes().len());
        index.push(state.number());
        index.extend_from_slice(key.as_bytes());
        index
    }

    /// Returns the key of a row in `by-next-attempt` or of a pin in `by-expiry`: eight bytes of time, then the key.
    pub fn time_key(time: u64, key: &PinKey) -> Vec<u8> {
        let mut index = Vec::with_capacity(8 + key.as_bytes().len());
        index.extend_from_slice(&time.to_be_bytes());
        index.extend_from_slice(key.as_bytes());
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_round_trip_and_long_errors_are_cut_at_a_character() {
        let mut row = TrackerRow::new(7, TrackedState::PinError, UnixMillis(1_700_000_000_123));
        row.attempts = 3;
        row.next_attempt = Some(UnixMillis(1_700_000_009_999));
        row.size = 1 << 40;
        row.error = "ü".repeat(600);
        let read = TrackerRow::decode(&row.encode()).unwrap();
        assert_eq!(read.error, "ü".repeat(512));
        assert_eq!(TrackerRow { error: row.error.clone(), ..read }, row);
    }

    #[test]
    fn numbers_of_states_are_fixed() {
        for (index, state) in TrackedState::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(state.number()), index + 1);
            assert_eq!(TrackedState::from_number(state.number()), Some(state));
            assert!(!(state.wants_pin() && state.wants_unpin()));
        }
        assert_eq!(TrackedState::from_number(0), None);
    }
}
