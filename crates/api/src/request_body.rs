//! Bodies of requests that say nothing: read and thrown away, so that the connection can go on.

use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::time::Duration;

/// Largest body taken from a request to an endpoint that has none, in bytes.
pub(crate) const LIMIT: u64 = 1 << 20;

/// How long a body may take when the configuration sets no limit.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the rest of a refused body is read on, so that its sender lives to read the answer.
const LINGER: Duration = Duration::from_secs(2);

/// Why a body was not read to its end. The connection cannot be used again after any of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// It is larger than [`LIMIT`].
    #[error("the body of the request is larger than {LIMIT} bytes")]
    TooLarge,
    /// It did not end in time.
    #[error("the body of the request did not arrive in time")]
    Late,
    /// It is malformed or the client went away.
    #[error("the body of the request cannot be read")]
    Broken,
}

/// Reads a body to its end.
pub(crate) async fn drain(body: Incoming, timeout: Option<Duration>) -> Result<(), BodyError> {
    if body.is_end_stream() {
        return Ok(());
    }
    drain_to_end(body, timeout.unwrap_or(DEFAULT_TIMEOUT)).await
}

async fn drain_to_end(mut body: Incoming, timeout: Duration) -> Result<(), BodyError> {
    if body.size_hint().lower() > LIMIT {
        linger(body);
        return Err(BodyError::TooLarge);
    }
    let reading = async {
        let mut total = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| BodyError::Broken)?;
            total += frame.data_ref().map_or(0, |data| data.len() as u64);
            if total > LIMIT {
                return Err(BodyError::TooLarge);
            }
        }
        Ok(())
    };
    let outcome = tokio::time::timeout(timeout, reading).await.unwrap_or(Err(BodyError::Late));
    if outcome == Err(BodyError::TooLarge) {
        linger(body);
    }
    outcome
}

/// Reads on beside the answer: closing with unread bytes would reset the connection under it.
fn linger(mut body: Incoming) {
    tokio::spawn(tokio::time::timeout(LINGER, async move { while let Some(Ok(_)) = body.frame().await {} }));
}
