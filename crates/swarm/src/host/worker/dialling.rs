//! Connects to peers: by the addresses known, by those the tables find, and again later.

use super::Worker;
use crate::host::{
    address_book::{AddressBook, LAST, MAX_ADDRESSES},
    own_addresses::without_peer,
    routing,
    transport::LinkError,
};
use cluster_core::{Multiaddr, PeerId, ports::swarm::ConnectError};
use libp2p::{
    kad::{GetClosestPeersError, QueryId, QueryResult},
    multiaddr::Protocol,
    swarm::{
        ConnectionId, DialError,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use rand::seq::SliceRandom;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// How long one attempt to connect may take with all its addresses and lookups.
const CONNECT_LIMIT: Duration = Duration::from_secs(14);

/// Attempts at the same time; a connect beyond is refused, a discovery is dropped.
const MAX_ATTEMPTS: usize = 256;

/// Peers dialled at the same time at the start, by rank, before the rest follows.
const FIRST_DIALS: usize = 3;

/// Peers dialled at the same time that nobody waits for.
const BACKGROUND_DIALS: usize = 8;

/// How often known peers are dialled while there are few connections.
const BOOTSTRAP_EVERY: Duration = Duration::from_secs(30);

/// How often one of the configured peers is dialled if it is not connected.
const CONFIGURED_EVERY: Duration = Duration::from_secs(5 * 60);

/// After how many seconds a peer whose connection was lost is dialled, time after time; later it is one of all that are
/// known.
const AGAIN_AFTER: [f64; 6] = [1.0, 2.0, 4.0, 8.0, 16.0, 30.0];

/// Lost peers dialled that way; more are left to the look at all known peers.
const MAX_LOST: usize = 256;

type Reply = oneshot::Sender<Result<(), ConnectError>>;

/// One of the two routing tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Table {
    Lan,
    Wan,
}

/// The attempts under way, and the peers to be dialled when there is room.
pub(super) struct Dialling {
    attempts: HashMap<PeerId, Attempt>,
    /// Bounded by the book: every peer is in it once.
    backlog: VecDeque<PeerId>,
    /// Peers whose connection was lost, each with the number of its next dial and when it is due.
    lost: HashMap<PeerId, (usize, Instant)>,
    /// Attempts that ended since the start.
    ended: usize,
    next_bootstrap: Instant,
    next_configured: Instant,
}

impl Dialling {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            attempts: HashMap::new(),
            backlog: VecDeque::new(),
            lost: HashMap::new(),
            ended: 0,
            next_bootstrap: now + BOOTSTRAP_EVERY,
            next_configured: now + CONFIGURED_EVERY,
        }
    }

    fn enqueue(&mut self, peers: impl IntoIterator<Item = PeerId>) {
        for peer in peers {
            if !self.backlog.contains(&peer) {
                self.backlog.push_back(peer);
            }
        }
    }

    /// Puts known peers in line when it is time to: as many as are missing, and one of those configured in any case.
    fn enqueue_due(&mut self, now: Instant, book: &AddressBook, missing: usize) {
        if now >= self.next_bootstrap {
            self.next_bootstrap = now + BOOTSTRAP_EVERY;
            self.enqueue_unconnected(book, book.ranked(), missing);
        }
        if now >= self.next_configured {
            self.next_configured = now + CONFIGURED_EVERY;
            self.enqueue_unconnected(book, book.configured(), 1);
        }
    }

    /// Puts up to `count` of these peers in line, by chance, leaving out those that are connected.
    fn enqueue_unconnected(&mut self, book: &AddressBook, mut peers: Vec<PeerId>, count: usize) {
        peers.retain(|peer| !book.is_connected(peer));
        peers.shuffle(&mut rand::rng());
        peers.truncate(count);
        self.enqueue(peers);
    }
}

/// One attempt to connect to one peer.
struct Attempt {
    since: Instant,
    /// Nobody waits for attempts of the background; somebody may join one.
    waiters: Vec<Reply>,
    /// Addresses found for this attempt alone.
    found: Vec<Multiaddr>,
    tried: HashSet<Multiaddr>,
    dial: Option<ConnectionId>,
    fresh_port: bool,
    looked_up: bool,
    lookups: HashSet<(Table, QueryId)>,
    causes: Vec<String>,
    broke: Option<String>,
}

