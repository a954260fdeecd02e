//! The swarm as the rest of the peer sees it: the host with the protocols that run on its streams.

use crate::{
    bitswap::Bitswap,
    host::{
        self, Host, HostHandle, HostParts, InboundStreams, STREAM_PROTOCOLS, STREAM_PROTOCOLS_WITH_RAFT,
        SwarmConfig, SwarmError,
    },
    open_streams::{BoxedStream, OpenError, OpenStreams},
    raft::{self, RaftClient, RaftServer},
    rpc::{self, RpcClient, RpcServer},
};
use cluster_core::{
    Metric, PeerId,
    ports::{
        BlockSource, Blocks, BoxFuture, Broadcast, Network, PeerCalls, RaftAnswers, RaftCalls, Rpc,
        SwarmListener,
        swarm::{PeerEvent, Verdict},
    },
};
use cluster_runtime::Tasks;
use libp2p::StreamProtocol;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio_util::sync::CancellationToken;

/// Calls that may come before the peer is ready to answer; more are dropped, and their callers see that.
const MAX_EARLY: usize = 64;

/// Says whether a peer is trusted.
pub type Trusted = Arc<dyn Fn(&PeerId) -> bool + Send + Sync>;

/// What the swarm needs of the rest of the peer.
pub struct SwarmParts {
    /// Hears of peers, heads and metrics.
    pub listener: Arc<dyn SwarmListener>,
    /// The blocks to serve.
    pub blocks: Arc<dyn BlockSource>,
    /// Who may use trusted methods.
    pub trusted: Trusted,
    /// Peers to refuse from the start.
    pub forgotten: Vec<PeerId>,
    /// Peers whose connections are kept when there are too many.
    pub protected: Vec<PeerId>,
}

/// The running swarm; clones are handles of the same one.
#[derive(Clone)]
pub struct Swarm {
    host: HostHandle,
    bitswap: Arc<Bitswap>,
    rpc: Arc<RpcClient>,
    calls: Arc<Calls>,
    raft: Raft,
    tasks: Tasks,
}

/// Raft's requests, both ways.
#[derive(Clone)]
struct Raft {
    client: Arc<RaftClient>,
    server: Arc<RaftServer>,
}

impl Swarm {
    /// Starts the swarm: listens, and connects to the peers known in the background. Calls are answered from
    /// [`Swarm::serve`] on.
    ///
    /// # Errors
    /// Says which address cannot be listened on and what to do about it, or which part of the transport cannot be
    /// set up.
    pub async fn start(config: SwarmConfig, parts: SwarmParts) -> Result<Self, SwarmError> {
        let tasks = Tasks::new();
        let local = config.keypair.public().to_peer_id();
        let opener = Arc::new(LateOpener::default());
        let bitswap = Arc::new(Bitswap::new(opener.clone(), parts.blocks, tasks.stopping()));
        let calls = Arc::new(Calls {
            trusted: parts.trusted,
            follower: config.follower,
            server: OnceLock::new(),
            early: Mutex::default(),
            stop: tasks.stopping(),
        });
        let raft = Raft {
            client: Arc::new(RaftClient::new(opener.clone(), local, tasks.stopping())),
            server: Arc::new(RaftServer::new(tasks.stopping())),
        };
        let host = Host::start(
            config,
            HostParts {
                listener: Arc::new(Ears {
                    bitswap: bitswap.clone(),
                    raft: raft.clone(),
                    listener: parts.listener,
                }),
                inbound: Arc::new(Streams {
                    bitswap: bitswap.clone(),
                    calls: calls.clone(),
                    raft: raft.server.clone(),
                }),
                tasks: tasks.clone(),
                decode_metric: rpc::decode_metric,
                encode_metric: rpc::encode_metric,
            },
        )
        .await?;
        host.protect(parts.protected);
        for peer in parts.forgotten {
            host.forget(peer);
        }
        // Nobody else sets it.
        let _ = opener.0.set(host.clone());
        let rpc = Arc::new(RpcClient::new(opener, local));
        Ok(Self { host, bitswap, rpc, calls, raft, tasks })
    }

    /// Answers the calls of other peers with those of the local one.
    pub fn serve(&self, local: Arc<dyn PeerCalls>) {
        self.calls.serve(local);
    }

    /// Returns the connections.
    pub fn network(&self) -> Arc<dyn Network> {
        Arc::new(self.host.clone())
    }

    /// Returns what tells all peers something.
    pub fn gossip(&self) -> Arc<dyn Broadcast> {
        Arc::new(self.host.clone())
    }

    /// Returns the exchange of blocks.
    pub fn blocks(&self) -> Arc<dyn Blocks> {
        self.bitswap.clone()
    }

    /// Returns the calls to other peers.
    pub fn rpc(&self) -> Arc<dyn Rpc> {
        self.rpc.clone()
    }

    /// Returns Raft's requests to other members.
    pub fn raft_calls(&self) -> Arc<dyn RaftCalls> {
        self.raft.client.clone()
    }

    /// Answers Raft's requests of other members from now on; before, peers are told that this one does not speak Raft.
    pub fn serve_raft(&self, answers: Arc<dyn RaftAnswers>) {
        self.raft.server.serve(answers);
    }

    /// Returns how many own broadcasts did not leave.
    pub fn dropped_broadcasts(&self) -> u64 {
        self.host.counters().dropped_publishes.get()
    }

