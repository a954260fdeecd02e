//! A peer of this crate's parts alone, with every stream and message on tape.

use super::tape::Tape;
use crate::{
    Bitswap, BoxedStream, ConnectionManagerConfig, Host, HostHandle, HostParts, InboundStreams, OpenError,
    OpenStreams, PubsubConfig, SwarmConfig, heads_topic,
    rpc::{self, RpcClient, RpcServer, fake_peer::FakePeer},
};
use cluster_consensus::crdt::{Block, BlockId, Broadcast as Heads};
use cluster_core::{
    Cid, ClusterSecret, Metric, Multiaddr, PeerId,
    ports::{
        BlockSource, Blocks, BoxFuture, Broadcast, Network, PeerCalls, Rpc, SwarmListener,
        swarm::{PeerEvent, Verdict},
    },
};
use cluster_runtime::Tasks;
use libp2p::{StreamProtocol, identity::Keypair};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};
use tokio::{sync::mpsc, time::timeout};

/// Name of the cluster, which Go's default configuration has too.
const CLUSTER: &str = "ipfs-cluster";

/// How long a thing may take that Go does at its next round of gossip at the latest.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// Payloads of metrics: the function that decodes them cannot carry a tape.
static METRICS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

fn tap_metric(payload: &[u8]) -> Option<Metric> {
    METRICS.lock().unwrap().push(payload.to_vec());
    rpc::decode_metric(payload)
}

/// What the peer hears.
pub(super) enum Event {
    Heads(Vec<BlockId>),
    /// Its name.
    Metric(String),
    Peer(PeerEvent),
}

/// The peer.
pub(super) struct LivePeer {
    pub(super) tape: Tape,
    host: HostHandle,
    bitswap: Arc<Bitswap>,
    rpc: RpcClient,
    tasks: Tasks,
    events: mpsc::UnboundedReceiver<Event>,
    blocks: Arc<Store>,
    /// Heads that were heard of or told.
    known: Vec<BlockId>,
}

impl LivePeer {
    /// Starts it; calls are answered by `local`.
    pub(super) async fn start(
        keypair: Keypair,
        secret: ClusterSecret,
        listen: Multiaddr,
        local: FakePeer,
    ) -> Self {
        let (tasks, tape) = (Tasks::new(), Tape::default());
        let own = keypair.public().to_peer_id();
        let opener = Arc::new(TapedOpener { tape: tape.clone(), host: OnceLock::new() });
        let blocks = Arc::<Store>::default();
        let bitswap = Arc::new(Bitswap::new(opener.clone(), blocks.clone(), tasks.stopping()));
        let (sender, events) = mpsc::unbounded_channel();
        let listener = Ears { tape: tape.clone(), bitswap: bitswap.clone(), events: sender };
        let server = Arc::new(RpcServer::new(Arc::new(local), Arc::new(|_| true), false));
        let inbound = TapedInbound { tape: tape.clone(), bitswap: bitswap.clone(), server };
        let config = SwarmConfig {
            keypair,
            secret: Some(secret),
            listen: vec![listen],
            announce: vec![],
            no_announce: vec![],
            enable_relay_hop: false,
            connection_manager: ConnectionManagerConfig::default(),
            resource_limits: None,
            pubsub: PubsubConfig::default(),
            dial_timeout: Duration::from_secs(3),
            mdns: false,
            peer_addresses: vec![],
            peerstore_file: None,
            cluster_name: CLUSTER.to_owned(),
            agent_version: "recorder".to_owned(),
            follower: false,
        };
        let parts = HostParts {
            listener: Arc::new(listener),
            inbound: Arc::new(inbound),
            tasks: tasks.clone(),
            decode_metric: tap_metric,
            encode_metric: rpc::encode_metric,
        };
        let host = Host::start(config, parts).await.unwrap();
        assert!(opener.host.set(host.clone()).is_ok());
        let rpc = RpcClient::new(opener, own);
        Self { tape, host, bitswap, rpc, tasks, events, blocks, known: Vec::new() }
    }

    pub(super) async fn connect(&self, peer: PeerId, address: Multiaddr) {
        self.host.connect(peer, vec![address]).await.unwrap();
    }

    pub(super) fn calls_to(&self, peer: PeerId) -> Arc<dyn PeerCalls> {
        self.rpc.peer(peer)
    }

