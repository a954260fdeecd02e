//! Finds peers of the local network by multicast, and is found (wire-protocol §1.3).

pub(super) mod message;

use super::{handle::Command, routing, shared::Shared};
use cluster_core::Multiaddr;
use libp2p::multiaddr::Protocol;
use rand::{Rng, distr::Alphanumeric};
use socket2::{Domain, SockRef, Socket, Type};
use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::UdpSocket,
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const PORT: u16 = 5353;

/// Bytes of one packet; what is larger is cut and then not understood.
const MAX_PACKET: usize = 9000;

/// Time between the first two questions; it grows fourfold up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Least time between two answers, however many ask.
const ANSWER_PAUSE: Duration = Duration::from_secs(1);

/// Asks and answers until told to stop. Without the multicast port the peer works, but finds nobody this way.
pub(super) async fn run(shared: Arc<Shared>, commands: mpsc::Sender<Command>, stop: CancellationToken) {
    let socket = match bind() {
        Ok(socket) => socket,
        Err(error) => {
            tracing::warn!(target: "swarm", %error, "cannot listen for peers of the local network (cluster.mdns_interval)");
            return;
        }
    };
    let name: String = rand::rng().sample_iter(Alphanumeric).take(32).map(char::from).collect();
    let changes = shared.clone();
    let mut discovery =
        Discovery { shared, socket, commands, name, interfaces: BTreeSet::new(), answered: None };
    let mut packet = vec![0; MAX_PACKET];
    let mut pause = FIRST_PAUSE;
    let mut next_question = Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = changes.addresses_changed.notified() => {
                discovery.join();
                discovery.answer();
                // New interfaces were not asked yet.
                (pause, next_question) = (FIRST_PAUSE, Instant::now());
            }
            () = sleep_until(next_question) => {
                discovery.send(message::question());
                next_question = Instant::now() + pause;
                pause = (pause * 4).min(LONGEST_PAUSE);
            }
            received = discovery.socket.recv_from(&mut packet) => match received {
                Ok((length, _)) => discovery.on_packet(&packet[..length]),
                Err(error) => {
                    tracing::warn!(target: "swarm", %error, "no longer listening for peers of the local network");
                    return;
                }
            },
        }
    }
}

struct Discovery {
    shared: Arc<Shared>,
    socket: UdpSocket,
    commands: mpsc::Sender<Command>,
    name: String,
    interfaces: BTreeSet<Ipv4Addr>,
    answered: Option<Instant>,
}

impl Discovery {
    /// Joins the group on every interface connections are accepted on.
    fn join(&mut self) {
        let listening = self.shared.state().listening.clone();
        self.interfaces = listening
            .iter()
            .filter_map(|address| match routing::ip(address) {
                Some(IpAddr::V4(ip)) if !ip.is_loopback() && !ip.is_unspecified() => Some(ip),
                _ => None,
            })
            .collect();
        for interface in &self.interfaces {
            // Already a member is what most errors mean.
            if let Err(error) = self.socket.join_multicast_v4(GROUP, *interface) {
                tracing::trace!(target: "swarm", %interface, %error, "not joined");
            }
        }
    }

    fn on_packet(&mut self, packet: &[u8]) {
        let heard = message::read(packet);
        if heard.asks && self.answered.is_none_or(|answered| answered.elapsed() >= ANSWER_PAUSE) {
            self.answer();
        }
        for (peer, addresses) in heard.peers {
            let known = peer == self.shared.own || self.shared.state().book.is_connected(&peer);
            if !known && self.commands.try_send(Command::Discovered { peer, addresses }).is_err() {
                self.shared.counters.dropped_discoveries.increase();
            }
        }
    }

    fn answer(&mut self) {
        self.answered = Some(Instant::now());
        let told = self.shared.state().told.clone();
        let addresses: Vec<Multiaddr> = told
            .into_iter()
            .filter(|address| !routing::is_loopback(address))
            .map(|address| address.with(Protocol::P2p(self.shared.own)))
            .collect();
        let Some(host) = self.interfaces.first() else { return };
        self.send(message::answer(&self.name, *host, &addresses));
    }

    /// Sends a packet on every interface; one that cannot be sent now is asked for again.
    fn send(&self, packet: Option<Vec<u8>>) {
        let Some(packet) = packet else { return };
        for interface in &self.interfaces {
            let sent = SockRef::from(&self.socket)
                .set_multicast_if_v4(interface)
                .and_then(|()| self.socket.try_send_to(&packet, SocketAddrV4::new(GROUP, PORT).into()));
            if let Err(error) = sent {
                tracing::trace!(target: "swarm", %interface, %error, "not sent");
            }
        }
    }
}

fn bind() -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.set_multicast_ttl_v4(255)?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, PORT).into())?;
    UdpSocket::from_std(socket.into())
}
