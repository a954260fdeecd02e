//! One call's stream: values in, bytes out.

use super::{
    limits::Limits,
    scanner::{ScanError, Scanner},
};
use crate::open_streams::BoxedStream;
use futures_util::{AsyncReadExt, AsyncWriteExt};
use std::{future::Future, io, time::Duration};
use tokio::time::timeout;

/// How long the other side may take nothing of what is written.
const STALL_LIMIT: Duration = Duration::from_secs(60);

/// How long a finished call waits for the other side to close: a stream that is reset instead loses what the other
/// side has not read yet.
const LINGER_LIMIT: Duration = Duration::from_secs(10);

/// Bytes read at once.
const CHUNK: usize = 16 << 10;

/// Why there is no value.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The stream was reset, or the connection broke.
    #[error("the stream broke: {0}")]
    Broken(#[from] io::Error),
    /// The other side closed where it may not.
    #[error("EOF within a value")]
    EndsEarly,
    /// What came is not msgpack, or too much of it.
    #[error("msgpack decode error: {0}")]
    Bad(#[from] ScanError),
}

/// A stream and what was read from it but not used yet.
pub(super) struct CallStream {
    stream: BoxedStream,
    scanner: Scanner,
    /// Holds at most one value and one chunk.
    buffer: Vec<u8>,
    /// Where in the buffer the next value starts.
    start: usize,
    chunk: Box<[u8]>,
    /// Whether the writing side was closed.
    closed: bool,
}

impl CallStream {
    /// Takes over a stream.
    pub(super) fn new(stream: BoxedStream) -> Self {
        Self {
            stream,
            scanner: Scanner::default(),
            buffer: Vec::new(),
            start: 0,
            chunk: vec![0; CHUNK].into_boxed_slice(),
            closed: false,
        }
    }

    /// Reads one value; `None` when the other side closed after the last one.
    ///
    /// # Errors
    /// When no whole value within the limits comes.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn read_value(&mut self, limits: Limits) -> Result<Option<&[u8]>, ReadError> {
        let length = loop {
            if let Some(length) = self.scanner.advance(&self.buffer[self.start..], limits)? {
                break length;
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            match self.stream.read(&mut self.chunk).await? {
                0 if self.buffer.is_empty() => return Ok(None),
                0 => return Err(ReadError::EndsEarly),
                n => self.buffer.extend_from_slice(&self.chunk[..n]),
            }
        };
        let value = self.start..self.start + length;
        self.start = value.end;
        Ok(Some(&self.buffer[value]))
    }

    /// Writes all bytes and sees them off.
    ///
    /// # Errors
    /// When the stream breaks or the other side takes nothing for [`STALL_LIMIT`].
    pub(super) async fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let taken = moving(self.stream.write(bytes)).await?;
            if taken == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[taken..];
        }
        moving(self.stream.flush()).await
    }

    /// Closes the writing side, once: Go peers take a second end of a stream for a broken connection.
    ///
    /// # Errors
    /// As [`CallStream::send`].
    pub(super) async fn close(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.closed, true) {
            return Ok(());
        }
        moving(self.stream.close()).await
    }

    /// Waits until the other side closes, and drops what it sends before.
    ///
    /// # Errors
    /// When it resets the stream instead, or the connection breaks.
    pub(super) async fn input_end(&mut self) -> io::Result<()> {
        while self.stream.read(&mut self.chunk).await? > 0 {}
        Ok(())
    }

    /// Ends a call that is answered: closes, then waits a while for the other side to do so.
    pub(super) async fn finish(mut self) {
        if self.close().await.is_ok() {
            // Broken or too late: there is nobody left to be told.
            let _ = timeout(LINGER_LIMIT, self.input_end()).await;
        }
    }
}

/// Waits for one step of writing.
async fn moving<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(STALL_LIMIT, step).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
