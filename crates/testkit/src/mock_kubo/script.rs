//! How a call goes.

use bytes::Bytes;
use std::time::Duration;

/// How a call goes: a delay, lines of progress (`pin/add` only), an end.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// Time before anything is answered.
    pub delay: Duration,
    /// Progress before the end.
    pub progress: Vec<Step>,
    /// The end.
    pub end: End,
}

/// One line of progress.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Time since the line before.
    pub after: Duration,
    /// Blocks so far.
    pub blocks: u64,
    /// Bytes so far; `None` as before Kubo 0.40.
    pub bytes: Option<u64>,
}

/// How a call ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum End {
    /// As Kubo would.
    #[default]
    Proper,
    /// Never; what was said before stays said.
    Hang,
    /// With this status and body, if nothing was said before.
    Status(u16, Vec<u8>),
    /// With Kubo's error object and status 500, if nothing was said before; else as [`End::Trailer`].
    Error(String),
    /// With a message in the trailer `X-Stream-Error`.
    Trailer(String),
    /// With an error object in the body, then properly.
    ErrorLine(String),
    /// Properly, but without the last object (`pin/add`) or the last half of the list (`pin/ls`, `repo/gc`).
    Early,
    /// In the middle of an object, otherwise properly.
    HalfObject,
    /// The connection breaks before the last object.
    Break,
    /// With these bytes in place of what Kubo would say.
    Garbage(Vec<u8>),
    /// Never: says these bytes again and again.
    Endless(Bytes),
}

impl Script {
    /// Answers properly after a delay.
    pub fn after(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }

    /// Ends this way at once.
    pub fn ending(end: End) -> Self {
        Self { end, ..Self::default() }
    }

    /// Adds `count` lines of progress, `every` apart, that grow by one block and `bytes` each.
    #[must_use]
    pub fn with_progress(mut self, count: u64, every: Duration, bytes: Option<u64>) -> Self {
        let steps = (1..=count).map(|n| Step { after: every, blocks: n, bytes: bytes.map(|b| b * n) });
        self.progress.extend(steps);
        self
    }
}
