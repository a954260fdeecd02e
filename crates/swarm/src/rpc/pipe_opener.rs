//! Opens pipes instead of streams.

use crate::open_streams::{BoxedStream, OpenError, OpenStreams};
use cluster_core::{PeerId, ports::BoxFuture};
use libp2p::StreamProtocol;
use std::sync::Arc;
use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
};
use tokio_util::compat::TokioAsyncReadCompatExt;

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
            let stream: BoxedStream = Box::pin(near.compat());
            Ok((offered[0].clone(), stream))
        })
    }
}
