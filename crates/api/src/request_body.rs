//! Bodies of requests. Most say nothing: they are read and thrown away, so that the connection can go on.

use bytes::{Bytes, BytesMut};
use http::{Version, header, request::Parts};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::runtime::Handle;

/// Largest body taken from a request to an endpoint that has none, in bytes.
const LIMIT: u64 = 1 << 20;

/// Largest body that an endpoint reads, in bytes: hundreds of addresses of one peer. It is held before anybody
/// knows who sends it, so it is smaller.
const KEPT_LIMIT: u64 = 64 << 10;

/// How long a body may take when the configuration sets no limit.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the rest of a refused body is read on, so that its sender lives to read the answer.
const LINGER: Duration = Duration::from_secs(2);

/// Why a body was not read to its end. The connection cannot be used again after any of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// It is larger than the endpoint takes.
    #[error("the body of the request is larger than {limit} bytes")]
    TooLarge {
        /// What it takes, in bytes.
        limit: u64,
    },
    /// It did not end in time.
    #[error("the body of the request did not arrive in time")]
    Late,
    /// It is malformed or the client went away.
    #[error("the body of the request cannot be read")]
    Broken,
}

/// Reads a body to its end and returns it; empty unless it is to be kept.
pub(crate) async fn read(body: Incoming, keep: bool, timeout: Option<Duration>) -> Result<Bytes, BodyError> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    read_to_end(body, keep, timeout.unwrap_or(DEFAULT_TIMEOUT)).await
}

async fn read_to_end(mut body: Incoming, keep: bool, timeout: Duration) -> Result<Bytes, BodyError> {
    let limit = if keep { KEPT_LIMIT } else { LIMIT };
    if body.size_hint().lower() > limit {
        linger(body);
        return Err(BodyError::TooLarge { limit });
    }
    let mut kept = BytesMut::new();
    let reading = async {
        let mut total = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| BodyError::Broken)?;
            let Ok(data) = frame.into_data() else { continue };
            total += data.len() as u64;
            if total > limit {
                return Err(BodyError::TooLarge { limit });
            }
            if keep {
                kept.extend_from_slice(&data);
            }
        }
        Ok(kept.freeze())
    };
    let outcome = tokio::time::timeout(timeout, reading).await.unwrap_or(Err(BodyError::Late));
    if matches!(outcome, Err(BodyError::TooLarge { .. })) {
        linger(body);
    }
    outcome
}

/// How long the client may send nothing of a body that an endpoint reads as it comes, while it is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyPatience(pub(crate) Duration);

impl BodyPatience {
    pub(crate) fn new(timeout: Option<Duration>) -> Self {
        Self(timeout.unwrap_or(DEFAULT_TIMEOUT))
    }
}

/// Says whether a client sends the body only when it is told to, and the HTTP layer will do that.
pub(crate) fn waits_for_leave(head: &Parts) -> bool {
    let expected = head.headers.get(header::EXPECT);
    head.version == Version::HTTP_11
        && expected.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// A body that an endpoint reads as it comes, however long. What is left of it when it is given up is still read for a
/// while.
pub(crate) struct Upload {
    /// Until its end.
    body: Option<Incoming>,
    /// The client did not wait for leave to send, or has it.
    comes: bool,
}

impl Upload {
    pub(crate) fn new(head: &Parts, body: Incoming) -> Self {
        Self { body: Some(body), comes: !waits_for_leave(head) }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.comes = true;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame.map(|frame| frame.map_err(|_| BodyError::Broken)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(body) = self.body.take_if(|body| self.comes && !body.is_end_stream()) {
            linger(body);
        }
    }
}

/// Reads on beside the answer: closing with unread bytes would reset the connection under it.
fn linger(mut body: Incoming) {
    // What is dropped when everything ends has no runtime any more.
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(tokio::time::timeout(
            LINGER,
            async move { while let Some(Ok(_)) = body.frame().await {} },
        ));
    }
}
