//! Transitions of the tracker: what became of a request, and what that makes of the pin's row.

use super::{
    mutation::{Before, Mutation},
    tracker_row::{TrackedState, TrackerRow},
};
use crate::{
    PinKey, UnixMillis,
    mutate::{Mutation as Defect, active},
    ports::datastore::StoreError,
};

/// A transition of the tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackerInput {
    /// A pin request succeeded.
    Pinned {
        /// Which pin.
        key: PinKey,
        /// The revision the request was made for.
        revision: u64,
        /// Bytes fetched; 0 when not known.
        size: u64,
    },
    /// An unpin request succeeded.
    Unpinned {
        /// Which pin.
        key: PinKey,
        /// The revision the request was made for.
        revision: u64,
    },
    /// A request failed.
    Failed {
        /// Which pin.
        key: PinKey,
        /// The revision the request was made for.
        revision: u64,
        /// What went wrong.
        error: String,
        /// When to try again.
        next_attempt: UnixMillis,
    },
    /// A pin that should be there was found missing.
    Missing {
        /// Which pin.
        key: PinKey,
        /// The revision that was checked.
        revision: u64,
        /// When to pin it again.
        next_attempt: UnixMillis,
    },
    /// Somebody asked to try again now.
    Recover {
        /// Which pin.
        key: PinKey,
    },
}

impl TrackerInput {
    /// Returns the pin whose row is to change.
    pub fn key(&self) -> &PinKey {
        match self {
            Self::Pinned { key, .. }
            | Self::Unpinned { key, .. }
            | Self::Failed { key, .. }
            | Self::Missing { key, .. }
            | Self::Recover { key } => key,
        }
    }

    /// Returns the revision on which the transition rests; `None` for one that any row may make.
    pub fn revision(&self) -> Option<u64> {
        match self {
            Self::Pinned { revision, .. }
            | Self::Unpinned { revision, .. }
            | Self::Failed { revision, .. }
            | Self::Missing { revision, .. } => Some(*revision),
            Self::Recover { .. } => None,
        }
    }
}

/// What became of a tracker transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackerOutcome {
    /// It was made.
    Applied,
    /// The row had moved on, or there was nothing to do.
    Ignored,
}

/// A tracker row that changed, or that a transition was refused for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerSignal {
    /// Which pin.
    pub key: PinKey,
    /// The row as it is now; `None` when it is gone.
    pub row: Option<TrackerRow>,
}

impl Mutation<'_> {
    /// Makes a transition of the tracker, if the row still stands where the transition starts.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn transition(&mut self, input: TrackerInput) -> Result<TrackerOutcome, StoreError> {
        let now = self.now;
        let (key, wanted) = (input.key().clone(), input.revision());
        let Some(old) = self.tracker_row(&key)? else { return Ok(TrackerOutcome::Ignored) };
        if wanted.is_some_and(|revision| revision != old.revision) && !active(Defect::AcceptStaleResult) {
            return Ok(TrackerOutcome::Ignored);
        }
        let mut row = TrackerRow { since: now, next_attempt: None, error: String::new(), ..old.clone() };
        match input {
            TrackerInput::Pinned { size, .. } if old.state.wants_pin() => {
                row.state = TrackedState::Pinned;
                row.attempts = old.attempts.saturating_add(1);
                row.size = size;
            }
            TrackerInput::Unpinned { .. } if old.state.wants_unpin() => match old.state {
                TrackedState::RemoteUnpinQueued | TrackedState::RemoteUnpinError => {
                    row.state = TrackedState::Remote
                }
                _ => {
                    self.forget_tracker(&key, Some(&old));
                    return Ok(TrackerOutcome::Applied);
                }
            },
            TrackerInput::Failed { error, next_attempt, .. }
                if old.state.wants_pin() || old.state.wants_unpin() =>
            {
                row.state = match old.state {
                    TrackedState::UnpinQueued | TrackedState::UnpinError => TrackedState::UnpinError,
                    TrackedState::RemoteUnpinQueued | TrackedState::RemoteUnpinError => {
                        TrackedState::RemoteUnpinError
                    }
                    _ => TrackedState::PinError,
                };
                row.attempts = old.attempts.saturating_add(1);
                row.error = error;
                row.next_attempt = Some(next_attempt);
            }
            TrackerInput::Missing { next_attempt, .. } if old.state == TrackedState::Pinned => {
                row.state = TrackedState::UnexpectedlyUnpinned;
                row.error = "the item should be pinned but it is not".to_owned();
                row.attempts = 0;
                row.next_attempt = Some(next_attempt);
            }
            TrackerInput::Recover { .. } if old.state.is_waiting() => {
                row.state = match old.state {
                    TrackedState::UnpinError => TrackedState::UnpinQueued,
                    TrackedState::RemoteUnpinError => TrackedState::RemoteUnpinQueued,
                    _ => match Before::read(self.staged, &key)? {
                        Some(before) => self.lanes.queue(&before.pin, old.attempts, now),
                        None => return Ok(TrackerOutcome::Ignored),
                    },
                };
                row.revision = self.next_revision();
            }
            TrackerInput::Pinned { .. }
            | TrackerInput::Unpinned { .. }
            | TrackerInput::Failed { .. }
            | TrackerInput::Missing { .. }
            | TrackerInput::Recover { .. } => return Ok(TrackerOutcome::Ignored),
        }
        self.put_tracker(&key, row, Some(&old));
        Ok(TrackerOutcome::Applied)
    }
}