impl Attempt {
    fn new(found: Vec<Multiaddr>) -> Self {
        Self {
            since: Instant::now(),
            waiters: Vec::new(),
            found,
            tried: HashSet::new(),
            dial: None,
            fresh_port: false,
            looked_up: false,
            lookups: HashSet::new(),
            causes: Vec::new(),
            broke: None,
        }
    }

    fn error(self, peer: PeerId) -> (ConnectError, Vec<Reply>) {
        let error = match self.broke {
            Some(cause) => ConnectError::Secret { peer, cause },
            None if self.tried.is_empty() => ConnectError::NoAddress { peer },
            None if self.causes.is_empty() => {
                ConnectError::Failed { peer, cause: format!("no answer within {}s", CONNECT_LIMIT.as_secs()) }
            }
            None => ConnectError::Failed { peer, cause: self.causes.join("; ") },
        };
        (error, self.waiters)
    }
}

/// Spells out an error of the library, whose causes are not in its own text.
fn describe(error: &DialError) -> String {
    match error {
        DialError::Denied { cause } => match std::error::Error::source(cause) {
            Some(reason) => reason.to_string(),
            None => cause.to_string(),
        },
        other => other.to_string(),
    }
}

impl Worker {
    pub(super) fn on_connect(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, reply: Reply) {
        if self.swarm.behaviour().blocked.blocked_peers().contains(&peer) {
            // It may have been allowed a moment ago.
            self.on_forgotten_changed();
        }
        let (refused, new, connected) = {
            let mut state = self.shared.state();
            let refused = state.forgotten.contains(&peer);
            let new = !refused && peer != self.shared.own && state.book.give(peer, &addresses, LAST, false);
            (refused, new, state.book.is_connected(&peer))
        };
        if new {
            self.save_peers();
        }
        if refused {
            _ = reply.send(Err(ConnectError::Forgotten { peer }));
        } else if connected || peer == self.shared.own {
            _ = reply.send(Ok(()));
        } else if self.dialling.attempts.len() >= MAX_ATTEMPTS && !self.dialling.attempts.contains_key(&peer)
        {
            let cause = "too many peers are being dialled".into();
            _ = reply.send(Err(ConnectError::Failed { peer, cause }));
        } else {
            let attempt = self.dialling.attempts.entry(peer).or_insert_with(|| Attempt::new(Vec::new()));
            attempt.found.extend(addresses.iter().map(without_peer));
            attempt.waiters.push(reply);
            self.advance(peer);
        }
    }

    /// Connects to a peer that nobody waits for. Addresses found are not kept before it proved who it is.
    pub(super) fn dial_unasked(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        let unwanted = {
            let state = self.shared.state();
            state.forgotten.contains(&peer) || state.book.is_connected(&peer) || peer == self.shared.own
        };
        let attempts = &mut self.dialling.attempts;
        if !unwanted && attempts.len() < MAX_ATTEMPTS && !attempts.contains_key(&peer) {
            attempts.insert(peer, Attempt::new(addresses));
            self.advance(peer);
        }
    }

    /// Puts every peer known in line, the first ranks first.
    pub(super) fn dial_all_known(&mut self) {
        let ranked = self.shared.state().book.ranked();
        self.dialling.enqueue(ranked);
    }

    /// Dials from the backlog while there is room: first a few peers by rank, then more at a time.
    pub(super) fn dial_next(&mut self) {
        while !self.dialling.backlog.is_empty() {
            let room = if self.dialling.ended < FIRST_DIALS { FIRST_DIALS } else { BACKGROUND_DIALS };
            let busy = self.dialling.attempts.values().filter(|attempt| attempt.waiters.is_empty()).count();
            if busy >= room {
                return;
            }
            let Some(peer) = self.dialling.backlog.pop_front() else { return };
            self.dial_unasked(peer, Vec::new());
        }
    }

    /// Takes the next step of an attempt: dial what was not tried, else ask the tables, else give up.
    fn advance(&mut self, peer: PeerId) {
        loop {
            let known = self.shared.state().book.ways_to(&peer);
            let Some(attempt) = self.dialling.attempts.get_mut(&peer) else { return };
            if attempt.dial.is_some() {
                return;
            }
            let mut ways: Vec<Multiaddr> = known;
            ways.extend(attempt.found.iter().cloned());
            ways.retain(|address| attempt.tried.insert(address.clone()));
            if !ways.is_empty() {
                if self.dial(peer, ways, false) {
                    return;
                }
                continue;
            }
            if !attempt.looked_up && !attempt.waiters.is_empty() {
                attempt.looked_up = true;
                attempt.lookups = Self::look_up(&mut self.swarm, peer);
            }
            if attempt.lookups.is_empty() {
                self.give_up(peer);
            }
            return;
        }
    }

