//! The lines of a bulk request, as they come.

use crate::{connections::Stopping, request_body::BodyError};
use axum::body::{Body, BodyDataStream};
use bytes::{Buf, BytesMut};
use futures_util::{FutureExt, StreamExt};
use http::StatusCode;
use std::time::Duration;

/// Longest line, in bytes: more than a pin may have.
const MAX_LINE: usize = 2 << 20;

/// Changes that are made at once. They share commits.
const AT_ONCE: usize = 512;

/// Bytes of lines after which no more of them are made at once, beside the last one.
const AT_ONCE_BYTES: usize = 2 << 20;

/// A line with its number, or why there is none and no further one.
pub(super) type Line = (u64, Result<Vec<u8>, Unread>);

/// Why the rest of a request is not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    /// A line has no end within reason.
    #[error("the line is longer than {MAX_LINE} bytes; nothing after it was read")]
    TooLong,
    /// The client went away, fell silent or sent what is no body.
    #[error("the request broke off: {0}; nothing after this was read")]
    Broken(String),
    /// The server stops.
    #[error("the peer is stopping; nothing after this was read")]
    Stopping,
}

impl Unread {
    /// Returns the status that a single request would have had.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::TooLong | Self::Broken(_) => StatusCode::BAD_REQUEST,
            Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Reads lines off a body.
pub(super) struct Lines {
    body: BodyDataStream,
    /// How long the client may send nothing while it is waited for.
    patience: Duration,
    stopping: Stopping,
    buffer: BytesMut,
    /// Bytes of the buffer that have no line end among them.
    scanned: usize,
    number: u64,
    ended: bool,
    unread: Option<Unread>,
}

impl Lines {
    pub(super) fn new(body: Body, patience: Duration, stopping: Stopping) -> Self {
        Self {
            body: body.into_data_stream(),
            patience,
            stopping,
            buffer: BytesMut::new(),
            scanned: 0,
            number: 0,
            ended: false,
            unread: None,
        }
    }

    /// Waits for a line and takes what else is here, within bounds; nothing at the end.
    pub(super) async fn group(&mut self) -> Vec<Line> {
        let mut group: Vec<Line> = self.next().await.into_iter().collect();
        let size = |(_, line): &Line| line.as_ref().map_or(0, Vec::len);
        let mut bytes: usize = group.iter().map(size).sum();
        while !group.is_empty() && group.len() < AT_ONCE && bytes < AT_ONCE_BYTES {
            let Some(Some(line)) = self.next().now_or_never() else { break };
            bytes += size(&line);
            group.push(line);
        }
        group
    }

    /// Waits until some of the body has come, or its end.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn fill(&mut self) {
        // The time counts from here: until now the client may have waited for outcomes.
        let read = tokio::select! {
            biased;
            () = self.stopping.begun() => Err(Unread::Stopping),
            read = tokio::time::timeout(self.patience, self.body.next()) => match read {
                Ok(None) => Ok(None),
                Ok(Some(Ok(data))) => Ok(Some(data)),
                Ok(Some(Err(error))) => Err(Unread::Broken(error.to_string())),
                Err(_) => Err(Unread::Broken(BodyError::Late.to_string())),
            },
        };
        match read {
            Ok(Some(data)) => self.buffer.extend_from_slice(&data),
            Ok(None) => self.ended = true,
            Err(unread) => self.give_up(unread),
        }
    }