    /// Counts by name what other peers sent or tried and was refused or dropped since the start.
    pub fn drops(&self) -> Vec<(&'static str, u64)> {
        let (host, blocks) = (self.host.counters(), self.bitswap.counters());
        let calls = self.calls.server.get().map_or(0, |server| server.dropped_calls());
        let raft = self.raft.server.drops();
        vec![
            ("connections refused", host.refused_connections.get()),
            ("connections not accepted", host.failed_accepts.get()),
            ("connections closed", host.trimmed_connections.get()),
            ("handshakes broken", host.handshake_failures.get()),
            ("streams refused", host.dropped_inbound_streams.get()),
            ("broadcasts of heads rejected", host.rejected_heads.get()),
            ("broadcasts of metrics rejected", host.rejected_metrics.get()),
            ("broadcasts ignored", host.ignored_gossip.get()),
            ("discoveries dropped", host.dropped_discoveries.get()),
            ("calls refused", calls),
            ("block streams refused", blocks.streams_refused),
            ("block streams with garbage", blocks.streams_garbage),
            ("block streams too slow", blocks.streams_slow),
            ("blocks of a foreign kind", blocks.blocks_foreign),
            ("entries of block messages skipped", blocks.entries_skipped),
            ("wants dropped", blocks.wants_dropped),
            ("Raft requests of peers that are not members", raft.refused()),
            ("Raft streams with garbage", raft.garbage()),
            ("Raft streams too slow", raft.slow()),
        ]
    }

    /// Notes that the peer works: from now on an orderly stop writes the file of peers.
    pub fn set_ready(&self) {
        self.host.mark_ready();
    }

    /// Waits until a part of the swarm has ended that must not, or `stop` is cancelled.
    pub fn ended(&self, stop: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
        let tasks = self.tasks.clone();
        async move {
            tokio::select! {
                () = tasks.failed() => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Closes all connections and writes the file of peers; returns when that is done.
    pub async fn stop(&self) {
        self.host.stop().await;
        self.tasks.stop(host::STOP_LIMIT).await;
    }
}

/// The host, for those who must exist before it.
#[derive(Default)]
struct LateOpener(OnceLock<HostHandle>);

impl OpenStreams for LateOpener {
    fn open(
        &self,
        peer: PeerId,
        protocols: &'static [StreamProtocol],
    ) -> BoxFuture<'_, Result<(StreamProtocol, BoxedStream), OpenError>> {
        match self.0.get() {
            Some(host) => host.open(peer, protocols),
            None => Box::pin(async { Err(OpenError::NotConnected("the swarm is starting".to_owned())) }),
        }
    }
}

/// Tells the exchange of blocks, and Raft, about peers before everybody else hears of them.
struct Ears {
    bitswap: Arc<Bitswap>,
    raft: Raft,
    listener: Arc<dyn SwarmListener>,
}

impl SwarmListener for Ears {
    fn on_heads(&self, author: PeerId, payload: &[u8]) -> Verdict {
        self.listener.on_heads(author, payload)
    }

    fn on_metric(&self, metric: Metric) -> Verdict {
        self.listener.on_metric(metric)
    }

    fn on_peer(&self, event: PeerEvent) {
        self.bitswap.on_peer(&event);
        match event {
            PeerEvent::Connected(peer) => self.raft.client.on_connected(peer),
            PeerEvent::Disconnected(peer) => {
                self.raft.client.on_disconnected(peer);
                self.raft.server.on_disconnected(peer);
            }
            PeerEvent::Identified { .. } | PeerEvent::ListensToMetrics(_) => {}
        }
        self.listener.on_peer(event);
    }
}

/// Sends streams where they belong.
struct Streams {
    bitswap: Arc<Bitswap>,
    calls: Arc<Calls>,
    raft: Arc<RaftServer>,
}

impl InboundStreams for Streams {
    fn protocols(&self) -> &'static [StreamProtocol] {
        if self.raft.is_serving() { STREAM_PROTOCOLS_WITH_RAFT } else { STREAM_PROTOCOLS }
    }

    fn on_stream(&self, peer: PeerId, protocol: StreamProtocol, stream: BoxedStream) {
        if rpc::PROTOCOLS.contains(&protocol) {
            self.calls.on_call(peer, protocol, stream);
        } else if let Some(lane) = raft::lane_of(&protocol) {
            self.raft.on_stream(peer, lane, stream);
        } else {
            self.bitswap.on_stream(peer, stream);
        }
    }
}

/// One inbound call.
type Call = (PeerId, StreamProtocol, BoxedStream);

/// Answers calls, or keeps a few until somebody can.
struct Calls {
    trusted: Trusted,
    follower: bool,
    server: OnceLock<Arc<RpcServer>>,
    early: Mutex<Vec<Call>>,
    stop: CancellationToken,
}

impl Calls {
    fn serve(&self, local: Arc<dyn PeerCalls>) {
        let mut early = self.early.lock().unwrap_or_else(PoisonError::into_inner);
        let server = RpcServer::new(local, self.trusted.clone(), self.follower);
        // A second local peer would be a mistake of whoever assembles the peer; the first one stays.
        let _ = self.server.set(Arc::new(server));
        for call in early.drain(..) {
            self.answer(call);
        }
    }

    fn on_call(&self, peer: PeerId, protocol: StreamProtocol, stream: BoxedStream) {
        let mut early = self.early.lock().unwrap_or_else(PoisonError::into_inner);
        let call = (peer, protocol, stream);
        if self.server.get().is_some() {
            drop(early);
            self.answer(call);
        } else if early.len() < MAX_EARLY {
            early.push(call);
        }
    }

    /// Answers in a task of its own: the host bounds the streams of each peer, the server the calls.
    fn answer(&self, (peer, protocol, stream): Call) {
        let Some(server) = self.server.get().cloned() else { return };
        let stop = self.stop.clone();
        tokio::spawn(async move {
            stop.run_until_cancelled(server.serve(peer, protocol, stream)).await;
        });
    }
}
