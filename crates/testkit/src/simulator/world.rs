//! Time, the network, and what happens to whom.

mod commits;
mod jobs;
mod network;

use super::{
    Trace,
    chance::Chance,
    client::{Clients, Request},
    faults::{Faults, engine_config},
    oracle::{BlockContent, Name},
    queue::{Happening, Peer, Queue},
    replica::{Item, Replica},
    summary::Summary,
    verdict,
};
use anyhow::{Context, Result, bail, ensure};
use cluster_consensus::crdt::{BlockId, Broadcast, CrdtInput, EngineInput, EngineOutput};
use cluster_core::{
    PeerId, UnixMillis,
    pinset::Input,
    ports::{Datastore, consensus::Etag, datastore::Tree},
    tracker::TrackerEvent,
};
use std::{collections::BTreeMap, time::Duration};

/// When virtual time begins.
const BEGIN: UnixMillis = UnixMillis(1_700_000_000_000);

/// Virtual time after the faults within which all must be quiet.
const QUIET_LIMIT: Duration = Duration::from_secs(900);

/// Events of one seed at most; more means that somebody spins.
const MAX_EVENTS: u64 = 2_000_000;

/// A cluster in virtual time.
pub(super) struct World {
    seed: u64,
    trace: Trace,
    chance: Chance,
    queue: Queue,
    now: UnixMillis,
    faults: Faults,
    clients: Clients,
    pub(super) replicas: Vec<Replica>,
    /// Which part of a broken network each replica is in.
    parts: Vec<usize>,
    /// Every block that was ever durable somewhere.
    pub(super) blocks: BTreeMap<Name, BlockContent>,
    pub(super) summary: Summary,
    events: u64,
}

impl World {
    pub(super) fn new(seed: u64, trace: Trace) -> Result<Self> {
        let mut chance = Chance::new(seed);
        let faults = Faults::of(&mut chance);
        let mut replicas = Vec::new();
        for number in 0..faults.replicas {
            // Not keys, but peer IDs all the same: the hash of a number.
            let digest: [u8; 32] = sha2::Digest::finalize(sha2::Digest::chain_update(
                <sha2::Sha256 as sha2::Digest>::new(),
                [number as u8],
            ))
            .into();
            let bytes = [[0x12, 32].as_slice(), &digest].concat();
            replicas.push(Replica::new(PeerId::from_bytes(&bytes)?, engine_config(&mut chance))?);
        }
        let peers = replicas.iter().map(|replica| replica.local).collect();
        Ok(Self {
            seed,
            trace,
            clients: Clients::new(faults.keys, peers),
            chance,
            queue: Queue::default(),
            now: BEGIN,
            parts: vec![0; faults.replicas],
            faults,
            replicas,
            blocks: BTreeMap::new(),
            summary: Summary::default(),
            events: 0,
        })
    }

    /// Plays the seed: faults, healing, quiet, verdict.
    pub(super) fn play(mut self) -> Result<Summary> {
        let result = self.play_all();
        let millis = self.now.0 - BEGIN.0;
        self.summary.millis = millis;
        match result {
            Ok(()) => Ok(self.summary),
            Err(error) => {
                Err(error.context(format!("seed {} at {}.{:03} s", self.seed, millis / 1000, millis % 1000)))
            }
        }
    }

    fn play_all(&mut self) -> Result<()> {
        self.plan_everything();
        let end = BEGIN.plus(Duration::from_millis(self.faults.duration));
        self.run_until(end)?;
        self.heal()?;
        let limit = self.now.plus(QUIET_LIMIT);
        loop {
            self.run_until(self.now.plus(Duration::from_millis(500)))?;
            match verdict::unrest(self)? {
                None => return verdict::judge(self),
                Some(reason) if self.now > limit => bail!("never quiet: {reason}"),
                Some(_) => {}
            }
        }
    }

    fn plan_everything(&mut self) {
        let (peers, duration) = (self.faults.replicas, self.faults.duration);
        for peer in 0..peers {
            let late = peer >= peers - self.faults.late;
            let at =
                if late { self.chance.within(duration / 4..duration) } else { self.chance.within(0..500) };
            self.plan_in(at, peer, Happening::Start);
        }
        for _ in 0..self.faults.requests {
            let (at, peer) = (self.chance.within(0..duration), self.chance.index(peers));
            self.plan_in(at, peer, Happening::Client);
            // People often change their mind at once.
            if self.chance.permille(250) {
                let at = at + self.chance.within(0..60);
                self.plan_in(at, peer, Happening::Client);
            }
        }
        for _ in 0..self.faults.crashes {
            let (at, peer) = (self.chance.within(0..duration), self.chance.index(peers));
            self.plan_in(at, peer, Happening::Crash);
        }
        for _ in 0..self.faults.partitions {
            let at = self.chance.within(0..duration);
            self.plan_in(at, 0, Happening::Split);
            let until = at + self.chance.within(1000..40_000);
            self.plan_in(until, 0, Happening::Join);
        }
        for _ in 0..6 {
            let (at, peer) = (self.chance.within(0..duration), self.chance.index(peers));
            self.plan_in(at, peer, Happening::Audit);
        }
    }

