//! Connections and streams.

use crate::harness::{Heard, Host, LIMIT, OnStream, RPC, config, echo, eventually, secret};
use cluster_core::{
    Multiaddr,
    ports::{
        Network,
        swarm::{ConnectError, PeerEvent},
    },
};
use cluster_swarm::{
    ConnectionManagerConfig, HostParts, OWN_RPC_PROTOCOL, OpenError, OpenStreams, ResourceLimits,
    SwarmConfig, SwarmError,
};
use libp2p::{PeerId, StreamProtocol, multiaddr::Protocol};
use std::{
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

const OLD_BITSWAP: &[StreamProtocol] =
    &[StreamProtocol::new("/unknown/1"), StreamProtocol::new("/ipfs/bitswap/1.1.0")];
const UNKNOWN: &[StreamProtocol] = &[StreamProtocol::new("/unknown/1")];

#[tokio::test]
async fn two_hosts_meet_and_open_streams_both_ways() {
    let (a, b) = (Host::start(config()).await, Host::start(config()).await);
    assert_eq!(a.swarm.is_ours(&b.id()), None);
    a.meet(&b).await;
    assert_eq!(a.swarm.is_ours(&b.id()), Some(true));
    assert_eq!(b.swarm.is_ours(&a.id()), Some(true));

    let (protocol, stream) = a.swarm.open(b.id(), RPC).await.unwrap();
    assert_eq!(protocol, OWN_RPC_PROTOCOL);
    assert_eq!(echo(stream).await, "/cluster/rpc/1.0.0ping");
    let (protocol, stream) = b.swarm.open(a.id(), OLD_BITSWAP).await.unwrap();
    assert_eq!(protocol, OLD_BITSWAP[1]);
    assert_eq!(echo(stream).await, "/ipfs/bitswap/1.1.0ping");
    let refused = a.swarm.open(b.id(), UNKNOWN).await.err();
    assert_eq!(refused, Some(OpenError::Unsupported("/unknown/1")));
    assert_eq!(a.swarm.addresses_of(&b.id()), [b.address().with(Protocol::P2p(b.id()))]);
}

#[tokio::test]
async fn a_stream_to_a_known_peer_dials_it() {
    let (a, b) = (Host::start(config()).await, Host::start(config()).await);
    a.meet(&b).await;
    b.swarm.stop().await;
    a.disconnected(b.id()).await;
    let refused = a.swarm.open(b.id(), RPC).await.err();
    assert!(matches!(refused, Some(OpenError::NotConnected(_))), "{refused:?}");
}

#[tokio::test]
async fn a_port_that_others_hold_at_another_address_keeps_nobody_from_dialling() {
    let (a, b) = (Host::start(config()).await, Host::start(config()).await);
    let _foreign = std::net::TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), a.port())).unwrap();
    a.meet(&b).await;
}

#[tokio::test]
async fn an_address_that_does_not_answer_costs_the_dial_timeout() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let full = socket.listen(0).unwrap();
    let address = full.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        held.push(stream.unwrap());
    }
    let host = Host::start(SwarmConfig { dial_timeout: Duration::from_millis(400), ..config() }).await;
    let silent: Multiaddr = format!("/ip4/127.0.0.1/tcp/{}", address.port()).parse().unwrap();
    let began = Instant::now();
    let error = host.swarm.connect(PeerId::random(), vec![silent]).await.unwrap_err().to_string();
    assert!(error.contains("no answer in time"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(3), "the default");
}

#[tokio::test]
async fn names_lead_to_peers() {
    let (a, b) = (Host::start(config()).await, Host::start(config()).await);
    let name: Multiaddr = format!("/dns4/localhost/tcp/{}", b.port()).parse().unwrap();
    a.swarm.connect(b.id(), vec![name.clone()]).await.unwrap();
    a.identified(b.id()).await;
    // Its own word for where it is has an IP address, which the name replaces.
    assert_eq!(a.swarm.addresses_of(&b.id()), [name.with(Protocol::P2p(b.id()))]);
}

#[tokio::test]
async fn web_sockets_carry_the_same() {
    let mut listening = config();
    listening.listen = vec!["/ip4/127.0.0.1/tcp/0/ws".parse().unwrap()];
    let (a, b) = (Host::start(config()).await, Host::start(listening).await);
    assert!(b.address().to_string().ends_with("/ws"));
    a.meet(&b).await;
    let (_, stream) = a.swarm.open(b.id(), &RPC[1..]).await.unwrap();
    assert_eq!(echo(stream).await, "/ipfscluster/1.0/rpcping");
}

