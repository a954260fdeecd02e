//! Peers and strangers that take what they can get.

use crate::harness::{Host, LIMIT, OnStream, config, echo, eventually};
use cluster_core::{Multiaddr, PeerId, ports::Network};
use cluster_swarm::{OpenError, OpenStreams, RPC_PROTOCOL};
use futures_util::StreamExt;
use libp2p::{
    StreamProtocol, SwarmBuilder, Transport,
    core::{
        transport::{ListenerId, TransportEvent},
        upgrade::Version,
    },
    identity::Keypair,
    noise, ping,
    pnet::{PnetConfig, PreSharedKey},
    swarm::{
        SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
    tcp, yamux,
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::oneshot,
};

const RPC: &[StreamProtocol] = &[RPC_PROTOCOL];

async fn connect_from(source: Ipv4Addr, port: u16) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((source, 0))).unwrap();
    socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.ok()
}

#[tokio::test]
async fn strangers_that_connect_and_wait_keep_nobody_out() {
    let victim = Host::start(config()).await;
    let mut open = Vec::new();
    for _ in 0..400 {
        open.extend(connect_from(Ipv4Addr::new(127, 0, 0, 2), victim.port()).await);
    }
    eventually("most are refused", || victim.swarm.counters().refused_connections.get() >= 300).await;
    let honest = Host::start(config()).await;
    honest.meet(&victim).await;
    let (_, stream) = honest.swarm.open(victim.id(), RPC).await.unwrap();
    assert_eq!(echo(stream).await, "/ipfscluster/1.0/rpcping");
}

#[tokio::test]
async fn probes_that_hang_up_are_no_alarm() {
    let victim = Host::start(config()).await;
    for _ in 0..5 {
        drop(connect_from(Ipv4Addr::LOCALHOST, victim.port()).await);
    }
    let honest = Host::start(config()).await;
    honest.meet(&victim).await;
    assert_eq!(victim.swarm.counters().handshake_warnings.get(), 0);
}

#[tokio::test]
async fn streams_of_one_peer_are_bounded_and_others_are_served() {
    let victim = Host::with(config(), OnStream::Hold).await;
    let (greedy, honest) = (Host::start(config()).await, Host::start(config()).await);
    greedy.meet(&victim).await;
    honest.meet(&victim).await;
    for _ in 0..30 {
        let opening = (0..100).map(|_| greedy.swarm.open(victim.id(), RPC));
        // Some are reset while they are being opened.
        let opened = futures_util::future::join_all(opening).await;
        assert!(opened.iter().any(Result::is_ok));
    }
    let counters = victim.swarm.counters();
    eventually("all but the allowed are dropped", || counters.dropped_inbound_streams.get() >= 3000 - 256)
        .await;
    let before = counters.dropped_inbound_streams.get();
    for _ in 0..50 {
        honest.swarm.open(victim.id(), RPC).await.unwrap();
    }
    assert_eq!(counters.dropped_inbound_streams.get(), before);
}

#[tokio::test]
async fn more_openers_than_places_are_refused() {
    let victim = Host::start(config()).await;
    let greedy = Host::start(config()).await;
    greedy.meet(&victim).await;
    let opening = (0..400).map(|_| greedy.swarm.open(victim.id(), RPC));
    let opened = futures_util::future::join_all(opening).await;
    assert!(opened.iter().any(Result::is_ok));
    let refused = opened.iter().filter(|result| result.is_err()).count();
    assert_eq!(u64::try_from(refused).unwrap(), greedy.swarm.counters().refused_outbound_streams.get());
}

/// Dials `times` with one key, and counts in `open` the connections that stand.
async fn dial_with_one_key(victim: PeerId, address: Multiaddr, times: usize, open: Arc<AtomicUsize>) {
    let secret = PnetConfig::new(PreSharedKey::new([7; 32]));
    let mut swarm = SwarmBuilder::with_existing_identity(Keypair::generate_ed25519())
        .with_tokio()
        .with_other_transport(|key| {
            Ok(tcp::tokio::Transport::new(tcp::Config::default())
                .and_then(move |socket, _| secret.handshake(socket))
                .upgrade(Version::V1)
                .authenticate(noise::Config::new(key)?)
                .multiplex(yamux::Config::default()))
        })
        .unwrap()
        .with_behaviour(|_| ping::Behaviour::default())
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(LIMIT))
        .build();
    let (mut dialled, mut pending) = (0, 0);
    loop {
        // A few at a time, so that none is refused for being in its handshake with too many others.
        while dialled < times && pending < 8 {
            let options = DialOpts::peer_id(victim)
                .condition(PeerCondition::Always)
                .addresses(vec![address.clone()])
                .allocate_new_port()
                .build();
            swarm.dial(options).unwrap();
            (dialled, pending) = (dialled + 1, pending + 1);
        }
        match swarm.select_next_some().await {
            SwarmEvent::ConnectionEstablished { .. } => {
                pending -= 1;
                open.fetch_add(1, Ordering::Relaxed);
            }
            SwarmEvent::ConnectionClosed { .. } => {
                open.fetch_sub(1, Ordering::Relaxed);
            }
            SwarmEvent::OutgoingConnectionError { .. } => pending -= 1,
            _ => {}
        }
    }
}

#[tokio::test]
async fn connections_of_one_key_are_bounded() {
    let victim = Host::start(config()).await;
    let open = Arc::new(AtomicUsize::new(0));
    tokio::spawn(dial_with_one_key(victim.id(), victim.address(), 200, open.clone()));
    let refused = || victim.swarm.counters().refused_connections.get();
    eventually("all but eight are refused", || refused() == 192 && open.load(Ordering::Relaxed) == 8).await;
    let connected: Vec<_> = victim.swarm.known_peers().into_iter().filter(|known| known.connected).collect();
    assert_eq!(connected.len(), 1);
    let honest = Host::start(config()).await;
    honest.meet(&victim).await;
}

/// Takes one connection and then leaves it alone: neither reads, nor answers, nor closes.
async fn take_and_ignore(keypair: Keypair, address: oneshot::Sender<Multiaddr>) {
    let secret = PnetConfig::new(PreSharedKey::new([7; 32]));
    let mut transport = tcp::tokio::Transport::new(tcp::Config::default())
        .and_then(move |socket, _| secret.handshake(socket))
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(&keypair).unwrap())
        .multiplex(yamux::Config::default())
        .boxed();
    transport.listen_on(ListenerId::next(), "/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    let listening = transport.select_next_some().await;
    assert!(address.send(listening.into_new_address().unwrap()).is_ok());
    loop {
        if let TransportEvent::Incoming { upgrade, .. } = transport.select_next_some().await {
            let _taken = upgrade.await.unwrap();
            std::future::pending::<()>().await;
        }
    }
}

#[tokio::test]
async fn a_peer_that_never_answers_costs_an_opener_ten_seconds_and_loses_its_connection() {
    let host = Host::start(config()).await;
    let keypair = Keypair::generate_ed25519();
    let silent = keypair.public().to_peer_id();
    let (send, address) = oneshot::channel();
    tokio::spawn(take_and_ignore(keypair, send));
    host.swarm.connect(silent, vec![address.await.unwrap()]).await.unwrap();
    let opened = tokio::time::timeout(LIMIT, host.swarm.open(silent, RPC)).await.unwrap();
    assert!(matches!(opened, Err(OpenError::Refused(_))), "{:?}", opened.err());
    host.disconnected(silent).await;
}
