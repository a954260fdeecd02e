//! Bodies of requests. Most say nothing: they are read and thrown away, so that the connection can go on.

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::{
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;

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

/// A body that an endpoint reads as it comes: any length, but something must come within the time.
pub(crate) struct Paced {
    body: Incoming,
    limit: Duration,
    due: std::pin::Pin<Box<tokio::time::Sleep>>,
}

impl Paced {
    pub(crate) fn new(body: Incoming, timeout: Option<Duration>) -> Self {
        let limit = timeout.unwrap_or(DEFAULT_TIMEOUT);
        Self { body, limit, due: Box::pin(tokio::time::sleep(limit)) }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = std::pin::Pin::new(&mut self.body).poll_frame(context) {
            let due = Instant::now() + self.limit;
            self.due.as_mut().reset(due);
            return Poll::Ready(frame.map(|frame| frame.map_err(|_| BodyError::Broken)));
        }
        self.due.as_mut().poll(context).map(|()| Some(Err(BodyError::Late)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Reads on beside the answer: closing with unread bytes would reset the connection under it.
fn linger(mut body: Incoming) {
    tokio::spawn(tokio::time::timeout(LINGER, async move { while let Some(Ok(_)) = body.frame().await {} }));
}
