//! Decides whom to ask for what and when: the client's half of bitswap, without its input and output.

use super::{message::Ask, ordered_map::OrderedMap};
use cid::Cid;
use cluster_core::PeerId;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

/// How long the peer that should have a block is waited for before the others are asked.
pub(super) const FIRST_PATIENCE: Duration = Duration::from_secs(1);

/// How long a peer that said HAVE is waited for before the next one is asked for the block.
pub(super) const PROVIDER_PATIENCE: Duration = Duration::from_secs(5);

/// How often a want is told again to the peers that did not serve it.
pub(super) const ROUND: Duration = Duration::from_secs(10);

/// Number of further peers asked in one round, as many as Go asks.
pub(super) const PEERS_PER_ROUND: usize = 64;

/// The shortest and the longest wait before a peer whose stream broke is tried again.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// What happens to the wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WantInput {
    /// A block is wanted; `first` should have it.
    Want {
        /// The block.
        cid: Cid,
        /// Asked before all others.
        first: Option<PeerId>,
    },
    /// A block is no longer wanted.
    Release {
        /// The block.
        cid: Cid,
        /// The peer that sent it: it needs no cancel.
        from: Option<PeerId>,
    },
    /// A peer is connected.
    Connected(PeerId),
    /// A peer is gone.
    Disconnected(PeerId),
    /// A peer sent a message.
    Heard(PeerId),
    /// A peer has a block (true) or lacks it (false).
    Presence {
        /// The peer.
        peer: PeerId,
        /// The block.
        cid: Cid,
        /// Whether it is there.
        have: bool,
    },
    /// The stream of wants to a peer broke: what was written last may be lost.
    StreamLost(PeerId),
    /// No stream of wants to a peer could be opened.
    Unreachable(PeerId),
    /// A peer does not speak bitswap.
    Unsupported(PeerId),
    /// Time has passed.
    Tick,
}

/// Something that has a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    Want(Cid),
    Peer(PeerId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// May be asked; the number of streams that broke since it was heard last.
    Up(u32),
    /// Is asked again at the alarm set for it.
    Down(u32),
    /// Is asked again once it sends something.
    Deaf,
}

#[derive(Debug)]
struct Peer {
    /// What it is to be told; at most one entry for every want or cancel of what it was told.
    outbox: OrderedMap<Cid, Ask>,
    standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It was asked whether it has the block.
    Asked,
    /// It has the block.
    Has,
    /// It was asked for the block; others wait for it until then.
    Serves(Instant),
    /// It lacks the block.
    Lacks,
}

#[derive(Debug)]
struct Asked {
    peer: PeerId,
    state: State,
    /// Whether the peer may know of the want and has to be told its end.
    told: bool,
}

#[derive(Debug)]
struct Want {
    asked: Vec<Asked>,
    /// When the want is told again; `None` while only the first peer is asked.
    round: Option<Instant>,
    alarm: Instant,
}

/// All wants of this peer and what every other peer is to be told about them.
#[derive(Debug, Default)]
pub(super) struct WantList {
    peers: BTreeMap<PeerId, Peer>,
    wants: HashMap<Cid, Want>,
    alarms: BTreeSet<(Instant, Alarm)>,
}

impl WantList {
    /// Takes note of something; returns the peers that have to be told something.
    pub(super) fn handle(&mut self, input: WantInput, now: Instant) -> Vec<PeerId> {
        let mut ready = Vec::new();
        match input {
            WantInput::Want { cid, first } => self.on_want(cid, first, now, &mut ready),
            WantInput::Release { cid, from } => self.on_release(&cid, from, &mut ready),
            WantInput::Connected(peer) => self.on_up(peer, Standing::Up(0), now, &mut ready),
            WantInput::Disconnected(peer) => {
                self.on_gone(&peer, now, &mut ready);
                self.peers.remove(&peer);
            }
            WantInput::Heard(peer) => self.on_heard(peer, now, &mut ready),
            WantInput::Presence { peer, cid, have } => self.on_presence(peer, cid, have, now, &mut ready),
            WantInput::StreamLost(peer) => self.on_stream_lost(peer, now, &mut ready),
            WantInput::Unreachable(peer) => self.on_unreachable(peer, now, &mut ready),
            WantInput::Unsupported(peer) => {
                if let Some(known) = self.peers.get_mut(&peer) {
                    known.standing = Standing::Deaf;
                    self.on_gone(&peer, now, &mut ready);
                }
            }
            WantInput::Tick => self.on_tick(now, &mut ready),
        }
        ready
    }

