//! Hosts on free ports of this machine, and what they hear.

use cluster_core::{
    ClusterSecret, Metric, Multiaddr, PeerId,
    metric::UnixNanos,
    ports::{
        Network, SwarmListener,
        swarm::{PeerEvent, Verdict},
    },
};
use cluster_runtime::Tasks;
use cluster_swarm::{
    BoxedStream, ConnectionManagerConfig, HostHandle, HostParts, InboundStreams, OWN_RPC_PROTOCOL,
    PubsubConfig, RPC_PROTOCOL, SwarmConfig,
};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use libp2p::{StreamProtocol, identity::Keypair, multiaddr::Protocol};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{runtime::Handle, sync::Notify};

/// How long anything may take here.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// The protocols of calls, ours first.
pub(crate) const RPC: &[StreamProtocol] = &[OWN_RPC_PROTOCOL, RPC_PROTOCOL];

/// What a host heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Peer(PeerEvent),
    Heads(PeerId, Vec<u8>),
    Metric(Metric),
}

/// Records what a host hears; rejects heads that begin with `bad`.
#[derive(Default)]
pub(crate) struct Recorder {
    heard: Mutex<Vec<Heard>>,
    news: Notify,
}

impl Recorder {
    fn note(&self, heard: Heard) {
        self.heard.lock().unwrap().push(heard);
        self.news.notify_waiters();
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until something that matches was heard.
    pub(crate) async fn wait(&self, what: &str, matches: impl Fn(&Heard) -> bool) -> Heard {
        let waiting = async {
            loop {
                let news = self.news.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                if let Some(heard) = self.heard().into_iter().find(&matches) {
                    return heard;
                }
                news.await;
            }
        };
        match tokio::time::timeout(LIMIT, waiting).await {
            Ok(heard) => heard,
            Err(_) => panic!("not heard: {what}; heard: {:#?}", self.heard()),
        }
    }
}

impl SwarmListener for Recorder {
    fn on_heads(&self, author: PeerId, payload: &[u8]) -> Verdict {
        self.note(Heard::Heads(author, payload.to_vec()));
        if payload.starts_with(b"bad") { Verdict::Reject } else { Verdict::Accept }
    }

    fn on_metric(&self, metric: Metric) -> Verdict {
        self.note(Heard::Metric(metric));
        Verdict::Accept
    }

    fn on_peer(&self, event: PeerEvent) {
        self.note(Heard::Peer(event));
    }
}

/// What to do with streams of others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnStream {
    /// Say the name of the protocol and what came.
    Echo,
    /// Keep it and say nothing.
    Hold,
}

struct Streams {
    on_stream: OnStream,
    held: Mutex<Vec<BoxedStream>>,
    runtime: Handle,
}

impl InboundStreams for Streams {
    fn on_stream(&self, _: PeerId, protocol: StreamProtocol, mut stream: BoxedStream) {
        if self.on_stream == OnStream::Hold {
            self.held.lock().unwrap().push(stream);
            return;
        }
        self.runtime.spawn(async move {
            let mut said = [0; 4];
            if stream.read_exact(&mut said).await.is_ok() {
                _ = stream.write_all(protocol.as_ref().as_bytes()).await;
                _ = stream.write_all(&said).await;
                _ = stream.close().await;
            }
        });
    }
}

/// A metric in the form these tests send: peer and value.
fn encode(metric: &Metric) -> Vec<u8> {
    format!("{} {}", metric.peer, metric.value).into_bytes()
}

fn decode(bytes: &[u8]) -> Option<Metric> {
    let (peer, value) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
    Some(metric(peer.parse().ok()?, value))
}

pub(crate) fn metric(peer: PeerId, value: &str) -> Metric {
    Metric {
        name: "ping".into(),
        peer,
        value: value.into(),
        expires: UnixNanos(1),
        valid: true,
        weight: 0,
        partitionable: false,
        received_at: UnixNanos(0),
    }
}

/// A running host.
pub(crate) struct Host {
    pub(crate) swarm: HostHandle,
    pub(crate) heard: Arc<Recorder>,
    pub(crate) tasks: Tasks,
}

pub(crate) fn secret(byte: u8) -> Option<ClusterSecret> {
    Some(ClusterSecret::from_bytes([byte; 32]))
}

/// Settings of a host that listens on a free loopback port.
pub(crate) fn config() -> SwarmConfig {
    SwarmConfig {
        keypair: Keypair::generate_ed25519(),
        secret: secret(7),
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        announce: Vec::new(),
        no_announce: Vec::new(),
        enable_relay_hop: true,
        connection_manager: ConnectionManagerConfig::default(),
        resource_limits: None,
        pubsub: PubsubConfig { heartbeat_interval: Duration::from_millis(200), ..PubsubConfig::default() },
        dial_timeout: Duration::from_secs(3),
        mdns: false,
        peer_addresses: Vec::new(),
        peerstore_file: None,
        cluster_name: "test".into(),
        agent_version: "test/1".into(),
        follower: false,
    }
}

impl Host {
    pub(crate) async fn with(config: SwarmConfig, on_stream: OnStream) -> Self {
        let (heard, tasks) = (Arc::new(Recorder::default()), Tasks::new());
        let streams = Streams { on_stream, held: Mutex::default(), runtime: Handle::current() };
        let parts = HostParts {
            listener: heard.clone(),
            inbound: Arc::new(streams),
            tasks: tasks.clone(),
            decode_metric: decode,
            encode_metric: encode,
        };
        Self { swarm: cluster_swarm::Host::start(config, parts).await.unwrap(), heard, tasks }
    }

    pub(crate) async fn start(config: SwarmConfig) -> Self {
        Self::with(config, OnStream::Echo).await
    }

    pub(crate) fn id(&self) -> PeerId {
        self.swarm.local_peer()
    }

    pub(crate) fn address(&self) -> Multiaddr {
        self.swarm.listen_addresses()[0].clone()
    }

    pub(crate) fn port(&self) -> u16 {
        let port = self.address().iter().find_map(|part| match part {
            Protocol::Tcp(port) => Some(port),
            _ => None,
        });
        port.unwrap()
    }

    /// Connects to another host and waits until both know what the other is.
    pub(crate) async fn meet(&self, other: &Host) {
        self.swarm.connect(other.id(), vec![other.address()]).await.unwrap();
        self.identified(other.id()).await;
        other.identified(self.id()).await;
    }

    pub(crate) async fn identified(&self, peer: PeerId) {
        let event = Heard::Peer(PeerEvent::Identified { peer, ours: true });
        self.heard.wait("identified", |heard| *heard == event).await;
    }

    /// Waits until another host listens to metrics, so that the next message reaches it.
    pub(crate) async fn listened_to_by(&self, other: &Host) {
        let event = Heard::Peer(PeerEvent::ListensToMetrics(other.id()));
        self.heard.wait("subscribed", |heard| *heard == event).await;
    }

    pub(crate) async fn disconnected(&self, peer: PeerId) {
        let event = Heard::Peer(PeerEvent::Disconnected(peer));
        self.heard.wait("disconnected", |heard| *heard == event).await;
    }
}

/// Waits until a number or state that has no event is there.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        while !holds() {
            look.tick().await;
        }
    };
    assert!(tokio::time::timeout(LIMIT, waiting).await.is_ok(), "never: {what}");
}

/// Says four bytes on a stream and returns everything that comes back.
pub(crate) async fn echo(mut stream: BoxedStream) -> String {
    stream.write_all(b"ping").await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(LIMIT, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}
