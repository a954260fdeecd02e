//! The pinset: its rules, its rows, its one writer and its reads.
//!
//! Everything derived — indexes, counters, tracker rows, events, fingerprint — is written in the batch of the
//! change it follows from, by [`Writer`] alone. [`check`] recounts all of it.

pub mod backend;
pub mod check;
pub mod counters;
pub mod events;
pub mod fingerprint;
pub mod format;
pub mod indexing;
mod input;
pub mod mutation;
pub mod plan;
pub mod read;
pub mod requests;
mod row_codec;
pub mod search;
pub mod search_index;
pub mod staged;
pub mod stored_pin;
pub mod tracker_row;
mod transition;
pub mod writer;

pub use backend::{Backend, NoBackend};
pub use events::{Change, ChangeKind, EventBatch};
pub use input::{CommitFailed, Committed, Input, Ordered, Outcome, Ticket};

pub use row_codec::{RowReader, RowWriter};
pub use staged::Staged;
pub use tracker_row::{TrackedState, TrackerRow};
pub use transition::{TrackerInput, TrackerOutcome, TrackerSignal};
pub use writer::{Writer, WriterConfig};
