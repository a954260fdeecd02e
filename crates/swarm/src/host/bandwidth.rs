//! Traffic of the swarm: exactly for the protocols of ours, and in one sum for those of the library (gossip, routing,
//! identify, and the agreement on a protocol at the start of every stream).

use super::streams::STREAM_PROTOCOLS_WITH_RAFT;
use cluster_core::ports::swarm::Traffic;
use libp2p::{
    PeerId, StreamProtocol,
    core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent, SubstreamBox},
    futures::io::{AsyncRead, AsyncWrite, IoSlice, IoSliceMut},
};
use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

/// How the traffic of the library's protocols is called.
const LIBRARY: &str = "libp2p";

/// Time between two looks from which rates are made.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// How much of a rate is what the last second brought: after a second of silence about a third of a rate is left.
const NEWEST: f64 = 0.632;

/// Bytes in both directions.
#[derive(Debug, Default)]
pub(super) struct Flow {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Flow {
    pub(super) fn receive(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn send(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn totals(&self) -> [u64; 2] {
        [self.received.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed)]
    }
}

/// What was counted since the start.
#[derive(Debug)]
pub(super) struct Bandwidth {
    /// All streams of all connections.
    all: Arc<Flow>,
    own: Vec<(&'static StreamProtocol, Arc<Flow>)>,
    rates: Mutex<Vec<Rate>>,
}

/// Totals at the last look and bytes a second since.
#[derive(Debug, Clone, Default)]
struct Rate {
    totals: [u64; 2],
    rates: [f64; 2],
}

impl Default for Bandwidth {
    fn default() -> Self {
        let own: Vec<_> =
            STREAM_PROTOCOLS_WITH_RAFT.iter().map(|protocol| (protocol, Arc::default())).collect();
        let rates = Mutex::new(vec![Rate::default(); own.len() + 1]);
        Self { all: Arc::default(), own, rates }
    }
}

impl Bandwidth {
    /// Returns what counts the streams of a protocol of ours.
    pub(super) fn of(&self, protocol: &StreamProtocol) -> Arc<Flow> {
        let known = self.own.iter().find(|(own, _)| *own == protocol);
        // Protocols of tests are in the sum alone.
        known.map_or_else(Arc::default, |(_, flow)| flow.clone())
    }

    /// Counts the streams of a connection.
    pub(super) fn count(&self, peer: PeerId, muxer: StreamMuxerBox) -> (PeerId, StreamMuxerBox) {
        (peer, StreamMuxerBox::new(CountedMuxer { muxer, flow: self.all.clone() }))
    }

    /// Returns names and totals: the library first.
    fn totals(&self) -> Vec<(&str, [u64; 2])> {
        // The parts before the sum: what is counted in between must not make the difference negative.
        let own: Vec<_> =
            self.own.iter().map(|(protocol, flow)| (protocol.as_ref(), flow.totals())).collect();
        let of_own = own.iter().fold([0, 0], |[i, o], (_, [received, sent])| [i + received, o + sent]);
        let all = self.all.totals();
        let library = [all[0].saturating_sub(of_own[0]), all[1].saturating_sub(of_own[1])];
        std::iter::once((LIBRARY, library)).chain(own).collect()
    }

    /// Makes rates of what came since the last call; called every [`TICK`].
    pub(super) fn tick(&self) {
        let totals = self.totals();
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        for (rate, (_, totals)) in rates.iter_mut().zip(totals) {
            for ((smooth, now), before) in rate.rates.iter_mut().zip(totals).zip(rate.totals) {
                let new = now.saturating_sub(before) as f64 / TICK.as_secs_f64();
                *smooth += (new - *smooth) * NEWEST;
                // Not for ever less and less.
                if *smooth < 0.01 {
                    *smooth = 0.0;
                }
            }
            rate.totals = totals;
        }
    }

    /// Returns the traffic of every protocol that had some.
    pub(super) fn traffic(&self) -> Vec<(String, Traffic)> {
        let rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let all = self.totals().into_iter().zip(rates);
        all.filter(|((_, totals), _)| *totals != [0, 0])
            .map(|((name, [received, sent]), rate)| {
                let [rate_received, rate_sent] = rate.rates;
                (name.to_owned(), Traffic { received, sent, rate_received, rate_sent })
            })
            .collect()
    }
}

/// A connection whose streams are counted.
struct CountedMuxer {
    muxer: StreamMuxerBox,
    flow: Arc<Flow>,
}

impl StreamMuxer for CountedMuxer {
    type Substream = Counted<SubstreamBox>;
    type Error = io::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, io::Error>> {
        let stream = ready!(Pin::new(&mut self.muxer).poll_inbound(cx))?;
        Poll::Ready(Ok(Counted::new(stream, self.flow.clone(), ())))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, io::Error>> {
        let stream = ready!(Pin::new(&mut self.muxer).poll_outbound(cx))?;
        Poll::Ready(Ok(Counted::new(stream, self.flow.clone(), ())))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.muxer).poll_close(cx)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Pin::new(&mut self.muxer).poll(cx)
    }
}

/// A stream whose bytes are counted, and what it holds while it lives.
pub(super) struct Counted<S, H = ()> {
    stream: S,
    flow: Arc<Flow>,
    _held: H,
}

impl<S, H> Counted<S, H> {
    pub(super) fn new(stream: S, flow: Arc<Flow>, held: H) -> Self {
        Self { stream, flow, _held: held }
    }
}

impl<S: AsyncRead + Unpin, H: Unpin> AsyncRead for Counted<S, H> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.flow.receive(read);
        Poll::Ready(Ok(read))
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read_vectored(cx, buffers))?;
        self.flow.receive(read);
        Poll::Ready(Ok(read))
    }
}

impl<S: AsyncWrite + Unpin, H: Unpin> AsyncWrite for Counted<S, H> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.flow.send(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, buffers))?;
        self.flow.send(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::streams::RPC_PROTOCOL;

    #[test]
    fn the_library_has_what_is_left_and_rates_follow_the_totals() {
        let bandwidth = Bandwidth::default();
        assert_eq!(bandwidth.traffic(), []);
        let rpc = bandwidth.of(&RPC_PROTOCOL);
        rpc.receive(100);
        rpc.send(7);
        bandwidth.all.receive(150);
        bandwidth.all.send(7);
        bandwidth.tick();
        let traffic = bandwidth.traffic();
        let names: Vec<&str> = traffic.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [LIBRARY, RPC_PROTOCOL.as_ref()]);
        assert_eq!((traffic[0].1.received, traffic[0].1.sent), (50, 0));
        assert_eq!((traffic[1].1.received, traffic[1].1.sent), (100, 7));
        assert!((traffic[1].1.rate_received - 63.2).abs() < 0.01, "{traffic:?}");
        for _ in 0..20 {
            bandwidth.tick();
        }
        assert_eq!(bandwidth.traffic()[1].1.rate_received, 0.0);
        assert_eq!(bandwidth.traffic()[1].1.received, 100);
    }
}
