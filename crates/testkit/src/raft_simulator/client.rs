//! Clients: what they ask for, of whom, and what they do when nobody knows what became of it.

use super::{
    checker::{Asked, If, Name, Told},
    disk::Disk,
    peer::Serving,
    shown::Seen,
    world::World,
};
use anyhow::{Context, Result, bail};
use cluster_core::{
    Pin,
    ports::consensus::{Etag, Operation, OperationKind, Precondition, Rejection, RequestId, SubmitError},
};
use cluster_runtime::simulation::spawn_on;
use std::{sync::Arc, time::Duration};

/// Who reads and asks for nothing else.
pub(super) const READER: usize = 99;

/// Attempts for one request with an id.
const ATTEMPTS: usize = 4;

/// What a client knows of a pin: the name and the tag that it read last.
type Known = Option<(Name, Etag)>;

/// Plays one client.
pub(super) async fn ask(world: Arc<World>, client: usize) {
    let mut known: Vec<Known> = vec![None; world.faults.keys];
    let gap = u64::try_from(world.faults.duration.as_millis()).unwrap_or(u64::MAX) / world.faults.requests;
    for _ in 0..world.faults.requests {
        let wait = world.millis(0..gap * 2);
        world.sleep_until_healed(wait).await;
        let key = world.index(world.faults.keys);
        let dice = world.chance().within(0..100);
        if dice < 35 {
            let peer = world.index(world.peers.len());
            read(&world, client, peer, key, &mut known).await;
        } else {
            change(&world, client, key, dice, known[key]).await;
        }
    }
}

/// Reads a pin from a peer, up to date; true when it was told.
pub(super) async fn read(
    world: &Arc<World>,
    client: usize,
    peer: usize,
    key: usize,
    known: &mut [Known],
) -> bool {
    let Some((host, disk, serving)) = world.peers[peer].serving() else { return false };
    let number = world.history.ask(client, peer, key, Asked::Read);
    let asked = spawn_on(host, strong_read(world.clone(), peer, disk, serving));
    let Ok(Some(seen)) = asked.await else { return false };
    let pin = seen.pins[key];
    let name = pin.map(|(name, _)| name);
    world.history.tell(number, Told::Is(name));
    world.say(|| format!("client {client} reads {name:?} of pin {key} from peer {peer}"));
    world.summary().strong_reads += 1;
    known[key] = pin;
    true
}

async fn strong_read(world: Arc<World>, peer: usize, disk: Arc<Disk>, serving: Serving) -> Option<Seen> {
    serving.consensus.read_barrier().await.ok()?;
    let seen = world.look(disk.store());
    match seen {
        Ok(seen) => {
            // A peer whose store failed meanwhile refuses the read.
            if !serving.node.is_ready() {
                return None;
            }
            world.require(world.shown.show(peer, &seen));
            Some(seen)
        }
        Err(error) => {
            world.require(Err(error));
            None
        }
    }
}

/// Looks at a peer's own store, if that is ready.
pub(super) fn local_read(world: &World, peer: usize) {
    let Some((_, disk, serving)) = world.peers[peer].serving() else { return };
    let seen = match world.look(disk.store()) {
        Ok(seen) => seen,
        Err(error) => return world.require(Err(error)),
    };
    if serving.node.is_ready() {
        world.summary().local_reads += 1;
        world.require(world.shown.show(peer, &seen));
    } else {
        world.require(world.shown.compare(peer, &seen));
    }
}

async fn change(world: &Arc<World>, client: usize, key: usize, dice: u64, known: Known) {
    let condition = match (world.chance().within(0..10), known) {
        (0..3, Some((name, _))) => If::Is(name),
        (3..5, _) => If::Absent,
        _ => If::Always,
    };
    let id = world.permille(700).then(|| world.number());
    let asked = if dice < 80 {
        Asked::Pin(world.number(), condition, id)
    } else {
        // A removal of what must not be there asks for nothing.
        let condition = if condition == If::Absent { If::Always } else { condition };
        Asked::Unpin(condition, id)
    };
    let operation = operation(world, key, asked, known);
    for attempt in 0..ATTEMPTS {
        let peer = world.index(world.peers.len());
        let told = submit(world, client, peer, key, asked, operation.clone()).await;
        match told {
            // Not done: may be asked for again in any case.
            Some(Told::NotDone) | None => {}
            // Nobody knows: only with an id.
            Some(Told::Nothing) if id.is_some() => {}
            Some(_) => return,
        }
        if attempt + 1 < ATTEMPTS {
            let wait = world.millis(0..1_000);
            world.sleep_until_healed(wait).await;
        }
    }
}

