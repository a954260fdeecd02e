//! A stream of messages to one peer, opened when there is something to write.

use super::dialect::{Dialect, PROTOCOLS};
use crate::open_streams::{BoxedStream, OpenError, OpenStreams};
use cluster_core::PeerId;
use futures_util::io::{AsyncReadExt, AsyncWriteExt};
use std::time::Duration;
use tokio::time::timeout;

/// How long opening a stream may take.
const OPEN_DEADLINE: Duration = Duration::from_secs(10);

/// How long a peer may take to read one message.
pub(super) const WRITE_DEADLINE: Duration = Duration::from_secs(30);

/// Why a message was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum WriteError {
    /// The stream broke.
    #[error("the stream broke")]
    Broken,
    /// The peer does not read.
    #[error("the peer did not read a message within {}s", WRITE_DEADLINE.as_secs())]
    Stuck,
}

/// The stream, or its absence.
#[derive(Default)]
pub(super) struct OutStream {
    open: Option<(Dialect, BoxedStream)>,
}

impl OutStream {
    /// Opens the stream unless it is open.
    ///
    /// # Errors
    /// When the peer cannot be reached or does not speak bitswap.
    pub(super) async fn open(
        &mut self,
        opener: &dyn OpenStreams,
        peer: PeerId,
    ) -> Result<Dialect, OpenError> {
        if let Some((dialect, _)) = &self.open {
            return Ok(*dialect);
        }
        let (protocol, stream) = timeout(OPEN_DEADLINE, opener.open(peer, &PROTOCOLS))
            .await
            .unwrap_or_else(|_| Err(OpenError::Refused("it took too long to open one".into())))?;
        let dialect = Dialect::of(&protocol);
        self.open = Some((dialect, stream));
        Ok(dialect)
    }

    /// Writes a message with its length; a stream that breaks is dropped.
    ///
    /// # Errors
    /// When it is not written; the peer may have got it all the same.
    pub(super) async fn write(&mut self, frame: &[u8]) -> Result<(), WriteError> {
        let Some((_, stream)) = &mut self.open else { return Err(WriteError::Broken) };
        let written = timeout(WRITE_DEADLINE, async {
            stream.write_all(frame).await?;
            stream.flush().await
        });
        let result = match written.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(_)) => Err(WriteError::Broken),
            Err(_) => Err(WriteError::Stuck),
        };
        self.open = None;
        result
    }

    /// Waits until the peer closes the stream, and drops it; forever when there is none. Answers do not come on
    /// it: whatever the peer writes is thrown away.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn lost(&mut self) {
        let Some((_, stream)) = &mut self.open else { return std::future::pending().await };
        let mut waste = [0; 64];
        while matches!(stream.read(&mut waste).await, Ok(1..)) {}
        self.open = None;
    }
}
