//! The error object of the REST API (api §3.2).

use serde::{Deserialize, Serialize};

/// An error as the server answers it; code 0 stands for a failure before any answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
#[serde(default)]
pub struct Error {
    /// HTTP status.
    pub code: i32,
    /// What went wrong.
    pub message: String,
}