    /// Tells a metric.
    pub(super) fn publish_metric(&self, metric: &Metric) {
        self.tape.on_told("monitor.metrics", metric.peer, &rpc::encode_metric(metric));
        self.host.publish_metric(metric);
    }

    /// Waits for an event of interest.
    pub(super) async fn wait_for<T>(&mut self, what: &str, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        let picked = async {
            loop {
                if let Some(picked) = pick(self.events.recv().await.unwrap()) {
                    return picked;
                }
            }
        };
        timeout(LIMIT, picked).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }

    /// Waits for heads not known before, and fetches the block of the one there is from its author.
    pub(super) async fn next_block(&mut self, author: PeerId) -> (BlockId, Block) {
        let known = self.known.clone();
        let heads = self.wait_for("heads", |event| match event {
            Event::Heads(heads) => heads.iter().any(|head| !known.contains(head)).then_some(heads),
            _ => None,
        });
        let heads = heads.await;
        assert_eq!(heads.len(), 1, "{heads:?}");
        let data = self.bitswap.fetch(heads[0].cid(), Some(author), LIMIT).await.unwrap();
        assert_eq!(BlockId::of(&data), heads[0]);
        self.known.extend(&heads);
        (heads[0], Block::decode(&data).unwrap())
    }

    /// Serves a block and tells that it is the head.
    pub(super) fn publish_block(&mut self, block: &Block) -> BlockId {
        let data = block.encode();
        let id = BlockId::of(&data);
        self.known.push(id);
        self.blocks.0.lock().unwrap().insert(id.cid(), data);
        self.bitswap.announce(id.cid());
        let payload = Heads { heads: vec![id] }.encode();
        self.tape.on_told(&heads_topic(CLUSTER), self.host.local_peer(), &payload);
        self.host.publish_heads(payload);
        id
    }

    /// Stops everything and returns what was recorded.
    pub(super) async fn stop(self) -> Tape {
        self.host.stop().await;
        assert!(self.tasks.stop(LIMIT).await);
        for payload in METRICS.lock().unwrap().drain(..) {
            let author = rpc::decode_metric(&payload).unwrap().peer;
            self.tape.on_told("monitor.metrics", author, &payload);
        }
        self.tape
    }
}

/// The blocks there are to serve.
#[derive(Default)]
struct Store(Mutex<HashMap<Cid, Vec<u8>>>);

impl BlockSource for Store {
    fn block(&self, cid: &Cid) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(cid).cloned()
    }
}

struct TapedOpener {
    tape: Tape,
    host: OnceLock<HostHandle>,
}

impl OpenStreams for TapedOpener {
    fn open(
        &self,
        peer: PeerId,
        protocols: &'static [StreamProtocol],
    ) -> BoxFuture<'_, Result<(StreamProtocol, BoxedStream), OpenError>> {
        Box::pin(async move {
            let host = self.host.get().ok_or(OpenError::Stopping)?;
            let (protocol, stream) = host.open(peer, protocols).await?;
            let stream = self.tape.wrap(&protocol, true, stream);
            Ok((protocol, stream))
        })
    }
}

struct TapedInbound {
    tape: Tape,
    bitswap: Arc<Bitswap>,
    server: Arc<RpcServer>,
}

impl InboundStreams for TapedInbound {
    fn on_stream(&self, peer: PeerId, protocol: StreamProtocol, stream: BoxedStream) {
        let stream = self.tape.wrap(&protocol, false, stream);
        if rpc::PROTOCOLS.contains(&protocol) {
            let server = self.server.clone();
            tokio::spawn(async move { server.serve(peer, protocol, stream).await });
        } else {
            self.bitswap.on_stream(peer, stream);
        }
    }
}

struct Ears {
    tape: Tape,
    bitswap: Arc<Bitswap>,
    events: mpsc::UnboundedSender<Event>,
}

impl SwarmListener for Ears {
    fn on_heads(&self, author: PeerId, payload: &[u8]) -> Verdict {
        self.tape.on_told(&heads_topic(CLUSTER), author, payload);
        let _ = self.events.send(Event::Heads(Heads::decode(payload).unwrap().heads));
        Verdict::Accept
    }

    fn on_metric(&self, metric: Metric) -> Verdict {
        let _ = self.events.send(Event::Metric(metric.name));
        Verdict::Accept
    }

    fn on_peer(&self, event: PeerEvent) {
        self.bitswap.on_peer(&event);
        let _ = self.events.send(Event::Peer(event));
    }
}