#[tokio::test]
async fn without_a_secret_the_network_is_open() {
    let mut open = config();
    open.secret = None;
    let (a, b) = (Host::start(open.clone()).await, {
        open.keypair = libp2p::identity::Keypair::generate_ed25519();
        Host::start(open).await
    });
    a.meet(&b).await;
}

#[tokio::test]
async fn both_may_dial_at_the_same_moment() {
    for _ in 0..10 {
        let (a, b) = (Host::start(config()).await, Host::start(config()).await);
        let (there, back) = tokio::join!(
            a.swarm.connect(b.id(), vec![b.address()]),
            b.swarm.connect(a.id(), vec![a.address()])
        );
        assert_eq!((there, back), (Ok(()), Ok(())));
        a.identified(b.id()).await;
        b.identified(a.id()).await;
        let (_, stream) = a.swarm.open(b.id(), RPC).await.unwrap();
        assert_eq!(echo(stream).await, "/cluster/rpc/1.0.0ping");
    }
}

/// Returns a host whose only peer has stopped, and the settings with which that one starts again where it was.
async fn met_one_that_stopped() -> (Host, SwarmConfig) {
    let mut settings = config();
    let (a, b) = (Host::start(config()).await, Host::start(settings.clone()).await);
    a.meet(&b).await;
    settings.listen = vec![b.address()];
    b.swarm.stop().await;
    a.disconnected(b.id()).await;
    (a, settings)
}

#[tokio::test]
async fn a_restarted_peer_is_the_same_peer() {
    let (a, settings) = met_one_that_stopped().await;
    let b = Host::start(settings).await;
    let (_, stream) = a.swarm.open(b.id(), RPC).await.unwrap();
    assert_eq!(echo(stream).await, "/cluster/rpc/1.0.0ping");
    let (_, stream) = b.swarm.open(a.id(), RPC).await.unwrap();
    assert_eq!(echo(stream).await, "/cluster/rpc/1.0.0ping");
}

#[tokio::test]
async fn a_lost_peer_is_dialled_again() {
    let (a, settings) = met_one_that_stopped().await;
    // It knows nobody: only the other side can dial.
    let b = Host::start(settings).await;
    b.identified(a.id()).await;
}

#[tokio::test]
async fn another_secret_is_named_as_the_cause() {
    let mut other = config();
    other.secret = secret(8);
    let mut none = config();
    none.secret = None;
    let (a, other, none) = (Host::start(config()).await, Host::start(other).await, Host::start(none).await);
    // Somebody who accepts and says nothing.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let there: Multiaddr = format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
    let nobody = PeerId::random();
    let limit = Duration::from_secs(15);
    let (first, second, third) = tokio::join!(
        timeout(limit, a.swarm.connect(other.id(), vec![other.address()])),
        timeout(limit, a.swarm.connect(none.id(), vec![none.address()])),
        timeout(limit, a.swarm.connect(nobody, vec![there])),
    );
    for (peer, result) in [(other.id(), first), (none.id(), second), (nobody, third)] {
        match result.expect("within 15 s") {
            Err(ConnectError::Secret { peer: of, .. }) => assert_eq!(of, peer),
            result => panic!("{peer}: {result:?}"),
        }
    }
    assert_eq!(a.swarm.counters().handshake_warnings.get(), 1);
    assert!(a.swarm.counters().handshake_failures.get() >= 3);
    eventually("the other side warns too", || other.swarm.counters().handshake_warnings.get() == 1).await;
}

#[tokio::test]
async fn failures_say_what_happened() {
    let a = Host::start(config()).await;
    let nobody = PeerId::random();
    assert_eq!(a.swarm.connect(nobody, Vec::new()).await, Err(ConnectError::NoAddress { peer: nobody }));
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
    let closed: Multiaddr = format!("/ip4/127.0.0.1/tcp/{free}").parse().unwrap();
    let failed = a.swarm.connect(nobody, vec![closed]).await;
    assert!(matches!(failed, Err(ConnectError::Failed { .. })), "{failed:?}");
    let b = Host::start(config()).await;
    let mistaken = a.swarm.connect(nobody, vec![b.address()]).await;
    assert!(matches!(mistaken, Err(ConnectError::Failed { .. })), "{mistaken:?}");
    a.swarm.stop().await;
    assert_eq!(a.swarm.connect(b.id(), vec![b.address()]).await, Err(ConnectError::Stopping));
}

