//! Exit codes (api §4.3).

use std::process::ExitCode;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well.
    Success,
    /// A mistake in the arguments, no connection, or a failure on this side.
    Client,
    /// The server answered with an error.
    Server,
    /// A deadline passed.
    Deadline,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0u8,
            Exit::Client => 1,
            Exit::Server => 2,
            Exit::Deadline => 62,
        })
    }
}