    /// Starts a dial; false when it failed at once.
    fn dial(&mut self, peer: PeerId, ways: Vec<Multiaddr>, fresh_port: bool) -> bool {
        // Others may be dialling the same peer; two connections are better than none.
        let options = DialOpts::peer_id(peer).condition(PeerCondition::Always).addresses(ways);
        let options = if fresh_port { options.allocate_new_port().build() } else { options.build() };
        let connection = options.connection_id();
        let result = self.swarm.dial(options);
        if let Err(error) = &result {
            self.note_outbound_failure(error);
        }
        let Some(attempt) = self.dialling.attempts.get_mut(&peer) else { return false };
        match result {
            Ok(()) => {
                attempt.dial = Some(connection);
                true
            }
            Err(error) => {
                attempt.causes.push(describe(&error));
                false
            }
        }
    }

    pub(super) fn on_outbound_failure(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        error: DialError,
    ) {
        self.note_outbound_failure(&error);
        let Some(peer) = peer else { return };
        let Some(attempt) = self.dialling.attempts.get_mut(&peer) else { return };
        if attempt.dial != Some(connection) {
            return;
        }
        attempt.dial = None;
        let mut again = Vec::new();
        match error {
            DialError::Transport(failures) => {
                for (address, error) in failures {
                    let link = LinkError::of(&error);
                    if let Some(link) = link.filter(|link| link.smells_of_secret()) {
                        attempt.broke = Some(format!("{address}: {link}"));
                    }
                    if matches!(link, Some(LinkError::Broke(_))) {
                        again.push(address.clone());
                    }
                    let cause = link.map_or_else(|| error.to_string(), LinkError::to_string);
                    attempt.causes.push(format!("{address}: {cause}"));
                }
            }
            other => attempt.causes.push(describe(&other)),
        }
        // Two peers that dial each other from their listening ports at the same moment meet in one TCP connection
        // which both sides started: the handshake breaks as with another secret. A port of its own cannot meet.
        if !attempt.fresh_port && !again.is_empty() {
            attempt.fresh_port = true;
            if self.dial(peer, again, true) {
                return;
            }
        }
        self.advance(peer);
    }

    fn look_up(swarm: &mut libp2p::Swarm<super::Behaviour>, peer: PeerId) -> HashSet<(Table, QueryId)> {
        let behaviour = swarm.behaviour_mut();
        let mut lookups = HashSet::new();
        if behaviour.lan.kbuckets().any(|bucket| !bucket.is_empty()) {
            lookups.insert((Table::Lan, behaviour.lan.get_closest_peers(peer)));
        }
        if behaviour.wan.kbuckets().any(|bucket| !bucket.is_empty()) {
            lookups.insert((Table::Wan, behaviour.wan.get_closest_peers(peer)));
        }
        lookups
    }

    pub(super) fn on_lookup(&mut self, table: Table, query: QueryId, result: QueryResult, last: bool) {
        let QueryResult::GetClosestPeers(result) = result else { return };
        let asked =
            self.dialling.attempts.iter_mut().find(|(_, attempt)| attempt.lookups.contains(&(table, query)));
        let Some((&peer, attempt)) = asked else { return };
        let found = match result {
            Ok(found) => found.peers,
            Err(GetClosestPeersError::Timeout { peers, .. }) => peers,
        };
        for info in found.into_iter().filter(|info| info.peer_id == peer) {
            // On one machine the tables hold loopback addresses, and only there they are of use.
            attempt.found.extend(routing::usable(&info.addrs, true).into_iter().take(MAX_ADDRESSES).map(
                |address| match address.iter().last() {
                    Some(Protocol::P2p(id)) if id == peer => without_peer(&address),
                    _ => address,
                },
            ));
        }
        if last {
            attempt.lookups.remove(&(table, query));
        }
        self.advance(peer);
    }

    /// Ends an attempt, if there is one, and tells those who wait.
    pub(super) fn finish_dialling(&mut self, peer: PeerId, result: Result<(), ConnectError>) {
        if let Some(attempt) = self.dialling.attempts.remove(&peer) {
            for reply in attempt.waiters {
                _ = reply.send(result.clone());
            }
            self.dialling.ended = self.dialling.ended.saturating_add(1);
        }
    }

