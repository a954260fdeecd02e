//! Starts the host.

use super::{
    bandwidth,
    behaviour::Behaviour,
    config::SwarmConfig,
    descriptors,
    error::SwarmError,
    gossip::{METRICS_TOPIC, heads_topic},
    handle::HostHandle,
    mdns, peerstore,
    shared::Shared,
    streams::InboundStreams,
    transport,
    worker::Worker,
};
use cluster_core::{Metric, Multiaddr, ports::SwarmListener};
use cluster_runtime::{OnEnd, Tasks};
use libp2p::{gossipsub::IdentTopic, multiaddr::Protocol, swarm::Config as Libp2pConfig};
use socket2::{Domain, Socket, Type};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Requests of handles that wait for the worker; when it is full, connects and streams are refused, messages dropped.
const COMMANDS: usize = 1024;

/// Streams of one connection that may negotiate at the same time; more are reset.
const MAX_NEGOTIATING: usize = 128;

/// For ever, as timers know it: no connection is closed for being quiet.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The libp2p host of the private swarm.
#[derive(Debug)]
pub struct Host;

/// What the swarm needs of the rest of the peer.
pub struct HostParts {
    /// Hears of peers, heads and metrics.
    pub listener: Arc<dyn SwarmListener>,
    /// Takes the streams that peers open.
    pub inbound: Arc<dyn InboundStreams>,
    /// The tasks of the swarm join these.
    pub tasks: Tasks,
    /// Reads a metric; `None` when the bytes are none.
    pub decode_metric: fn(&[u8]) -> Option<Metric>,
    /// Writes a metric.
    pub encode_metric: fn(&Metric) -> Vec<u8>,
}

impl Host {
    /// Starts the swarm: listens, and connects to the peers known in the background. Returns when every listener
    /// knows its addresses.
    ///
    /// # Errors
    /// Says which address cannot be listened on and what to do about it, or which part of the transport cannot be
    /// set up.
    pub async fn start(config: SwarmConfig, parts: HostParts) -> Result<HostHandle, SwarmError> {
        if config.secret.is_none() {
            tracing::warn!(target: "swarm", "no cluster secret: anybody who reaches this peer can join its network");
        }
        tracing::debug!(target: "swarm", pubsub = ?config.pubsub, "parameters of the gossip");
        let listen = listenable(&config.listen)?;
        let may_open = descriptors::raise_limit();
        let shared = Arc::new(Shared::new(config.keypair.public().to_peer_id()));
        let counters = shared.counters.clone();
        let (transport, relay) =
            transport::build(&config.keypair, config.secret.as_ref(), config.dial_timeout, counters)?;
        let topics = [IdentTopic::new(METRICS_TOPIC), IdentTopic::new(heads_topic(&config.cluster_name))];
        let behaviour =
            Behaviour::new(&config, &topics, relay, parts.inbound, shared.counters.clone(), may_open)?;
        let settings = Libp2pConfig::with_tokio_executor()
            .with_idle_connection_timeout(NEVER)
            .with_max_negotiating_inbound_streams(MAX_NEGOTIATING);
        let mut swarm = libp2p::Swarm::new(transport, behaviour, shared.own, settings);
        for address in &listen {
            swarm
                .listen_on(address.clone())
                .map_err(|error| SwarmError::Listen { address: address.clone(), cause: error.to_string() })?;
        }
        import_peers(&config, &shared).await;

        let (commands, requests) = mpsc::channel(COMMANDS);
        let stop = parts.tasks.stopping().child_token();
        let finished = CancellationToken::new();
        let handle = HostHandle {
            shared: shared.clone(),
            commands: commands.clone(),
            encode_metric: parts.encode_metric,
            stop: stop.clone(),
            finished: finished.clone(),
        };
        let mut worker = Box::new(Worker::new(
            swarm,
            requests,
            shared.clone(),
            parts.listener,
            parts.decode_metric,
            topics,
            &config,
            stop.clone(),
        ));
        worker.listen(listen.len()).await?;
        if config.mdns {
            parts.tasks.spawn("mdns", OnEnd::Nothing, mdns::run(shared.clone(), commands, stop));
        }
        parts.tasks.spawn("bandwidth", OnEnd::Nothing, count_bandwidth(shared, handle.stop.clone()));
        let group = parts.tasks.stopping();
        parts.tasks.spawn("swarm", OnEnd::Stop, async move {
            worker.run().await;
            drop(worker);
            finished.cancel();
            // A swarm stopped on purpose is no failure of the group.
            group.cancelled().await;
        });
        Ok(handle)
    }
}

