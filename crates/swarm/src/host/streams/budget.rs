//! How many streams may be open.

use crate::host::counters::SwarmCounters;
use futures_util::io::{AsyncRead, AsyncWrite, IoSlice, IoSliceMut};
use libp2p::swarm::Stream;
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

/// Streams one peer may have open to us, over all its connections; what comes above is reset and counted. A stream
/// that nobody reads holds up to 256 KiB.
const MAX_INBOUND_PER_PEER: usize = 256;

/// Streams all peers may have open to us; what comes above is reset and counted.
const MAX_INBOUND: usize = 4096;

/// Streams to one peer that may wait for its answer; more are refused and counted.
const MAX_OPENING_PER_PEER: usize = 128;

/// What all peers share.
#[derive(Debug)]
pub(super) struct Budget {
    inbound: AtomicUsize,
    counters: Arc<SwarmCounters>,
}

/// What the connections of one peer share.
#[derive(Debug)]
pub(super) struct PeerBudget {
    inbound: AtomicUsize,
    outbound: AtomicUsize,
    opening: AtomicUsize,
    all: Arc<Budget>,
}

impl Budget {
    pub(super) fn new(counters: Arc<SwarmCounters>) -> Arc<Self> {
        Arc::new(Self { inbound: AtomicUsize::new(0), counters })
    }

    pub(super) fn peer(self: &Arc<Self>) -> Arc<PeerBudget> {
        Arc::new(PeerBudget {
            inbound: AtomicUsize::new(0),
            outbound: AtomicUsize::new(0),
            opening: AtomicUsize::new(0),
            all: self.clone(),
        })
    }
}

impl PeerBudget {
    /// Returns how many streams from and to the peer are in use or being opened.
    pub(super) fn in_use(&self) -> usize {
        [&self.inbound, &self.outbound, &self.opening].iter().map(|n| n.load(Ordering::Relaxed)).sum()
    }

    /// Wraps a stream of the peer so that it counts while it lives; `None` when there are too many.
    pub(super) fn take_inbound(self: &Arc<Self>, stream: Stream) -> Option<Counted> {
        let taken = take(&self.inbound, MAX_INBOUND_PER_PEER)
            && (take(&self.all.inbound, MAX_INBOUND) || {
                self.inbound.fetch_sub(1, Ordering::Relaxed);
                false
            });
        if !taken {
            self.all.counters.dropped_inbound_streams.increase();
            return None;
        }
        Some(Counted { stream, inbound: true, budget: self.clone() })
    }

    /// Wraps a stream to the peer so that it counts while it lives.
    pub(super) fn take_outbound(self: &Arc<Self>, stream: Stream) -> Counted {
        self.outbound.fetch_add(1, Ordering::Relaxed);
        Counted { stream, inbound: false, budget: self.clone() }
    }

    /// Takes a place among the streams that wait for the peer's answer; `None` when all are taken.
    pub(super) fn start_opening(self: &Arc<Self>) -> Option<Waiting> {
        if take(&self.opening, MAX_OPENING_PER_PEER) {
            return Some(Waiting(self.clone()));
        }
        self.all.counters.refused_outbound_streams.increase();
        None
    }
}

fn take(places: &AtomicUsize, limit: usize) -> bool {
    places.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < limit).then_some(n + 1)).is_ok()
}

/// A place among the streams that wait for a peer's answer; given back when dropped.
#[derive(Debug)]
pub(super) struct Waiting(Arc<PeerBudget>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.opening.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that counts while it lives.
pub(super) struct Counted {
    stream: Stream,
    inbound: bool,
    budget: Arc<PeerBudget>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.inbound {
            self.budget.inbound.fetch_sub(1, Ordering::Relaxed);
            self.budget.all.inbound.fetch_sub(1, Ordering::Relaxed);
        } else {
            self.budget.outbound.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read_vectored(cx, buffers)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