    /// Returns when [`WantInput::Tick`] is due.
    pub(super) fn next_alarm(&self) -> Option<Instant> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// Says whether a peer has to be told something.
    pub(super) fn has_news(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|peer| !peer.outbox.is_empty())
    }

    /// Takes out what a peer is told in the next message.
    pub(super) fn take(&mut self, peer: &PeerId, most: usize) -> Vec<(Cid, Ask)> {
        let Some(known) = self.peers.get_mut(peer) else { return Vec::new() };
        let mut taken = Vec::with_capacity(most.min(known.outbox.len()));
        while taken.len() < most
            && let Some((cid, ask)) = known.outbox.pop_oldest()
        {
            if let Some(asked) = self.wants.get_mut(&cid).and_then(|want| want.asked_of(peer)) {
                asked.told = true;
            }
            taken.push((cid, ask));
        }
        taken
    }

    fn on_want(&mut self, cid: Cid, first: Option<PeerId>, now: Instant, ready: &mut Vec<PeerId>) {
        let is_new = !self.wants.contains_key(&cid);
        let want =
            self.wants.entry(cid).or_insert_with(|| Want { asked: Vec::new(), round: None, alarm: now });
        if let Some(first) = first
            && want.asked_of(&first).is_none()
            && let Some(peer) = self.peers.get_mut(&first)
            && matches!(peer.standing, Standing::Up(_))
        {
            // Whoever is asked for the block already is likely to send it.
            let state = if is_new { State::Serves(now + FIRST_PATIENCE) } else { State::Asked };
            want.ask(cid, first, peer, state, ready);
        }
        if is_new {
            self.advance(cid, now, ready);
        }
    }

    fn on_release(&mut self, cid: &Cid, from: Option<PeerId>, ready: &mut Vec<PeerId>) {
        let Some(want) = self.wants.remove(cid) else { return };
        self.alarms.remove(&(want.alarm, Alarm::Want(*cid)));
        for asked in want.asked {
            let Some(peer) = self.peers.get_mut(&asked.peer) else { continue };
            peer.outbox.remove(cid);
            if asked.told && from != Some(asked.peer) {
                peer.outbox.insert(*cid, Ask::Cancel);
                ready.push(asked.peer);
            }
        }
    }

    /// Asks a peer that can be asked now for all that others are asked for, too.
    fn on_up(&mut self, id: PeerId, standing: Standing, now: Instant, ready: &mut Vec<PeerId>) {
        let peer = self.peers.entry(id).or_insert_with(|| Peer { outbox: OrderedMap::default(), standing });
        peer.standing = standing;
        self.alarms.retain(|(_, alarm)| *alarm != Alarm::Peer(id));
        let mut asked = Vec::new();
        for (cid, want) in &mut self.wants {
            if want.round.is_some() && want.asked_of(&id).is_none() {
                want.ask(*cid, id, peer, State::Asked, ready);
                asked.push(*cid);
            }
        }
        for cid in asked {
            self.advance(cid, now, ready);
        }
    }

    /// Takes a peer out of all wants.
    fn on_gone(&mut self, id: &PeerId, now: Instant, ready: &mut Vec<PeerId>) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.outbox.clear();
        }
        self.alarms.retain(|(_, alarm)| *alarm != Alarm::Peer(*id));
        let mut changed = Vec::new();
        for (cid, want) in &mut self.wants {
            let before = want.asked.len();
            want.asked.retain(|asked| asked.peer != *id);
            if want.asked.len() < before {
                changed.push(*cid);
            }
        }
        for cid in changed {
            self.advance(cid, now, ready);
        }
    }

    fn on_heard(&mut self, id: PeerId, now: Instant, ready: &mut Vec<PeerId>) {
        match self.peers.get_mut(&id).map(|peer| &mut peer.standing) {
            Some(Standing::Up(failures)) => *failures = 0,
            Some(Standing::Deaf) => self.on_up(id, Standing::Up(0), now, ready),
            Some(Standing::Down(_)) | None => {}
        }
    }

    fn on_presence(&mut self, peer: PeerId, cid: Cid, have: bool, now: Instant, ready: &mut Vec<PeerId>) {
        let Some(asked) = self.wants.get_mut(&cid).and_then(|want| want.asked_of(&peer)) else { return };
        match (have, asked.state) {
            // It sends the block, or said so before.
            (true, State::Serves(_) | State::Has) => return,
            (true, _) => asked.state = State::Has,
            (false, _) => asked.state = State::Lacks,
        }
        self.advance(cid, now, ready);
    }

    fn on_stream_lost(&mut self, id: PeerId, now: Instant, ready: &mut Vec<PeerId>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        match peer.standing {
            // The first time at once: most likely one of two connections ended.
            Standing::Up(0) => {
                peer.standing = Standing::Up(1);
                for (cid, want) in &mut self.wants {
                    let Some(asked) = want.asked_of(&id) else { continue };
                    match asked.state {
                        State::Asked => tell(*cid, id, peer, Ask::Have, ready),
                        State::Serves(_) => tell(*cid, id, peer, Ask::Block, ready),
                        State::Has | State::Lacks => false,
                    };
                }
            }
            Standing::Up(_) | Standing::Down(_) => self.on_unreachable(id, now, ready),
            Standing::Deaf => {}
        }
    }

    fn on_unreachable(&mut self, id: PeerId, now: Instant, ready: &mut Vec<PeerId>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let failures = match peer.standing {
            Standing::Up(failures) | Standing::Down(failures) => failures,
            Standing::Deaf => return,
        };
        peer.standing = Standing::Down(failures + 1);
        self.on_gone(&id, now, ready);
        let wait = BACK_OFF.0.saturating_mul(1 << failures.min(16)).min(BACK_OFF.1);
        self.alarms.insert((now + wait, Alarm::Peer(id)));
    }

    fn on_tick(&mut self, now: Instant, ready: &mut Vec<PeerId>) {
        while let Some((at, alarm)) = self.alarms.first().copied()
            && at <= now
        {
            self.alarms.pop_first();
            match alarm {
                Alarm::Want(cid) => self.advance(cid, now, ready),
                Alarm::Peer(id) => {
                    if let Some(Standing::Down(failures)) = self.peers.get(&id).map(|peer| peer.standing) {
                        self.on_up(id, Standing::Up(failures), now, ready);
                    }
                }
            }
        }
    }

    /// Does what is next for a want: ask the next peer that has the block for it, ask more peers whether they have
    /// it, or wait; sets its alarm.
    fn advance(&mut self, cid: Cid, now: Instant, ready: &mut Vec<PeerId>) {
        let Some(want) = self.wants.get_mut(&cid) else { return };
        self.alarms.remove(&(want.alarm, Alarm::Want(cid)));

        if want.round.is_some_and(|round| round <= now) {
            for asked in &mut want.asked {
                let Some(peer) = self.peers.get_mut(&asked.peer) else { continue };
                let waited_for = matches!(asked.state, State::Serves(until) if until > now);
                if asked.state != State::Has && !waited_for {
                    asked.state = State::Asked;
                    asked.told |= tell(cid, asked.peer, peer, Ask::Have, ready);
                }
            }
        }
        let is_served = |want: &Want| want.served_until().is_some_and(|until| until > now);
        if !is_served(want)
            && let Some(asked) = want.asked.iter_mut().find(|asked| asked.state == State::Has)
            && let Some(peer) = self.peers.get_mut(&asked.peer)
        {
            asked.state = State::Serves(now + PROVIDER_PATIENCE);
            asked.told |= tell(cid, asked.peer, peer, Ask::Block, ready);
        }
        if want.round.map_or(!is_served(want), |round| round <= now) {
            want.round = Some(now + ROUND);
            let mut more = PEERS_PER_ROUND;
            for (id, peer) in &mut self.peers {
                if more > 0 && matches!(peer.standing, Standing::Up(_)) && want.asked_of(id).is_none() {
                    want.ask(cid, *id, peer, State::Asked, ready);
                    more -= 1;
                }
            }
        }

        let served = want.served_until().filter(|until| *until > now);
        // One of the two is there: a want that nobody serves has a round.
        want.alarm = served.into_iter().chain(want.round).min().unwrap_or(now + ROUND);
        self.alarms.insert((want.alarm, Alarm::Want(cid)));
    }
}

impl Want {
    fn asked_of(&mut self, peer: &PeerId) -> Option<&mut Asked> {
        self.asked.iter_mut().find(|asked| asked.peer == *peer)
    }

    /// Returns until when the others wait for a peer that was asked for the block.
    fn served_until(&self) -> Option<Instant> {
        let until = |asked: &Asked| if let State::Serves(until) = asked.state { Some(until) } else { None };
        self.asked.iter().filter_map(until).max()
    }

    fn ask(&mut self, cid: Cid, id: PeerId, peer: &mut Peer, state: State, ready: &mut Vec<PeerId>) {
        let ask = if matches!(state, State::Serves(_)) { Ask::Block } else { Ask::Have };
        let told = tell(cid, id, peer, ask, ready);
        self.asked.push(Asked { peer: id, state, told });
    }
}

/// Puts an entry into the outbox of a peer; true when it takes the place of a cancel that the peer then misses.
fn tell(cid: Cid, id: PeerId, peer: &mut Peer, ask: Ask, ready: &mut Vec<PeerId>) -> bool {
    ready.push(id);
    peer.outbox.insert(cid, ask) == Some(Ask::Cancel)
}

#[cfg(test)]
mod tests;
