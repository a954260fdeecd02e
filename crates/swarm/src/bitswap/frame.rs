//! Reads length-prefixed messages off a stream.

use super::message::MAX_MESSAGE;
use futures_util::io::{AsyncRead, AsyncReadExt, BufReader};
use std::{future::Future, time::Duration};
use tokio::time::timeout;

/// How long a message may take from its first byte to its last.
pub(super) const FRAME_DEADLINE: Duration = Duration::from_secs(30);

/// How much room is made before the bytes for it are there: a length alone costs its sender nothing.
const STEP: usize = 64 * 1024;

/// Why no message came.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// The length is no varint, or above the limit.
    #[error("a message of more than {MAX_MESSAGE} bytes was announced")]
    TooLong,
    /// The message did not end in time.
    #[error("a message took longer than {}s", FRAME_DEADLINE.as_secs())]
    Slow,
    /// The stream broke, or ended within a message.
    #[error("the stream broke: {0}")]
    Broken(#[from] std::io::Error),
}

/// Reads messages one by one.
#[derive(Debug)]
pub(super) struct FrameReader<S> {
    stream: BufReader<S>,
}

impl<S: AsyncRead + Unpin> FrameReader<S> {
    /// Starts to read a stream.
    pub(super) fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Returns the stream, and with it what was not read.
    pub(super) fn into_inner(self) -> S {
        self.stream.into_inner()
    }

    /// Waits, without limit, for the next message and reads it; `None` at the end of the stream. `admit` is asked
    /// for room of as many bytes as were announced before they are read; what it returns comes back.
    ///
    /// # Errors
    /// See [`FrameError`]; the stream is then of no more use.
    pub(super) async fn next<R, F>(
        &mut self,
        admit: impl FnOnce(usize) -> F,
    ) -> Result<Option<(Vec<u8>, R)>, FrameError>
    where
        F: Future<Output = R>,
    {
        let mut first = [0];
        if self.stream.read(&mut first).await? == 0 {
            return Ok(None);
        }
        let rest = async {
            let length = self.length(first[0]).await?;
            let room = admit(length).await;
            let mut frame = Vec::new();
            while frame.len() < length {
                let start = frame.len();
                frame.resize(length.min(start + STEP), 0);
                self.stream.read_exact(&mut frame[start..]).await?;
            }
            Ok(Some((frame, room)))
        };
        timeout(FRAME_DEADLINE, rest).await.unwrap_or(Err(FrameError::Slow))
    }

    /// Reads the rest of the length. Its value is what counts: writers may pad a varint.
    async fn length(&mut self, first: u8) -> Result<usize, FrameError> {
        let (mut byte, mut length, mut shift) = (first, 0u64, 0u32);
        loop {
            length |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let length = usize::try_from(length).map_err(|_| FrameError::TooLong)?;
                return if length <= MAX_MESSAGE { Ok(length) } else { Err(FrameError::TooLong) };
            }
            shift += 7;
            if shift > 56 {
                return Err(FrameError::TooLong);
            }
            let mut next = [0];
            self.stream.read_exact(&mut next).await?;
            byte = next[0];
        }
    }
}

#[cfg(test)]
mod tests;
