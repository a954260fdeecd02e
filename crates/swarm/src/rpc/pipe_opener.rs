//! Opens pipes instead of streams.

use crate::open_streams::{BoxedStream, OpenError, OpenStreams};
use cluster_core::{PeerId, ports::BoxFuture};
use futures_util::io::{AsyncRead, AsyncWrite};
use libp2p::StreamProtocol;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

/// The other end of a pipe.
pub(super) struct Opened {
    pub(super) peer: PeerId,
    pub(super) offered: &'static [StreamProtocol],
    pub(super) far: DuplexStream,
}

/// Hands the other end of each pipe to the test.
pub(super) struct PipeOpener {
    opened: mpsc::UnboundedSender<Opened>,
    /// Bytes a pipe holds.
    capacity: usize,
}

impl PipeOpener {
    pub(super) fn new(capacity: usize) -> (Arc<Self>, mpsc::UnboundedReceiver<Opened>) {
        let (opened, ends) = mpsc::unbounded_channel();
        (Arc::new(Self { opened, capacity }), ends)
    }
}

impl OpenStreams for PipeOpener {
    fn open(
        &self,
        peer: PeerId,
        offered: &'static [StreamProtocol],
    ) -> BoxFuture<'_, Result<(StreamProtocol, BoxedStream), OpenError>> {
        let (near, far) = duplex(self.capacity);
        let sent = self.opened.send(Opened { peer, offered, far });
        Box::pin(async move {
            sent.map_err(|_| OpenError::NotConnected("no route".to_owned()))?;
            Ok((offered[0].clone(), boxed(near)))
        })
    }
}

/// Makes a stream of one end of a pipe.
pub(super) fn boxed(end: DuplexStream) -> BoxedStream {
    Box::pin(PipeEnd { pipe: end.compat(), resets: false, closed: false })
}

/// Makes a stream whose end looks like a reset.
pub(super) fn resetting(end: DuplexStream) -> BoxedStream {
    Box::pin(PipeEnd { pipe: end.compat(), resets: true, closed: false })
}

/// Panics when it is closed twice: the second FIN of a yamux stream ends the whole connection to a Go peer.
struct PipeEnd {
    pipe: Compat<DuplexStream>,
    resets: bool,
    closed: bool,
}

impl AsyncRead for PipeEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.pipe).poll_read(context, buffer))?;
        Poll::Ready(if count == 0 && self.resets {
            Err(io::ErrorKind::ConnectionReset.into())
        } else {
            Ok(count)
        })
    }
}

impl AsyncWrite for PipeEnd {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        assert!(!self.closed, "closed twice");
        let closed = ready!(Pin::new(&mut self.pipe).poll_close(context));
        self.closed = true;
        Poll::Ready(closed)
    }
}
