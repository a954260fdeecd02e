//! One request to the IPFS daemon.

use crate::PinKey;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Pin.
    Pin,
    /// Unpin.
    Unpin,
    /// Look whether it is still pinned.
    Check,
}

/// A job for the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Which pin.
    pub key: PinKey,
    /// The revision it is made for.
    pub revision: u64,
    /// What to do.
    pub action: Action,
    /// Attempts made before.
    pub attempts: u32,
    /// Whether it came from the priority lane.
    pub priority: bool,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobResult {
    /// Done; for a pin the bytes fetched, 0 when not known.
    Done {
        /// Bytes fetched.
        size: u64,
    },
    /// A check found the pin missing.
    Missing,
    /// It failed; the text goes into the status.
    Failed(String),
    /// It was given up because the tracker said so.
    Cancelled,
}
