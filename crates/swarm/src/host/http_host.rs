//! A host of its own that carries HTTP over streams (api §3.9): it offers them to whoever connects, or opens them. Nothing of
//! the private swarm is here but the secret, where one is given.

use super::{
    counters::SwarmCounters,
    error::SwarmError,
    streams::{InboundStreams, Opened, Streams},
    transport,
};
use crate::open_streams::{BoxedStream, OpenError};
use cluster_core::{ClusterSecret, Multiaddr, PeerId};
use cluster_runtime::{OnEnd, Tasks};
use futures_util::StreamExt;
use libp2p::{
    StreamProtocol, connection_limits, identify,
    identity::Keypair,
    ping,
    swarm::{
        Config, NetworkBehaviour, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot};

/// The protocol: one HTTP/1.1 connection a stream.
pub const HTTP_PROTOCOL: StreamProtocol = StreamProtocol::new("/libp2p-http");

const PROTOCOLS: &[StreamProtocol] = &[HTTP_PROTOCOL];

/// Connections of all others; more are refused.
const MAX_CONNECTIONS: u32 = 256;

/// Connections of one peer.
const MAX_PER_PEER: u32 = 8;

/// Requests for streams that wait for the host; beyond them a request is refused.
const COMMANDS: usize = 64;

/// How long a connection may take to come about.
const DIAL_LIMIT: Duration = Duration::from_secs(10);

/// How long a connection may be quiet before it is tested, and how long the answer to that may take: one whose other side
/// has vanished is closed.
const PING_EVERY: Duration = Duration::from_secs(15);

/// How long what was written last may take to go out when the host stops.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Who the host is and where it listens.
pub struct HttpHostConfig {
    /// Its identity.
    pub keypair: Keypair,
    /// The secret of a private network, when it is in one.
    pub secret: Option<ClusterSecret>,
    /// Where to listen; nowhere for a host that only opens streams.
    pub listen: Vec<Multiaddr>,
}

/// A running host; it ends with its tasks.
#[derive(Debug, Clone)]
pub struct HttpHost {
    commands: mpsc::Sender<Open>,
    id: PeerId,
    addresses: Vec<Multiaddr>,
}

/// A wish for a stream.
#[derive(Debug)]
struct Open {
    peer: PeerId,
    address: Multiaddr,
    reply: oneshot::Sender<Opened>,
}

#[derive(NetworkBehaviour)]
struct HttpBehaviour {
    limits: connection_limits::Behaviour,
    streams: Streams,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

/// Takes nothing from nobody.
struct Nobody;

impl InboundStreams for Nobody {
    fn protocols(&self) -> &'static [StreamProtocol] {
        &[]
    }

    fn on_stream(&self, _: PeerId, _: StreamProtocol, _: BoxedStream) {}
}

/// Takes a stream, or says that there is no room for it. Called on the connection's own task: must not block.
pub type TakeStream = Arc<dyn Fn(BoxedStream) -> bool + Send + Sync>;

/// Hands streams of the protocol on.
struct ToServer(TakeStream);

impl InboundStreams for ToServer {
    fn protocols(&self) -> &'static [StreamProtocol] {
        PROTOCOLS
    }

    fn on_stream(&self, peer: PeerId, _: StreamProtocol, stream: BoxedStream) {
        if !(self.0)(stream) {
            tracing::debug!(target: "restapi", %peer, "dropped a stream of HTTP: too many wait");
        }
    }
}

impl HttpHost {
    /// Starts a host that offers the protocol; every stream goes to `take`, and is dropped when that has no room. Returns
    /// when it listens.
    ///
    /// # Errors
    /// Says which address cannot be listened on.
    pub async fn serve(config: HttpHostConfig, take: TakeStream, tasks: &Tasks) -> Result<Self, SwarmError> {
        Self::start(config, Arc::new(ToServer(take)), tasks).await
    }

