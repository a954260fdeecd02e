//! A peer that says any bytes on any stream, and answers nothing.

use super::{Ears, Heard, Identity, config, flood, metric_bytes, metric_of, read_metric, victim};
use anyhow::{Context, Result};
use cluster_core::{PeerId, metric::UnixNanos, ports::Broadcast};
use cluster_runtime::{Tasks, now};
use cluster_swarm::{
    BITSWAP_PROTOCOLS, BoxedStream, Host, HostHandle, HostParts, InboundStreams, OWN_RPC_PROTOCOL,
    OpenStreams, RPC_PROTOCOL,
};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use libp2p::StreamProtocol;
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

const GO_RPC: &[StreamProtocol] = &[RPC_PROTOCOL];
const OWN_RPC: &[StreamProtocol] = &[OWN_RPC_PROTOCOL];

/// How long a stream that was said something on is kept.
const SEEN_OFF: Duration = Duration::from_millis(200);

/// How long the ping of a member holds.
const PING_TTL: Duration = Duration::from_secs(600);

/// A peer that says any bytes on any stream. Streams that others open to it are kept and never read.
pub struct RawPeer {
    host: HostHandle,
    victim: PeerId,
    ears: Arc<Ears>,
    _tasks: Tasks,
}

/// A protocol of libp2p itself, which every host speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basic {
    /// The table of peers.
    Kad,
    /// What a peer says of itself unasked.
    IdentifyPush,
    /// The gossip, below what [`RawPeer::shout_heads`] says.
    Gossip,
}

impl Basic {
    fn protocols(self) -> &'static [StreamProtocol] {
        const KAD: &[StreamProtocol] = &[StreamProtocol::new("/ipfs/lan/kad/1.0.0")];
        const PUSH: &[StreamProtocol] = &[StreamProtocol::new("/ipfs/id/push/1.0.0")];
        const GOSSIP: &[StreamProtocol] = &[StreamProtocol::new("/meshsub/1.1.0")];
        match self {
            Self::Kad => KAD,
            Self::IdentifyPush => PUSH,
            Self::Gossip => GOSSIP,
        }
    }
}

/// A stream to the victim. Dropping it resets it.
pub struct RawStream(BoxedStream);

impl RawPeer {
    /// Protocols there are to choose from in [`RawPeer::open`]: both of calls, then those of the exchange of blocks.
    pub const PROTOCOLS: usize = 2 + BITSWAP_PROTOCOLS.len();

    /// The number of the protocol of calls that Go's peers speak.
    pub const CALLS: usize = 0;

    /// The number of a protocol of the exchange of blocks.
    pub const BLOCKS: usize = 2;

    /// Starts one and connects it to the victim, whose address ends in `/p2p/<id>`. `secret` is in hex. Returns when the
    /// victim would hear what is published.
    ///
    /// # Errors
    /// When they do not meet.
    pub async fn meet(secret: &str, address: &str) -> Result<Self> {
        Self::meet_as(Identity::random(), secret, address).await
    }

    /// As [`RawPeer::meet`], with an identity that the victim may know.
    ///
    /// # Errors
    /// As there.
    pub async fn meet_as(identity: Identity, secret: &str, address: &str) -> Result<Self> {
        let (victim, address) = victim(address)?;
        let tasks = Tasks::new();
        let ears = Ears::of(victim);
        let parts = HostParts {
            listener: ears.clone(),
            inbound: Arc::new(Keeper::default()),
            tasks: tasks.clone(),
            decode_metric: read_metric,
            encode_metric: metric_bytes,
        };
        let host = Host::start(config(secret, identity)?, parts).await?;
        ears.meet(&host, address).await?;
        Ok(Self { host, victim, ears, _tasks: tasks })
    }

    /// Opens a stream of the protocol with this number.
    ///
    /// # Errors
    /// When the victim refuses, or too many are open.
    pub async fn open(&self, protocol: usize) -> Result<RawStream> {
        let protocols = match protocol {
            0 => GO_RPC,
            1 => OWN_RPC,
            _ => BITSWAP_PROTOCOLS.get(protocol - 2..=protocol - 2).context("there is no such protocol")?,
        };
        let (_, stream) = self.host.open(self.victim, protocols).await?;
        Ok(RawStream(stream))
    }

