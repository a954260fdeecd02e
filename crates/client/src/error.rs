//! What can go wrong between a call and its answer.

use crate::{Host, TlsProblem, TransportError};
use cluster_api_types::Error;

/// Failure of a call.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server answered with an error, or reported one at the end of a stream.
    #[error(transparent)]
    Server(#[from] Error),
    /// No host answered; the last one's failure.
    #[error("{host}: {source}")]
    Transport {
        /// The host tried last.
        host: Host,
        /// Why it did not answer.
        source: TransportError,
    },
    /// The answer is not what the API promises.
    #[error("unexpected answer from {host} to {request}: {problem}")]
    Answer {
        /// The host.
        host: Host,
        /// Method and path.
        request: String,
        /// What is wrong with the answer.
        problem: AnswerProblem,
    },
    /// The request cannot be written as HTTP.
    #[error("the request cannot be sent: {0}")]
    Request(#[from] http::Error),
}

/// What is wrong with an answer.
#[derive(Debug, thiserror::Error)]
pub enum AnswerProblem {
    /// Neither success nor error.
    #[error("status {0}")]
    Status(http::StatusCode),
    /// Not the object expected.
    #[error("not the JSON expected ({0})")]
    Json(String),
    /// A line or body longer than the client holds.
    #[error("more than {limit} bytes in one piece")]
    TooLong {
        /// The bound in bytes.
        limit: usize,
    },
}

impl ClientError {
    /// Returns the HTTP status, 0 when no server answered.
    pub fn code(&self) -> i32 {
        match self {
            Self::Server(error) => error.code,
            Self::Transport { .. } | Self::Answer { .. } | Self::Request(_) => 0,
        }
    }

    /// Says what is wrong with TLS, if that is why no host answered.
    pub fn tls_problem(&self) -> Option<TlsProblem> {
        match self {
            Self::Transport { source, .. } => source.tls_problem(),
            Self::Server(_) | Self::Answer { .. } | Self::Request(_) => None,
        }
    }

    /// Returns the error object a user sees: the server's, or one with code 0.
    pub fn to_object(&self) -> Error {
        match self {
            Self::Server(error) => error.clone(),
            other => Error { code: 0, message: other.to_string() },
        }
    }
}
