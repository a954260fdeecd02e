//! The one task that owns the libp2p swarm.

mod dialling;
mod gossip_events;
mod identify_events;
mod relaying;
mod trimming;

use super::{
    behaviour::{Behaviour, BehaviourEvent},
    config::{ConnectionManagerConfig, SwarmConfig},
    error::SwarmError,
    handle::Command,
    handshake_alarm::HandshakeAlarm,
    own_addresses::OwnAddresses,
    peerstore,
    shared::Shared,
    topic_alarm::TopicAlarm,
    transport::LinkError,
};
use cluster_core::{
    Metric, Multiaddr, PeerId,
    ports::swarm::{PeerEvent, SwarmListener},
};
use dialling::{Dialling, Table};
use futures_util::StreamExt;
use libp2p::{
    autonat::{self, NatStatus},
    core::ConnectedPoint,
    dcutr,
    gossipsub::{IdentTopic, TopicHash},
    kad, ping,
    swarm::{
        ConnectionId, DialError, FromSwarm, ListenError, NetworkBehaviour, NewExternalAddrCandidate,
        SwarmEvent,
    },
};
use relaying::Relaying;
use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

/// Time between two looks at the clock.
const TICK: Duration = Duration::from_secs(1);

/// How long the listeners may take to name their addresses.
const LISTEN_LIMIT: Duration = Duration::from_secs(5);

/// How long closing all connections may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Owns the swarm and everything that hangs on it.
pub(super) struct Worker {
    swarm: libp2p::Swarm<Behaviour>,
    requests: mpsc::Receiver<Command>,
    shared: Arc<Shared>,
    listener: Arc<dyn SwarmListener>,
    decode_metric: fn(&[u8]) -> Option<Metric>,
    metrics: TopicHash,
    heads: TopicHash,
    own: OwnAddresses,
    connections: HashMap<ConnectionId, Connection>,
    limits: ConnectionManagerConfig,
    dialling: Dialling,
    relaying: Relaying,
    alarm: HandshakeAlarm,
    topics: TopicAlarm,
    peerstore: Option<PathBuf>,
    /// The write of the file of peers that is under way.
    saving: Option<JoinHandle<()>>,
    unsaved: bool,
    stop: CancellationToken,
}

/// One open connection.
struct Connection {
    peer: PeerId,
    remote: Multiaddr,
    inbound: bool,
    since: Instant,
}

impl Worker {
    #[expect(clippy::too_many_arguments, reason = "called once, each argument once")]
    pub(super) fn new(
        swarm: libp2p::Swarm<Behaviour>,
        requests: mpsc::Receiver<Command>,
        shared: Arc<Shared>,
        listener: Arc<dyn SwarmListener>,
        decode_metric: fn(&[u8]) -> Option<Metric>,
        [metrics, heads]: [IdentTopic; 2],
        config: &SwarmConfig,
        stop: CancellationToken,
    ) -> Self {
        let alarm = HandshakeAlarm::new(shared.counters.clone());
        let topics = TopicAlarm::new(shared.counters.clone());
        Self {
            swarm,
            requests,
            shared,
            listener,
            decode_metric,
            metrics: metrics.hash(),
            heads: heads.hash(),
            own: OwnAddresses::new(&config.announce, &config.no_announce),
            connections: HashMap::new(),
            limits: config.connection_manager,
            dialling: Dialling::new(Instant::now()),
            relaying: Relaying::default(),
            alarm,
            topics,
            peerstore: config.peerstore_file.clone(),
            saving: None,
            unsaved: false,
            stop,
        }
    }

    /// Waits until all listeners have named an address.
    pub(super) async fn listen(&mut self, listeners: usize) -> Result<(), SwarmError> {
        let mut named = HashSet::new();
        let waiting = async {
            while named.len() < listeners {
                let event = self.swarm.select_next_some().await;
                match &event {
                    SwarmEvent::NewListenAddr { listener_id, .. } => {
                        named.insert(*listener_id);
                    }
                    SwarmEvent::ListenerClosed { reason: Err(error), .. } => {
                        return Err(SwarmError::Setup { part: "a listener", cause: error.to_string() });
                    }
                    _ => {}
                }
                self.on_event(event);
            }
            Ok(())
        };
        timeout(LISTEN_LIMIT, waiting).await.unwrap_or_else(|_| {
            Err(SwarmError::Setup { part: "a listener", cause: "no interface has an address".into() })
        })
    }

