//! What everything in one seed shares.

use super::{
    client,
    faults::Faults,
    history::History,
    journal::Journal,
    members, nemesis,
    network::Network,
    peer::{self, Peer},
    shown::{Seen, Shown, look},
    summary::RaftSummary,
    verdict,
};
use crate::simulator::{Chance, Trace};
use anyhow::{Context, Result, anyhow};
use cluster_core::{PeerId, PinKey, ports::Datastore};
use cluster_runtime::simulation::{Host, spawn_on};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Plays one seed.
pub(super) async fn play(seed: u64, trace: Trace) -> Result<RaftSummary> {
    let world = Arc::new(World::new(seed, trace)?);
    world.say(|| format!("seed {seed}: {:?}", world.faults));
    let course = course(world.clone());
    let done = tokio::select! {
        biased;
        () = world.failed.cancelled() => Err(world.failure()),
        done = course => done,
    };
    world.healed.cancel();
    done.with_context(|| format!("seed {seed}, last events:{}", world.journal.last()))?;
    let mut summary = *world.summary();
    summary.millis = u64::try_from(world.journal.elapsed().as_millis()).unwrap_or(u64::MAX);
    summary.course = world.journal.course();
    Ok(summary)
}

async fn course(world: Arc<World>) -> Result<()> {
    for number in 0..world.peers.len() {
        peer::start(&world, number);
    }
    let faults = spawn_on(Host::WORLD, nemesis::rage(world.clone()));
    let members = spawn_on(Host::WORLD, members::change(world.clone()));
    let clients: Vec<_> = (0..world.faults.clients)
        .map(|number| spawn_on(Host::WORLD, client::ask(world.clone(), number)))
        .collect();
    tokio::time::sleep(world.faults.duration).await;
    world.say(|| "everything heals".to_owned());
    world.healed.cancel();
    faults.await?;
    for client in clients {
        client.await?;
    }
    members.await?;
    verdict::settle(&world).await?;
    verdict::judge(&world).await
}

pub(super) struct World {
    pub(super) faults: Faults,
    pub(super) journal: Journal,
    pub(super) peers: Vec<Peer>,
    pub(super) network: Network,
    pub(super) history: History,
    pub(super) shown: Shown,
    /// Told when nothing goes wrong any more.
    pub(super) healed: CancellationToken,
    failed: CancellationToken,
    chance: Mutex<Chance>,
    summary: Mutex<RaftSummary>,
    failure: Mutex<Option<anyhow::Error>>,
    keys: Vec<PinKey>,
    names: Mutex<u64>,
    /// Who led in each term.
    leaders: Mutex<BTreeMap<u64, usize>>,
    /// Who lost a disk, and may not have been given everything again.
    emptied: Mutex<BTreeSet<usize>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    fn new(seed: u64, trace: Trace) -> Result<Self> {
        let mut chance = Chance::new(seed);
        let faults = Faults::of(&mut chance);
        let peers = (0..faults.founders + faults.spares)
            .map(|number| Ok(Peer::new(peer_id(number)?, number < faults.founders)))
            .collect::<Result<_>>()?;
        let keys = (0..faults.keys).map(|number| Ok(PinKey::from_bytes(&[1, 0x55, 0, 1, number as u8])?));
        Ok(Self {
            journal: Journal::new(trace),
            peers,
            network: Network::new(faults.lost, faults.slow),
            history: History::default(),
            shown: Shown::default(),
            healed: CancellationToken::new(),
            failed: CancellationToken::new(),
            chance: Mutex::new(chance),
            summary: Mutex::default(),
            failure: Mutex::default(),
            keys: keys.collect::<Result<_>>()?,
            names: Mutex::new(0),
            leaders: Mutex::default(),
            emptied: Mutex::default(),
            faults,
        })
    }

    pub(super) fn say(&self, text: impl FnOnce() -> String) {
        self.journal.say(&text());
    }

    pub(super) fn summary(&self) -> MutexGuard<'_, RaftSummary> {
        locked(&self.summary)
    }

    pub(super) fn chance(&self) -> MutexGuard<'_, Chance> {
        locked(&self.chance)
    }

    pub(super) fn leaders(&self) -> MutexGuard<'_, BTreeMap<u64, usize>> {
        locked(&self.leaders)
    }

    pub(super) fn emptied(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        locked(&self.emptied)
    }

    pub(super) fn permille(&self, permille: u32) -> bool {
        self.chance().permille(permille)
    }

    pub(super) fn millis(&self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.chance().within(range))
    }

    pub(super) fn index(&self, len: usize) -> usize {
        self.chance().index(len)
    }

    pub(super) fn keys(&self) -> &[PinKey] {
        &self.keys
    }

    /// Returns a number that was never returned before.
    pub(super) fn number(&self) -> u64 {
        let mut names = locked(&self.names);
        *names += 1;
        *names
    }

    pub(super) fn number_of(&self, peer: &PeerId) -> Option<usize> {
        self.peers.iter().position(|known| known.id == *peer)
    }

    pub(super) fn founders(&self) -> Vec<PeerId> {
        self.peers.iter().filter(|peer| peer.is_founder).map(|peer| peer.id).collect()
    }

    /// Sleeps; not any longer once everything has healed.
    pub(super) async fn sleep_until_healed(&self, time: Duration) {
        // Either way it is over.
        let _ = tokio::time::timeout(time, self.healed.cancelled()).await;
    }

    /// Ends the seed if something is not as it must be.
    pub(super) fn require(&self, done: Result<()>) {
        if let Err(error) = done {
            locked(&self.failure).get_or_insert(error);
            self.failed.cancel();
        }
    }

    fn failure(&self) -> anyhow::Error {
        locked(&self.failure).take().unwrap_or_else(|| anyhow!("a failure without a cause"))
    }

    pub(super) fn look(&self, store: &dyn Datastore) -> Result<Seen> {
        look(store, &self.keys)
    }

    /// Spawns a task of the world.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(spawn_on(Host::WORLD, task));
    }
}

/// Makes a peer ID: no key, but the hash of a number.
fn peer_id(number: usize) -> Result<PeerId> {
    let digest: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest([number as u8]).into();
    Ok(PeerId::from_bytes(&[[0x12, 32].as_slice(), &digest].concat())?)
}