    /// Waits for the next line that is not empty.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    async fn next(&mut self) -> Option<Line> {
        loop {
            if let Some(line) = self.take() {
                self.number += 1;
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return Some((self.number, Ok(line)));
            }
            if self.ended {
                return self.unread.take().map(|unread| (self.number + 1, Err(unread)));
            }
            if self.buffer.len() > MAX_LINE {
                self.give_up(Unread::TooLong);
            } else {
                self.fill().await;
            }
        }
    }

    /// Takes a whole line off the buffer; at the end also one that nothing ends.
    fn take(&mut self) -> Option<Vec<u8>> {
        if let Some(end) = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n') {
            let line = self.buffer.split_to(self.scanned + end).to_vec();
            self.buffer.advance(1);
            self.scanned = 0;
            return Some(line);
        }
        self.scanned = self.buffer.len();
        let rest = self.ended && !self.buffer.is_empty();
        rest.then(|| {
            self.scanned = 0;
            self.buffer.split().to_vec()
        })
    }

    fn give_up(&mut self, unread: Unread) {
        self.ended = true;
        self.unread = Some(unread);
        self.buffer.clear();
        self.scanned = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::stream;
    use std::{convert::Infallible, time::Instant};
    use tokio::sync::mpsc;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A body whose parts are sent one by one.
    fn parts() -> (mpsc::Sender<&'static str>, Body) {
        let (sender, receiver) = mpsc::channel(4);
        let parts = stream::unfold(receiver, async |mut receiver: mpsc::Receiver<_>| {
            receiver.recv().await.map(|part| (Ok::<_, Infallible>(part), receiver))
        });
        (sender, Body::from_stream(parts))
    }

    #[tokio::test]
    async fn what_is_made_at_once_is_bounded_in_number_and_size() {
        let (_stop, stopping) = Stopping::new();
        let sizes = async |body: String| {
            let mut lines = Lines::new(Body::from(body), PATIENCE, stopping.clone());
            let mut sizes = Vec::new();
            loop {
                let group = lines.group().await;
                if group.is_empty() {
                    return sizes;
                }
                sizes.push(group.len());
            }
        };
        assert_eq!(sizes("a\n".repeat(AT_ONCE + 3)).await, [AT_ONCE, 3]);
        let long = "x".repeat(AT_ONCE_BYTES * 3 / 4) + "\n";
        assert_eq!(sizes(long.repeat(5)).await, [2, 2, 1]);
        assert_eq!(sizes("\n\n".to_owned()).await, [0; 0]);
    }

    #[tokio::test]
    async fn a_line_in_many_pieces_is_read_once() {
        const PIECES: usize = 300_000;
        let (_stop, stopping) = Stopping::new();
        let pieces = (0..PIECES).map(|_| Ok::<_, Infallible>(Bytes::from_static(b"x")));
        let body = Body::from_stream(stream::iter(pieces));
        let begin = Instant::now();
        let group = Lines::new(body, PATIENCE, stopping).group().await;
        assert_eq!(group[0].1.as_ref().unwrap().len(), PIECES);
        // A second or two without optimisation; minutes when each piece has all before it read again.
        assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    }

    #[tokio::test]
    async fn the_time_between_two_waits_is_not_the_clients() {
        let (_stop, stopping) = Stopping::new();
        let (sender, receiver) = parts();
        let patience = Duration::from_millis(300);
        let mut lines = Lines::new(receiver, patience, stopping);
        sender.send("a\n").await.unwrap();
        assert_eq!(lines.group().await.len(), 1);
        tokio::time::sleep(2 * patience).await;
        // Here at the moment of the next wait, not before it.
        let (group, _) = tokio::join!(lines.group(), sender.send("b\n"));
        assert_eq!(group[0].1.as_deref().unwrap(), b"b");
        let late = lines.group().await;
        let error = late[0].1.as_ref().unwrap_err().to_string();
        assert!(error.contains("did not arrive in time"), "{error}");
        assert!(lines.group().await.is_empty());
    }

    #[tokio::test]
    async fn a_stop_ends_the_reading() {
        let (stop, stopping) = Stopping::new();
        let (sender, receiver) = parts();
        let mut lines = Lines::new(receiver, PATIENCE, stopping);
        sender.send("a\n\nhalf").await.unwrap();
        assert_eq!(lines.group().await.len(), 1);
        let (group, ()) = tokio::join!(lines.group(), async { stop.begin() });
        let (number, unread) = &group[0];
        assert_eq!((*number, unread.as_ref().unwrap_err().status().as_u16()), (3, 503));
        assert!(lines.group().await.is_empty());
    }
}