    /// Starts a host with an identity of its own that opens streams alone, until the process ends.
    ///
    /// # Errors
    /// When the transport cannot be set up.
    pub async fn client(secret: Option<ClusterSecret>) -> Result<Self, SwarmError> {
        let config = HttpHostConfig { keypair: Keypair::generate_ed25519(), secret, listen: Vec::new() };
        Self::start(config, Arc::new(Nobody), &Tasks::new()).await
    }

    async fn start(
        config: HttpHostConfig,
        inbound: Arc<dyn InboundStreams>,
        tasks: &Tasks,
    ) -> Result<Self, SwarmError> {
        let HttpHostConfig { keypair, secret, listen } = config;
        let counters: Arc<SwarmCounters> = Arc::default();
        let transport = transport::build_direct(&keypair, secret.as_ref(), DIAL_LIMIT, counters.clone())?;
        let id = keypair.public().to_peer_id();
        let limits = connection_limits::ConnectionLimits::default()
            .with_max_established_per_peer(Some(MAX_PER_PEER))
            .with_max_established_incoming(Some(MAX_CONNECTIONS))
            .with_max_pending_incoming(Some(MAX_CONNECTIONS));
        let identify = identify::Config::new("/ipfs/0.1.0".to_owned(), keypair.public()).with_cache_size(0);
        let behaviour = HttpBehaviour {
            limits: connection_limits::Behaviour::new(limits),
            streams: Streams::new(inbound, counters),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_EVERY)),
        };
        let settings = Config::with_tokio_executor();
        let mut swarm = libp2p::Swarm::new(transport, behaviour, id, settings);
        let failed =
            |address: &Multiaddr, cause: String| SwarmError::ListenHttp { address: address.clone(), cause };
        for address in &listen {
            swarm.listen_on(address.clone()).map_err(|error| failed(address, error.to_string()))?;
        }
        let mut addresses = Vec::new();
        while addresses.len() < listen.len() {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { address, .. } => addresses.push(address),
                SwarmEvent::ListenerClosed { addresses: of_it, reason, .. } => {
                    let address = of_it.first().or(listen.first()).cloned().unwrap_or_else(Multiaddr::empty);
                    let cause =
                        reason.err().map_or_else(|| "it was closed".to_owned(), |error| error.to_string());
                    return Err(failed(&address, cause));
                }
                _ => {}
            }
        }
        let (commands, wishes) = mpsc::channel(COMMANDS);
        let stop = tasks.stopping();
        let mut worker = Worker { swarm, wishes, waiting: HashMap::new() };
        tasks.spawn("libp2p http", OnEnd::Nothing, async move {
            stop.run_until_cancelled(worker.run()).await;
            // Whoever takes nothing is not waited for.
            let _ = tokio::time::timeout(CLOSE_LIMIT, worker.close()).await;
        });
        Ok(Self { commands, id, addresses })
    }

    /// Returns the addresses it listens on, each ending in `/p2p/<id>`.
    pub fn addresses(&self) -> Vec<Multiaddr> {
        let with_id = |address: &Multiaddr| address.clone().with(libp2p::multiaddr::Protocol::P2p(self.id));
        self.addresses.iter().map(with_id).collect()
    }

    /// Opens a stream to `peer`, which is at `address`.
    ///
    /// # Errors
    /// When the peer cannot be reached, is another one, or does not speak the protocol.
    pub async fn open(&self, peer: PeerId, address: Multiaddr) -> Result<BoxedStream, OpenError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Open { peer, address, reply }).await.map_err(|_| OpenError::Stopping)?;
        let (_, stream) = answer.await.map_err(|_| OpenError::Stopping)??;
        Ok(stream)
    }
}

struct Worker {
    swarm: libp2p::Swarm<HttpBehaviour>,
    wishes: mpsc::Receiver<Open>,
    /// Who waits for a connection to a peer.
    waiting: HashMap<PeerId, Vec<oneshot::Sender<Opened>>>,
}