    /// Says bytes on a new stream of one of libp2p's own protocols, and closes its side.
    ///
    /// # Errors
    /// When the victim refuses the stream or breaks it.
    pub async fn say_on(&self, protocol: Basic, bytes: &[u8]) -> Result<()> {
        let (_, mut stream) = self.host.open(self.victim, protocol.protocols()).await?;
        stream.write_all(bytes).await?;
        stream.close().await?;
        // Until the victim is done with it; it may keep its side open.
        let _ = tokio::time::timeout(SEEN_OFF, stream.read_to_end(&mut Vec::new())).await;
        Ok(())
    }

    /// Makes a call of the protocol with this number as Go does: says `bytes`, closes its side at once when the method
    /// `streams`, and reads the answer to its end.
    ///
    /// # Errors
    /// When the victim refuses the stream, or ends it within the answer.
    pub async fn call(&self, protocol: usize, bytes: &[u8], streams: bool) -> Result<Vec<u8>> {
        let mut stream = self.open(protocol).await?.0;
        stream.write_all(bytes).await?;
        stream.flush().await?;
        if streams {
            stream.close().await?;
        }
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        if !streams {
            stream.close().await?;
        }
        Ok(answer)
    }

    /// Publishes bytes as heads, at the speed at which they leave, until `count` of what `payload` makes of numbers have
    /// left.
    pub async fn shout_heads(&self, count: u64, payload: impl Fn(u64) -> Vec<u8>) {
        let publish = |number| self.host.publish_heads(payload(number));
        flood(count, || self.host.counters().dropped_publishes.get(), publish).await;
    }

    /// Publishes bytes as metrics, likewise.
    pub async fn shout_metrics(&self, count: u64, payload: impl Fn(u64) -> Vec<u8>) {
        flood(
            count,
            || self.host.counters().dropped_publishes.get(),
            |number| self.host.publish_metric(&metric_of(self.victim, payload(number))),
        )
        .await;
    }

    /// Closes all connections, so that another one may come with its identity: a peer tells its topics on the first
    /// connection alone.
    pub async fn leave(self) {
        self.host.stop().await;
    }

    /// Returns what was published since the victim was met, with its author, in the order it came.
    pub fn heard(&self) -> Vec<(PeerId, Heard)> {
        self.ears.heard()
    }

    /// Tells a ping that holds for long: the victim takes this peer for a member.
    pub async fn become_member(&self) {
        let mut ping = b"\x85\xa1n\xa4ping\xa1p\xda\x00\x26".to_vec();
        ping.extend_from_slice(&self.host.local_peer().to_bytes());
        ping.extend_from_slice(b"\xa1v\xa0\xa1e\xd3");
        let expires = UnixNanos::from_millis(now().plus(PING_TTL));
        ping.extend_from_slice(&expires.0.to_be_bytes());
        ping.extend_from_slice(b"\xa1d\xc3");
        self.shout_metrics(1, |_| ping.clone()).await;
    }
}

impl RawStream {
    /// Says bytes.
    ///
    /// # Errors
    /// When the victim has reset the stream.
    pub async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    /// Reads so many bytes.
    ///
    /// # Errors
    /// When the stream ends before.
    pub async fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact(buffer).await
    }

    /// Waits until the victim closes or resets the stream, and returns how many bytes it said before.
    pub async fn until_end(&mut self) -> usize {
        let (mut all, mut buffer) = (0, [0; 4096]);
        loop {
            match self.0.read(&mut buffer).await {
                Ok(0) | Err(_) => return all,
                Ok(count) => all += count,
            }
        }
    }
}

/// Keeps streams and never reads them.
#[derive(Default)]
struct Keeper(Mutex<Vec<BoxedStream>>);

impl InboundStreams for Keeper {
    fn on_stream(&self, _: PeerId, _: StreamProtocol, stream: BoxedStream) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
    }
}
