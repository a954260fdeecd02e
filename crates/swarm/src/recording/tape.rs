//! Everything that was said, in the order in which it began.

use super::taped_stream::TapedStream;
use crate::open_streams::BoxedStream;
use cluster_core::PeerId;
use libp2p::StreamProtocol;
use std::sync::{Arc, Mutex, MutexGuard};

/// What one stream carried.
#[derive(Clone)]
pub(super) struct StreamRecord {
    pub(super) protocol: StreamProtocol,
    /// Whether this peer opened it.
    pub(super) by_us: bool,
    pub(super) sent: Vec<u8>,
    pub(super) received: Vec<u8>,
}

/// A message of the gossip.
#[derive(Clone, PartialEq)]
pub(super) struct Told {
    pub(super) topic: String,
    pub(super) author: PeerId,
    pub(super) payload: Vec<u8>,
}

/// Records; clones write to the same tape.
#[derive(Clone, Default)]
pub(super) struct Tape(Arc<Mutex<Reel>>);

#[derive(Default)]
struct Reel {
    streams: Vec<StreamRecord>,
    told: Vec<Told>,
}

impl Tape {
    /// Starts to record a stream.
    pub(super) fn wrap(&self, protocol: &StreamProtocol, by_us: bool, stream: BoxedStream) -> BoxedStream {
        let mut reel = self.reel();
        let number = reel.streams.len();
        let (sent, received) = (Vec::new(), Vec::new());
        reel.streams.push(StreamRecord { protocol: protocol.clone(), by_us, sent, received });
        Box::pin(TapedStream { stream, tape: self.clone(), number })
    }

    pub(super) fn on_sent(&self, number: usize, bytes: &[u8]) {
        self.reel().streams[number].sent.extend_from_slice(bytes);
    }

    pub(super) fn on_received(&self, number: usize, bytes: &[u8]) {
        self.reel().streams[number].received.extend_from_slice(bytes);
    }

    pub(super) fn on_told(&self, topic: &str, author: PeerId, payload: &[u8]) {
        let told = Told { topic: topic.to_owned(), author, payload: payload.to_vec() };
        self.reel().told.push(told);
    }

    /// Returns the streams so far.
    pub(super) fn streams(&self) -> Vec<StreamRecord> {
        self.reel().streams.clone()
    }

    /// Returns the messages of the gossip so far.
    pub(super) fn told(&self) -> Vec<Told> {
        self.reel().told.clone()
    }

    fn reel(&self) -> MutexGuard<'_, Reel> {
        self.0.lock().unwrap()
    }
}