    /// Ends all faults and starts what is down.
    fn heal(&mut self) -> Result<()> {
        self.say(0, || "all heals".to_owned());
        self.faults.heal();
        self.parts.iter_mut().for_each(|part| *part = 0);
        for peer in 0..self.replicas.len() {
            if self.replicas[peer].process.is_none() {
                self.on_start(peer).with_context(|| format!("replica {peer}"))?;
            }
        }
        Ok(())
    }

    fn run_until(&mut self, end: UnixMillis) -> Result<()> {
        while self.queue.next_at().is_some_and(|at| at <= end) {
            let Some((at, peer, happening)) = self.queue.next() else { break };
            self.now = self.now.max(at);
            self.events += 1;
            ensure!(self.events < MAX_EVENTS, "too much happens: somebody spins");
            self.happen(peer, happening).with_context(|| format!("replica {peer}"))?;
        }
        self.now = end;
        Ok(())
    }

    fn happen(&mut self, peer: Peer, happening: Happening) -> Result<()> {
        let alive = |life: u32| self.replicas[peer].process.is_some() && self.replicas[peer].life == life;
        match happening {
            Happening::Client => self.on_client(peer),
            Happening::Request(request) => self.on_request(peer, request),
            Happening::Gossip { author, payload } => self.on_gossip(peer, author, &payload),
            Happening::Ask { life, id } if alive(life) => self.on_ask(peer, id),
            Happening::Answer { life, id, bytes } if alive(life) => match bytes {
                Some(bytes) => self.tell_engine(peer, EngineInput::BlockReceived { id, bytes }),
                None => self.tell_engine(peer, EngineInput::FetchFailed(id)),
            },
            Happening::Stage { life, input } if alive(life) => self.on_stage(peer, input),
            Happening::Transition { life, input } if alive(life) => self.on_transition(peer, input),
            Happening::Commit { life } if alive(life) => self.on_commit(peer),
            Happening::EngineTick { life } if alive(life) => self.on_engine_tick(peer),
            Happening::TrackerTick { life } if alive(life) => self.on_tracker_tick(peer),
            Happening::JobEnd { life, key, revision, action } if alive(life) => {
                self.on_job_end(peer, key, revision, action)
            }
            Happening::Recover { life } if alive(life) => self.on_recover(peer),
            Happening::Crash => self.on_crash(peer),
            Happening::Start => match self.replicas[peer].process {
                Some(_) => Ok(()),
                None => self.on_start(peer),
            },
            Happening::Audit => self.on_audit(peer),
            Happening::Split => {
                for part in &mut self.parts {
                    *part = self.chance.index(2);
                }
                let parts = self.parts.clone();
                self.say(0, || format!("the network splits: {parts:?}"));
                Ok(())
            }
            Happening::Join => {
                self.parts.iter_mut().for_each(|part| *part = 0);
                self.say(0, || "the network is whole".to_owned());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn on_client(&mut self, peer: Peer) -> Result<()> {
        let model = &self.replicas[peer].model;
        let tag = |key: &cluster_core::PinKey| model.shown(key.as_bytes()).map(|value| Etag::of(&value));
        let request = self.clients.next(&mut self.chance, peer, self.now, tag);
        self.on_request(peer, request)
    }

    fn on_request(&mut self, peer: Peer, request: Request) -> Result<()> {
        let now = self.now;
        let Some(process) = self.replicas[peer].working() else {
            self.repeat_later(peer, request);
            return Ok(());
        };
        let ticket = process.writer.stage(Input::Submit(Box::new(request.operation.clone())), now);
        let text = format!("request {:?}", request.operation);
        process.items.push(Item::Request { ticket, request, at: now });
        self.say(peer, || text);
        let wait = self.chance.within(0..9);
        self.plan_commit(peer, wait);
        Ok(())
    }

    /// Lets a client ask again whose request got no answer.
    fn repeat_later(&mut self, peer: Peer, mut request: Request) {
        self.summary.unknown += 1;
        if request.repeats > 0 {
            request.repeats -= 1;
            let wait = self.chance.within(300..6000);
            self.plan_in(wait, peer, Happening::Request(request));
        }
    }

    fn on_stage(&mut self, peer: Peer, input: CrdtInput) -> Result<()> {
        let now = self.now;
        let Some(process) = self.replicas[peer].working() else { return Ok(()) };
        if let CrdtInput::Block { id, .. } = &input {
            process.items.push(Item::Block(id.0));
        }
        process.writer.stage(Input::Backend(input), now);
        let full = process.writer.is_full();
        self.plan_commit(peer, if full { 0 } else { 20 });
        Ok(())
    }

    /// Gives the engine an input and carries out what it wants.
    fn tell_engine(&mut self, peer: Peer, input: EngineInput) -> Result<()> {
        let now = self.now;
        let replica = &mut self.replicas[peer];
        let life = replica.life;
        let view = replica.store.snapshot()?;
        let Some(process) = &mut replica.process else { return Ok(()) };
        let outputs = process.engine.handle(input, now, &*view)?;
        drop(view);
        for output in outputs {
            match output {
                EngineOutput::Stage(input) => {
                    let at = self.through_pipe(peer);
                    self.queue.plan(at, peer, Happening::Stage { life, input });
                }
                EngineOutput::Fetch { id, .. } => {
                    let wait = self.delay();
                    self.plan_in(wait, peer, Happening::Ask { life, id });
                }
                EngineOutput::Announce(heads) => self.announce(peer, heads)?,
            }
        }
        self.plan_engine_tick(peer);
        Ok(())
    }

    fn on_engine_tick(&mut self, peer: Peer) -> Result<()> {
        let (now, random) = (self.now, self.chance.any());
        let Some(process) = &mut self.replicas[peer].process else { return Ok(()) };
        process.tick = None;
        if process.engine.deadline() <= now {
            return self.tell_engine(peer, EngineInput::Tick { random });
        }
        self.plan_engine_tick(peer);
        Ok(())
    }

    fn plan_engine_tick(&mut self, peer: Peer) {
        let now = self.now;
        let replica = &mut self.replicas[peer];
        let life = replica.life;
        let Some(process) = &mut replica.process else { return };
        let at = process.engine.deadline().max(UnixMillis(now.0 + 1));
        if process.tick.is_none_or(|planned| at < planned) {
            process.tick = Some(at);
            self.queue.plan(at, peer, Happening::EngineTick { life });
        }
    }

    fn plan_commit(&mut self, peer: Peer, wait: u64) {
        let life = self.replicas[peer].life;
        self.plan_in(wait, peer, Happening::Commit { life });
    }

    fn plan_in(&mut self, millis: u64, peer: Peer, happening: Happening) {
        self.queue.plan(self.now.plus(Duration::from_millis(millis)), peer, happening);
    }

    /// Says when a message sent now reaches the writer: usually at once, sometimes late, never out of order.
    fn through_pipe(&mut self, peer: Peer) -> UnixMillis {
        let wait =
            if self.chance.permille(100) { self.chance.within(5..150) } else { self.chance.within(0..4) };
        let at = self.now.plus(Duration::from_millis(wait));
        match &mut self.replicas[peer].process {
            Some(process) => {
                process.pipe = process.pipe.max(at);
                process.pipe
            }
            None => at,
        }
    }

    fn on_start(&mut self, peer: Peer) -> Result<()> {
        self.say(peer, || "starts".to_owned());
        let (now, random) = (self.now, self.chance.any());
        self.replicas[peer].start(now)?;
        self.compare_shown(peer).context("after a start")?;
        let life = self.replicas[peer].life;
        self.plan_in(1, peer, Happening::TrackerTick { life });
        self.tell_tracker(peer, vec![TrackerEvent::Resync])?;
        self.tell_engine(peer, EngineInput::Start { random })?;
        // A pace of zero is none.
        let slow = !self.replicas[peer].config.slow_delta_time.is_zero();
        self.tell_engine(peer, EngineInput::SlowPeers(slow))
    }

    fn on_crash(&mut self, peer: Peer) -> Result<()> {
        let replica = &mut self.replicas[peer];
        let Some(process) = replica.process.take() else { return Ok(()) };
        replica.life += 1;
        replica.store = std::sync::Arc::new(replica.store.power_cut());
        replica.armed = None;
        self.summary.crashes += 1;
        self.say(peer, || "loses power".to_owned());
        // What the IPFS daemon was asked for may have happened or not.
        for (key, job) in process.jobs {
            if self.chance.permille(500) {
                self.replicas[peer].have_done(&key.0, &job);
            }
        }
        for item in process.items {
            if let Item::Request { request, .. } = item {
                self.repeat_later(peer, request);
            }
        }
        if let Some(items) = self.replicas[peer].survivor.take() {
            self.note_survivor(peer, items)?;
        }
        let wait = self.chance.within(50..12_000);
        self.plan_in(wait, peer, Happening::Start);
        Ok(())
    }

    fn on_audit(&mut self, peer: Peer) -> Result<()> {
        if self.replicas[peer].working().is_some() {
            self.summary.audits += 1;
            verdict::recount(&self.replicas[peer])?;
        }
        Ok(())
    }

    fn say(&self, peer: Peer, text: impl FnOnce() -> String) {
        if self.trace == Trace::On {
            let millis = self.now.0 - BEGIN.0;
            eprintln!("{:>4}.{:03} {peer}: {}", millis / 1000, millis % 1000, text());
        }
    }

    pub(super) fn keys(&self) -> Vec<cluster_core::PinKey> {
        self.clients.keys().collect()
    }
}