#[tokio::test]
async fn a_forgotten_peer_stays_out_until_it_is_allowed() {
    let (a, b) = (Host::start(config()).await, Host::start(config()).await);
    a.meet(&b).await;
    a.swarm.forget(b.id());
    a.disconnected(b.id()).await;
    b.disconnected(a.id()).await;
    assert_eq!(
        a.swarm.connect(b.id(), vec![b.address()]).await,
        Err(ConnectError::Forgotten { peer: b.id() })
    );
    assert_eq!(a.swarm.addresses_of(&b.id()), []);
    // From the other side a connection comes about and is closed again at once, or does not come about.
    let _ = b.swarm.connect(a.id(), vec![a.address()]).await;
    eventually("refused", || a.swarm.counters().refused_connections.get() > 0).await;
    assert!(a.swarm.known_peers().iter().all(|known| !known.connected));
    a.swarm.allow(b.id());
    a.swarm.connect(b.id(), vec![b.address()]).await.unwrap();
    assert!(a.swarm.known_peers().iter().any(|known| known.connected && known.id == b.id()));
}

#[tokio::test]
async fn what_is_announced_is_what_others_learn() {
    let (told, hidden): (Multiaddr, Multiaddr) =
        ("/ip4/10.1.2.3/tcp/9096".parse().unwrap(), "/ip4/172.16.0.1/tcp/9096".parse().unwrap());
    let mut settings = config();
    settings.announce = vec![told.clone(), hidden];
    settings.no_announce = vec!["/ip4/172.16.0.0/ipcidr/12".parse().unwrap()];
    let (a, b) = (Host::start(settings).await, Host::start(config()).await);
    let announced = [told.with(Protocol::P2p(a.id()))];
    assert_eq!(a.swarm.local_addresses(), announced);
    // b is dialled, so it knows of a what a says.
    a.meet(&b).await;
    assert_eq!(b.swarm.addresses_of(&a.id()), announced);
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let a = Host::start(config()).await;
    let mut same = config();
    same.listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap(), a.address()];
    let parts = |listener| HostParts {
        listener,
        inbound: Arc::new(Nobody),
        tasks: a.tasks.clone(),
        decode_metric: |_| None,
        encode_metric: |_| Vec::new(),
    };
    match cluster_swarm::Host::start(same.clone(), parts(a.heard.clone())).await {
        Err(SwarmError::AddressInUse { address }) => assert_eq!(address, a.address()),
        other => panic!("{:?}", other.err()),
    }
    same.listen.pop();
    let refused = cluster_swarm::Host::start(same, parts(a.heard.clone())).await.err();
    assert!(matches!(refused, Some(SwarmError::NoListenAddress)), "{refused:?}");
}

struct Nobody;

impl cluster_swarm::InboundStreams for Nobody {
    fn on_stream(&self, _: PeerId, _: StreamProtocol, _: cluster_swarm::BoxedStream) {}
}

#[tokio::test]
async fn too_many_connections_are_closed_but_not_those_that_matter() {
    let mut settings = config();
    settings.connection_manager =
        ConnectionManagerConfig { low_water: 2, high_water: 3, grace_period: Duration::from_secs(1) };
    let hub = Host::with(settings, OnStream::Hold).await;
    let protected = Host::start(config()).await;
    hub.swarm.protect(vec![protected.id()]);
    protected.swarm.connect(hub.id(), vec![hub.address()]).await.unwrap();
    let idle = [Host::start(config()).await, Host::start(config()).await];
    for host in &idle {
        host.swarm.connect(hub.id(), vec![hub.address()]).await.unwrap();
    }
    // The youngest would go first if it were idle.
    let busy = Host::start(config()).await;
    busy.swarm.connect(hub.id(), vec![hub.address()]).await.unwrap();
    let (_, open) = busy.swarm.open(hub.id(), RPC).await.unwrap();
    for host in &idle {
        hub.disconnected(host.id()).await;
    }
    for kept in [&protected, &busy] {
        assert!(!hub.heard.heard().contains(&Heard::Peer(PeerEvent::Disconnected(kept.id()))));
    }
    assert_eq!(hub.swarm.counters().trimmed_connections.get(), 2);
    drop(open);
}

#[tokio::test]
async fn without_memory_to_spare_no_connection_is_taken() {
    let mut settings = config();
    settings.resource_limits = Some(ResourceLimits { memory_bytes: 1, file_descriptors: 0 });
    let (a, b) = (Host::start(config()).await, Host::start(settings).await);
    a.swarm.connect(b.id(), vec![b.address()]).await.unwrap_err();
    assert!(b.swarm.counters().refused_connections.get() > 0);
    assert_eq!(b.swarm.known_peers().iter().filter(|peer| peer.connected).count(), 0);
}

#[tokio::test]
async fn stopping_ends_connections_and_requests() {
    let (a, b) = (Host::start(config()).await, Host::start(config()).await);
    a.meet(&b).await;
    a.swarm.stop().await;
    b.disconnected(a.id()).await;
    assert_eq!(a.swarm.open(b.id(), RPC).await.err(), Some(OpenError::Stopping));
    assert!(a.tasks.stop(LIMIT).await, "no task is left");
}
