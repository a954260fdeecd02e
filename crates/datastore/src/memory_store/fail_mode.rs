//! Failures on demand.

/// How the next write fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailMode {
    /// Nothing was written: the disk was full.
    Refused,
    /// The caller cannot know; recovery and power cuts show the batch, or the lazy ones that were to be flushed, if it
    /// `survives`.
    Unknown {
        /// Whether the batch reached the disk.
        survives: bool,
    },
}
