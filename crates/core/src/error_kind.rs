//! The classes an error can fall into, from which HTTP status and exit code derive.

/// Classifies an error for whoever has to answer with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The caller sent something that can never work.
    Invalid,
    /// The thing named does not exist.
    NotFound,
    /// The thing named existed and is no longer kept.
    Gone,
    /// The state forbids it now: a precondition failed or a rule of the pinset says no.
    Conflict,
    /// An idempotency key came back with another body.
    Mismatch,
    /// The caller may not do this.
    Forbidden,
    /// Really full, or not writable for the moment: try again later.
    Busy,
    /// Something this peer depends on does not answer.
    Unavailable,
    /// A deadline passed and nothing was changed.
    Timeout,
    /// The outcome is not known: the change may yet have happened.
    Unknown,
    /// Not built into this version.
    Unsupported,
    /// The process cannot go on.
    Fatal,
    /// A defect of ours.
    Internal,
}