impl Worker {
    async fn run(&mut self) {
        loop {
            tokio::select! {
                Some(wish) = self.wishes.recv() => self.on_wish(wish),
                event = self.swarm.select_next_some() => self.on_event(event),
            }
        }
    }

    /// Closes the connections. To drop them instead would lose what their streams have written and not yet sent.
    async fn close(&mut self) {
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            // An error says that it is gone.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        while self.swarm.connected_peers().next().is_some() {
            self.swarm.select_next_some().await;
        }
    }

    fn on_wish(&mut self, Open { peer, address, reply }: Open) {
        if self.swarm.is_connected(&peer) {
            self.swarm.behaviour_mut().streams.open(peer, PROTOCOLS, reply);
            return;
        }
        self.waiting.entry(peer).or_default().push(reply);
        let dial = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(vec![address])
            .build();
        match self.swarm.dial(dial) {
            Ok(()) | Err(libp2p::swarm::DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => self.give_up(&peer, &error.to_string()),
        }
    }

    fn on_event(&mut self, event: SwarmEvent<HttpBehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                for reply in self.waiting.remove(&peer_id).unwrap_or_default() {
                    self.swarm.behaviour_mut().streams.open(peer_id, PROTOCOLS, reply);
                }
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                self.give_up(&peer, &error.to_string());
            }
            _ => {}
        }
    }

    fn give_up(&mut self, peer: &PeerId, cause: &str) {
        for reply in self.waiting.remove(peer).unwrap_or_default() {
            // Whoever asked may have gone.
            let _ = reply.send(Err(OpenError::NotConnected(cause.to_owned())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::io::{AsyncReadExt, AsyncWriteExt};

    fn config(secret: Option<[u8; 32]>) -> HttpHostConfig {
        HttpHostConfig {
            keypair: Keypair::generate_ed25519(),
            secret: secret.map(ClusterSecret::from_bytes),
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        }
    }

    #[tokio::test]
    async fn a_stream_carries_bytes_both_ways_with_and_without_a_secret() {
        for secret in [None, Some([7; 32])] {
            let tasks = Tasks::new();
            let (sender, mut streams) = mpsc::channel(4);
            let take = Arc::new(move |stream| sender.try_send(stream).is_ok());
            let server = HttpHost::serve(config(secret), take, &tasks).await.unwrap();
            let client = HttpHost::client(secret.map(ClusterSecret::from_bytes)).await.unwrap();
            let address = server.addresses[0].clone();
            let echo = async {
                for _ in 0..2 {
                    let mut stream = streams.recv().await.unwrap();
                    let mut bytes = [0; 4];
                    stream.read_exact(&mut bytes).await.unwrap();
                    stream.write_all(&bytes).await.unwrap();
                    stream.close().await.unwrap();
                }
            };
            let talk = async {
                for text in [b"ping", b"pong"] {
                    let mut stream = client.open(server.id, address.clone()).await.unwrap();
                    stream.write_all(text).await.unwrap();
                    let mut answer = Vec::new();
                    stream.read_to_end(&mut answer).await.unwrap();
                    assert_eq!(answer, text);
                }
            };
            tokio::join!(echo, talk);
            tasks.stop(Duration::from_secs(5)).await;
        }
    }

    #[tokio::test]
    async fn who_is_not_there_or_somebody_else_is_an_error() {
        let tasks = Tasks::new();
        let server = HttpHost::serve(config(None), Arc::new(|_| false), &tasks).await.unwrap();
        let client = HttpHost::client(None).await.unwrap();
        let other = PeerId::random();
        let error = client.open(other, server.addresses[0].clone()).await.unwrap_err();
        assert!(matches!(error, OpenError::NotConnected(_)), "{error}");
        let nobody = client.open(other, "/ip4/127.0.0.1/tcp/1".parse().unwrap()).await.unwrap_err();
        assert!(matches!(nobody, OpenError::NotConnected(_)), "{nobody}");
        tasks.stop(Duration::from_secs(5)).await;
    }
}