fn operation(world: &World, key: usize, asked: Asked, known: Known) -> Operation {
    let pin_key = world.keys()[key].clone();
    let (kind, condition, id) = match asked {
        Asked::Pin(name, condition, id) => {
            let mut pin = Pin::new(pin_key.cid());
            pin.options.name = name.to_string();
            (OperationKind::Pin(Box::new(pin)), condition, id)
        }
        Asked::Unpin(condition, id) => (OperationKind::Unpin(pin_key), condition, id),
        Asked::Read => (OperationKind::Unpin(pin_key), If::Always, None),
    };
    let precondition = match (condition, known) {
        (If::Absent, _) => Precondition::IfAbsent,
        (If::Is(_), Some((_, etag))) => Precondition::IfMatch(etag),
        (If::Is(_), None) | (If::Always, _) => Precondition::None,
    };
    let request_id = id.and_then(|id| RequestId::new(&id.to_string()));
    Operation { precondition, request_id, ..Operation::new(kind) }
}

/// Submits a change to a peer; `None` when nobody is there.
async fn submit(
    world: &Arc<World>,
    client: usize,
    peer: usize,
    key: usize,
    asked: Asked,
    operation: Operation,
) -> Option<Told> {
    let (host, disk, serving) = world.peers[peer].serving()?;
    let number = world.history.ask(client, peer, key, asked);
    let before = world.shown.last(peer, key);
    let task = spawn_on(host, submitted(world.clone(), peer, key, disk, serving, operation, before));
    // Some clients lose patience.
    let patience = if world.permille(100) { world.millis(0..1_000) } else { Duration::from_secs(60) };
    let told = match tokio::time::timeout(patience, task).await {
        Ok(Ok(Ok(told))) => told,
        Ok(Ok(Err(error))) => {
            world.require(Err(error));
            Told::Nothing
        }
        Ok(Err(_)) | Err(_) => Told::Nothing,
    };
    world.history.tell(number, told);
    world.say(|| format!("client {client} at peer {peer}, pin {key}: {asked:?} -> {told:?}"));
    let mut summary = world.summary();
    match told {
        Told::Done { repeated, .. } => {
            summary.acknowledged += 1;
            summary.repeated += u64::from(repeated);
        }
        Told::Nothing => summary.unknown += 1,
        Told::NotDone => {}
        _ => summary.rejected += 1,
    }
    Some(told)
}

async fn submitted(
    world: Arc<World>,
    peer: usize,
    key: usize,
    disk: Arc<Disk>,
    serving: Serving,
    operation: Operation,
    before: Option<Name>,
) -> Result<Told> {
    let is_removal = matches!(operation.kind, OperationKind::Unpin(_));
    let answer = serving.consensus.submit(operation).await;
    let told = match answer {
        Ok(applied) => {
            let name: Name = applied.pin.options.name.parse().context("a name that nobody gave")?;
            if !applied.repeated {
                let gone = if is_removal { Some(name) } else { before.filter(|before| *before != name) };
                let seen = world.look(disk.store())?;
                world.shown.acknowledge(peer, key, gone, &seen)?;
            }
            Told::Done { name, repeated: applied.repeated }
        }
        Err(SubmitError::Rejected(Rejection::NotPinned)) => Told::NotPinned,
        Err(SubmitError::Rejected(Rejection::PreconditionFailed)) => Told::Differs,
        Err(SubmitError::Rejected(other)) => bail!("refused for no reason: {other}"),
        Err(SubmitError::Busy { .. } | SubmitError::Stopping) => Told::NotDone,
        Err(SubmitError::Unknown { .. }) => Told::Nothing,
    };
    Ok(told)
}

/// Looks at the stores of all peers, again and again.
pub(super) async fn look_around(world: Arc<World>) {
    loop {
        let wait = world.millis(1..200);
        tokio::time::sleep(wait).await;
        let peer = world.index(world.peers.len());
        local_read(&world, peer);
    }
}