    /// Runs until told to stop, then closes all connections and writes the file of peers.
    pub(super) async fn run(&mut self) {
        self.dial_all_known();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (stop, shared) = (self.stop.clone(), self.shared.clone());
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(command) = self.requests.recv() => self.on_command(command),
                event = self.swarm.select_next_some() => self.on_event(event),
                () = shared.forgotten_changed.notified() => self.on_forgotten_changed(),
                _ = tick.tick() => self.on_tick(Instant::now()),
            }
            self.dial_next();
        }
        self.close().await;
    }

    async fn close(&mut self) {
        self.requests.close();
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            _ = self.swarm.disconnect_peer_id(peer);
        }
        let before: Option<String> = self.peerstore_text();
        let closing = async {
            while !self.connections.is_empty() {
                let event = self.swarm.select_next_some().await;
                self.on_event(event);
            }
        };
        if timeout(CLOSE_LIMIT, closing).await.is_err() {
            tracing::debug!(target: "swarm", open = self.connections.len(), "connections left open at the end");
        }
        if let Some(saving) = self.saving.take() {
            _ = saving.await;
        }
        if let Some((path, text)) = self.peerstore.clone().zip(before)
            && self.shared.is_ready()
        {
            _ = tokio::task::spawn_blocking(move || save(&path, &text)).await;
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Connect { peer, addresses, reply } => self.on_connect(peer, addresses, reply),
            Command::Open { peer, protocols, reply } => {
                self.swarm.behaviour_mut().streams.open(peer, protocols, reply);
            }
            Command::PublishMetric(payload) => self.publish(self.metrics.clone(), payload),
            Command::PublishHeads(payload) => self.publish(self.heads.clone(), payload),
            Command::Discovered { peer, addresses } => self.dial_unasked(peer, addresses),
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour_event(event),
            SwarmEvent::ConnectionEstablished {
                peer_id, connection_id, endpoint, num_established, ..
            } => {
                self.on_established(peer_id, connection_id, &endpoint, num_established.get() == 1);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, endpoint, num_established, .. } => {
                self.connections.remove(&connection_id);
                if num_established > 0 {
                    self.tell_topics_again(peer_id, connection_id, &endpoint);
                }
                if num_established == 0 {
                    self.shared.state().book.disconnected(&peer_id);
                    self.lose_relay(&peer_id);
                    self.topics.on_disconnected(&peer_id);
                    self.dial_again_later(peer_id, Instant::now());
                    self.listener.on_peer(PeerEvent::Disconnected(peer_id));
                }
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                self.on_inbound_failure(&send_back_addr, &error);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, peer_id, error } => {
                self.on_outbound_failure(connection_id, peer_id, error);
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                tracing::info!(target: "swarm", %address, "listening");
                self.own.add_listening(address);
                self.tell_addresses();
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.own.remove_listening(&address);
                self.tell_addresses();
            }
            SwarmEvent::ListenerClosed { listener_id, addresses, reason } => {
                if self.relay_ended(listener_id) {
                    tracing::debug!(target: "swarm", ?addresses, ?reason, "a relay is used no more");
                } else {
                    tracing::error!(target: "swarm", ?addresses, ?reason, "a listener closed");
                }
                for address in &addresses {
                    self.own.remove_listening(address);
                }
                self.tell_addresses();
            }
            SwarmEvent::ListenerError { error, .. } => {
                // Most likely files have run out, which lasts and comes ten times a second.
                if self.shared.counters.failed_accepts.get() == 0 {
                    tracing::warn!(target: "swarm", %error, "cannot accept a connection");
                }
                self.shared.counters.failed_accepts.increase();
            }
            SwarmEvent::NewExternalAddrCandidate { address }
            | SwarmEvent::ExternalAddrConfirmed { address } => {
                self.own.add_observed(address);
                self.tell_addresses();
            }
            _ => {}
        }
    }

    fn on_behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(event) => self.on_identify(event),
            BehaviourEvent::Gossip(event) => self.on_gossip(event),
            BehaviourEvent::Lan(kad::Event::OutboundQueryProgressed { id, result, step, .. }) => {
                self.on_lookup(Table::Lan, id, result, step.last);
            }
            BehaviourEvent::Wan(kad::Event::OutboundQueryProgressed { id, result, step, .. }) => {
                self.on_lookup(Table::Wan, id, result, step.last);
            }
            BehaviourEvent::Ping(ping::Event { connection, result: Err(failure), .. })
                if is_silence(&failure) =>
            {
                // The second silence in a row: the other side is gone without a word.
                self.swarm.close_connection(connection);
            }
            BehaviourEvent::RelayClient(event) => self.on_relay(&event),
            BehaviourEvent::Dcutr(dcutr::Event { remote_peer_id: peer, result }) => match result {
                Ok(_) => {
                    tracing::info!(target: "swarm", %peer, "connected without a relay");
                    self.shared.counters.punched_holes.increase();
                }
                Err(error) => {
                    tracing::debug!(target: "swarm", %peer, %error, "no connection without a relay")
                }
            },
            BehaviourEvent::Autonat(autonat::Event::StatusChanged { new, .. }) => self.on_reachability(&new),
            _ => {}
        }
    }

    /// Serves the internet's table, and as a relay, only when reachable from there, as Go does; looks for relays itself
    /// when it is not.
    fn on_reachability(&mut self, status: &NatStatus) {
        let reachable = status.is_public();
        tracing::info!(target: "swarm", reachable, "reachable from the internet");
        let behaviour = self.swarm.behaviour_mut();
        behaviour.wan.set_mode(Some(if reachable { kad::Mode::Server } else { kad::Mode::Client }));
        behaviour.serve_as_relay(reachable);
        self.need_relays(*status == NatStatus::Private);
    }

    fn on_established(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
        first: bool,
    ) {
        let remote = endpoint.get_remote_address().clone();
        let inbound = endpoint.is_listener();
        if first {
            self.shared.state().book.connected(peer, (!inbound).then_some(&remote));
        }
        self.connections.insert(connection, Connection { peer, remote, inbound, since: Instant::now() });
        if first {
            self.listener.on_peer(PeerEvent::Connected(peer));
        } else {
            self.tell_topics_again(peer, connection, endpoint);
        }
        self.finish_dialling(peer, Ok(()));
    }

    fn on_inbound_failure(&mut self, remote: &Multiaddr, error: &ListenError) {
        match error {
            ListenError::Transport(error) => match LinkError::of(error) {
                Some(link) if link.smells_of_secret() => self.alarm.note(remote, link, Instant::now()),
                _ => tracing::debug!(target: "swarm", %remote, %error, "a connection did not come about"),
            },
            ListenError::Denied { .. } => self.shared.counters.refused_connections.increase(),
            other => {
                tracing::debug!(target: "swarm", %remote, error = %other, "a connection did not come about")
            }
        }
    }

    fn note_outbound_failure(&mut self, error: &DialError) {
        match error {
            DialError::Transport(failures) => {
                for (address, error) in failures {
                    if let Some(link) = LinkError::of(error)
                        && link.smells_of_secret()
                    {
                        self.alarm.note(address, link, Instant::now());
                    }
                }
            }
            DialError::Denied { .. } => self.shared.counters.refused_connections.increase(),
            _ => {}
        }
    }

    fn on_tick(&mut self, now: Instant) {
        self.trim(now);
        self.on_dialling_tick(now);
        self.use_relays(now);
        self.look_at_topics(now);
        if self.unsaved {
            self.save_peers();
        }
    }

    fn on_forgotten_changed(&mut self) {
        let forgotten = self.shared.state().forgotten.clone();
        let behaviour = self.swarm.behaviour_mut();
        let allowed: Vec<PeerId> = behaviour
            .blocked
            .blocked_peers()
            .iter()
            .filter(|peer| !forgotten.contains(peer))
            .copied()
            .collect();
        for peer in allowed {
            behaviour.blocked.unblock_peer(peer);
        }
        let mut blocked = Vec::new();
        for peer in forgotten {
            if behaviour.blocked.block_peer(peer) {
                behaviour.lan.remove_peer(&peer);
                behaviour.wan.remove_peer(&peer);
                blocked.push(peer);
            }
        }
        for peer in blocked {
            self.finish_dialling(peer, Err(cluster_core::ports::swarm::ConnectError::Forgotten { peer }));
        }
        self.save_peers();
    }

    /// Tells everybody what changed about the own addresses.
    fn tell_addresses(&mut self) {
        let told = self.own.told();
        {
            let mut state = self.shared.state();
            state.listening = self.own.listening().to_vec();
            state.told.clone_from(&told);
        }
        self.shared.addresses_changed.notify_one();
        let before: HashSet<Multiaddr> = self.swarm.external_addresses().cloned().collect();
        let after: HashSet<Multiaddr> = told.iter().cloned().collect();
        if before == after {
            return;
        }
        for address in before.difference(&after) {
            self.swarm.remove_external_address(address);
        }
        for address in after.difference(&before) {
            self.swarm.add_external_address(address.clone());
            // Who punches holes offers candidates alone, and the swarm makes none of what it was told to be external.
            let candidate = FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr: address });
            self.swarm.behaviour_mut().dcutr.on_swarm_event(candidate);
        }
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        self.swarm.behaviour_mut().identify.push(peers);
    }

    fn peerstore_text(&self) -> Option<String> {
        self.peerstore.as_ref()?;
        let state = self.shared.state();
        Some(peerstore::format(&state.book, &self.shared.own, &state.domains))
    }

    /// Writes the file of peers; while one write is under way the next one waits for a tick.
    fn save_peers(&mut self) {
        if self.saving.as_ref().is_some_and(|saving| !saving.is_finished()) {
            self.unsaved = true;
            return;
        }
        self.unsaved = false;
        if let Some((path, text)) = self.peerstore.clone().zip(self.peerstore_text()) {
            self.saving = Some(tokio::task::spawn_blocking(move || save(&path, &text)));
        }
    }
}

/// Says whether nothing came back: neither for the ping, nor when a stream was opened for it.
fn is_silence(failure: &ping::Failure) -> bool {
    match failure {
        ping::Failure::Timeout => true,
        ping::Failure::Other { error } => error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut),
        ping::Failure::Unsupported => false,
    }
}

fn save(path: &std::path::Path, text: &str) {
    if let Err(error) = peerstore::write(path, text) {
        tracing::warn!(target: "swarm", path = %path.display(), %error, "cannot write the file of peers");
    }
}