/// Makes rates of what is counted, until the swarm stops.
async fn count_bandwidth(shared: Arc<Shared>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(bandwidth::TICK);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        shared.counters.bandwidth.tick();
    }
}

/// Picks the addresses that can be listened on, and makes sure that they are free.
fn listenable(addresses: &[Multiaddr]) -> Result<Vec<Multiaddr>, SwarmError> {
    let (usable, ignored): (Vec<_>, Vec<_>) = addresses
        .iter()
        .cloned()
        .partition(|address| address.iter().any(|part| matches!(part, Protocol::Tcp(_))));
    if !ignored.is_empty() {
        tracing::info!(target: "swarm", ?ignored, "only TCP and WebSocket addresses are listened on; these are ignored");
    }
    if usable.is_empty() {
        return Err(SwarmError::NoListenAddress);
    }
    for address in &usable {
        // The transport shares its port with its own dials, which would let a second daemon share it too.
        if let Err(error) = probe(address) {
            return Err(match error.kind() {
                io::ErrorKind::AddrInUse => SwarmError::AddressInUse { address: address.clone() },
                _ => SwarmError::Listen { address: address.clone(), cause: error.to_string() },
            });
        }
    }
    Ok(usable)
}

fn probe(address: &Multiaddr) -> io::Result<()> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next() {
        Some(Protocol::Ip4(ip)) => ip.into(),
        Some(Protocol::Ip6(ip)) => ip.into(),
        _ => return Ok(()),
    };
    let Some(Protocol::Tcp(port)) = parts.next() else { return Ok(()) };
    let address = SocketAddr::new(ip, port);
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if ip.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1)
}

/// Takes in the peers of the configuration, then those of the file.
async fn import_peers(config: &SwarmConfig, shared: &Shared) {
    let stored = match config.peerstore_file.clone() {
        None => Vec::new(),
        Some(path) => {
            let read =
                tokio::task::spawn_blocking(move || peerstore::read(&path).map_err(|error| (path, error)))
                    .await;
            match read {
                Ok(Ok(text)) => {
                    let domains = peerstore::domains(&text);
                    if !domains.is_empty() {
                        tracing::warn!(
                            target: "swarm",
                            lines = domains.join(" "),
                            "lines of the file of peers without a peer at the end are not used"
                        );
                    }
                    shared.state().domains = domains;
                    peerstore::parse(&text)
                }
                Ok(Err((path, error))) => {
                    tracing::warn!(target: "swarm", path = %path.display(), %error, "cannot read the file of peers");
                    Vec::new()
                }
                Err(_) => Vec::new(),
            }
        }
    };
    let mut state = shared.state();
    for address in &config.peer_addresses {
        match peerstore::split(address) {
            Some((peer, rest)) if peer != shared.own => {
                state.book.give(peer, &[rest], 0, true);
            }
            Some(_) => {}
            None => {
                tracing::warn!(target: "swarm", %address, "no peer at the end of this cluster.peer_addresses entry: ignored");
            }
        }
    }
    for (rank, (peer, address)) in (1..).zip(stored) {
        if peer != shared.own {
            state.book.give(peer, &[address], rank, false);
        }
    }
}
