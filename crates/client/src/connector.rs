//! The port through which the client reaches a host.

use crate::{Host, TlsProblem};
use bytes::Bytes;
use futures_core::Stream;
use http_body::Frame;
use std::{error::Error, future::Future, pin::Pin};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The frames of an answer: data, and at the end perhaps trailers.
pub type BodyFrames = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, TransportError>> + Send>>;

/// The host could not be reached, or the connection failed on the way.
#[derive(Debug, thiserror::Error)]
#[error("{}", text(&**.0))]
pub struct TransportError(#[source] Box<dyn Error + Send + Sync>);

impl TransportError {
    /// Wraps the cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }

    /// Says what is wrong with TLS, if that is what failed.
    pub fn tls_problem(&self) -> Option<TlsProblem> {
        TlsProblem::find(&*self.0)
    }
}

/// Writes an error: what is known about TLS comes first, for it has a remedy.
fn text(error: &(dyn Error + 'static)) -> String {
    match TlsProblem::find(error) {
        Some(TlsProblem::Other) => format!("{}: {}", TlsProblem::Other, chain(error)),
        Some(problem) => problem.to_string(),
        None => chain(error),
    }
}

/// Joins the causes, for the outermost one ("error sending request") says the least; one that repeats what stands
/// there already is left out.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

/// Sends one request to one host.
///
/// # Contract
/// The request's URI is a path with its query; the connector adds what names the host. The answer's body streams
/// and ends with the trailers if there are any. An error means that no answer came: the client then tries its next
/// host. Every wait has a deadline, at least the one for the connection.
///
/// # Cancel safety
/// Dropping the future or the body abandons the answer, not the change it may have made.
pub trait Connector: Send + Sync + 'static {
    /// Sends `request` to `host`.
    fn send<'a>(
        &'a self,
        host: &'a Host,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'a, Result<http::Response<BodyFrames>, TransportError>>;
}