    fn give_up(&mut self, peer: PeerId) {
        let Some(attempt) = self.dialling.attempts.remove(&peer) else { return };
        self.shared.state().book.failed(&peer);
        let (error, waiters) = attempt.error(peer);
        tracing::debug!(target: "swarm", %peer, %error, "not connected");
        for reply in waiters {
            _ = reply.send(Err(error.clone()));
        }
        self.dialling.ended = self.dialling.ended.saturating_add(1);
    }

    pub(super) fn on_dialling_tick(&mut self, now: Instant) {
        let late: Vec<PeerId> = self
            .dialling
            .attempts
            .iter()
            .filter(|(_, attempt)| now.saturating_duration_since(attempt.since) >= CONNECT_LIMIT)
            .map(|(peer, _)| *peer)
            .collect();
        for peer in late {
            self.give_up(peer);
        }
        self.dial_lost(now);
        let missing = self.limits.low_water.saturating_sub(self.swarm.connected_peers().count());
        self.dialling.enqueue_due(now, &self.shared.state().book, missing);
    }

    /// Notes that the last connection to a peer is gone. It is dialled again soon, unless connections are many: then it may
    /// have been closed because of that.
    pub(super) fn dial_again_later(&mut self, peer: PeerId, now: Instant) {
        let wanted = {
            let book = &self.shared.state().book;
            let few = self.connections.len() < self.limits.low_water;
            (few || book.is_kept(&peer)) && !book.ways_to(&peer).is_empty()
        };
        let lost = &mut self.dialling.lost;
        // One that comes and goes keeps its place in the row.
        if wanted && lost.len() < MAX_LOST && !lost.contains_key(&peer) {
            lost.insert(peer, (0, now + wait_before(0)));
        }
    }

    /// Puts the lost peers that are due before all others in line.
    fn dial_lost(&mut self, now: Instant) {
        let Dialling { lost, backlog, .. } = &mut self.dialling;
        let state = self.shared.state();
        lost.retain(|peer, (number, due)| {
            if *due > now {
                return true;
            }
            if state.book.is_connected(peer) {
                return false;
            }
            if !backlog.contains(peer) {
                backlog.push_front(*peer);
            }
            *number += 1;
            *due = now + wait_before(*number);
            *number < AGAIN_AFTER.len()
        });
    }
}

/// Returns how long to wait before a dial of a lost peer. Both sides wait: chance keeps them from dialling each other at
/// the same moment.
fn wait_before(number: usize) -> Duration {
    let seconds = AGAIN_AFTER.get(number).copied().unwrap_or_default();
    Duration::from_secs_f64(seconds * rand::random_range(0.75..1.25))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_peer_is_dialled_every_five_minutes_even_when_no_connection_is_missing() {
        let (start, mut book) = (Instant::now(), AddressBook::default());
        let [configured, connected, known] = [(); 3].map(|()| PeerId::random());
        for (peer, port, must) in [(configured, 1, true), (connected, 2, true), (known, 3, false)] {
            let address = format!("/ip4/192.0.2.1/tcp/{port}").parse().unwrap();
            book.give(peer, &[address], LAST, must);
        }
        book.connected(connected, None);
        let mut dialling = Dialling::new(start);
        let mut line_after = |seconds| {
            dialling.enqueue_due(start + Duration::from_secs(seconds), &book, 0);
            std::mem::take(&mut dialling.backlog)
        };
        assert!(line_after(299).is_empty());
        assert_eq!(line_after(300), [configured]);
        assert!(line_after(599).is_empty());
        assert_eq!(line_after(600), [configured]);
    }

    #[test]
    fn half_a_minute_brings_as_many_known_peers_as_are_missing() {
        let (start, mut book) = (Instant::now(), AddressBook::default());
        for port in 1..=5 {
            let address = format!("/ip4/192.0.2.1/tcp/{port}").parse().unwrap();
            book.give(PeerId::random(), &[address], LAST, false);
        }
        let mut dialling = Dialling::new(start);
        dialling.enqueue_due(start + Duration::from_secs(29), &book, 2);
        assert!(dialling.backlog.is_empty());
        dialling.enqueue_due(start + Duration::from_secs(30), &book, 2);
        assert_eq!(dialling.backlog.len(), 2);
    }
}
