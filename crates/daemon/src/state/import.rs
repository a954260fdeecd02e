//! `state import`: replaces the pinset by the pins of a file (api §13).
//!
//! The pins go into a new generation beside the current one, as ordinary deltas of a fresh history, so that other
//! peers will receive them. The new generation takes the old one's place only after the last object was read:
//! bad input changes nothing.

use super::{
    BesideGo, StateError, cleanup, go_store,
    opened::{OpenedState, make_ready, writer},
    progress::Progress,
};
use crate::{
    command::{Prepared, StateImport},
    config::ConsensusKind,
};
use cluster_api_types::Pin as WirePin;
use cluster_consensus::{
    crdt::{CrdtBackend, Packing},
    raft::{self, RaftBackend},
};
use cluster_core::{
    Pin,
    pin::ReplicationError,
    pinset::{Backend, CommitFailed, Input, Outcome, Writer, plan::MAX_VALUE},
    ports::datastore::{Datastore, StoreError},
};
use cluster_datastore::BuildPurpose;
use cluster_runtime::now;
use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

/// Pins handed from the reader to the writer at a time.
const CHUNK: usize = 256;

/// Chunks that may wait for the writer.
const CHUNKS: usize = 16;

pub(super) fn run(prepared: &Prepared, options: &StateImport) -> Result<(), StateError> {
    match &options.file {
        Some(path) => {
            let file = File::open(path).map_err(|source| StateError::File {
                action: "read",
                path: path.clone(),
                source,
            })?;
            let progress = Progress::of_file("importing", &file);
            let input = progress.reading(file);
            import(prepared, options, BufReader::with_capacity(1 << 20, input), progress)
        }
        None => {
            eprintln!("reading from stdin, Ctrl-D to finish");
            let progress = Progress::of_input("importing");
            import(prepared, options, BufReader::new(progress.reading(io::stdin())), progress)
        }
    }
}

fn import(
    prepared: &Prepared,
    options: &StateImport,
    input: impl Read + Send + 'static,
    progress: Progress,
) -> Result<(), StateError> {
    let opened = OpenedState::open_any(prepared, BesideGo::Ignore)?;
    let source = options.file.as_deref().unwrap_or(Path::new("standard input")).display().to_string();
    let building = opened.generations.build(BuildPurpose::Import { source })?;
    let store = building.store()?;
    let peer = prepared.identity.id();
    make_ready(&*store, &opened.path, &peer)?;
    go_store::settle(&*store)?;
    let (chunks, reader) = read_ahead(input, options.clone())?;
    let count = fill(prepared, prepared.config.consensus.kind(), &store, chunks)?;
    if reader.join().is_err() {
        return Err(StateError::Reader);
    }
    drop(store);
    // The old generation must be closed before its folder goes.
    opened.store.close()?;
    // Closes the new one too, and so syncs everything that was committed unsynced.
    cleanup::finish(prepared, building)?;
    drop(progress);
    tracing::info!(target: "service", pins = count, "state imported");
    Ok(())
}

/// Fills an empty store with pins, under a consensus; returns how many there were. With Raft this peer is the only member of
/// a new cluster, whatever the one before was: others join it.
pub(super) fn fill(
    prepared: &Prepared,
    consensus: ConsensusKind,
    store: &Arc<dyn Datastore>,
    chunks: impl IntoIterator<Item = Chunk>,
) -> Result<u64, StateError> {
    let (config, local) = (&prepared.config, prepared.identity.id());
    match consensus {
        ConsensusKind::Crdt => {
            let backend = CrdtBackend::new(Packing::Immediate);
            stage_all(writer(store.clone(), config, local, backend)?, chunks)
        }
        ConsensusKind::Raft => {
            let count = stage_all(writer(store.clone(), config, local, RaftBackend::default())?, chunks)?;
            raft::found(&**store, local)?;
            Ok(count)
        }
    }
}

fn stage_all<B: Backend>(
    mut writer: Writer<B>,
    chunks: impl IntoIterator<Item = Chunk>,
) -> Result<u64, StateError> {
    let mut count = 0u64;
    for chunk in chunks {
        for pin in chunk? {
            count += 1;
            writer.stage(Input::Import(Box::new(pin)), now());
            if writer.is_full() {
                commit(&mut writer)?;
            }
        }
    }
    commit(&mut writer)?;
    Ok(count)
}

/// Pins, or what is wrong with the next one.
pub(super) type Chunk = Result<Vec<Pin>, StateError>;

/// Reads, checks and adjusts pins on a thread of its own. When the import fails the thread must not be waited for: it
/// may be waiting for input that never comes.
fn read_ahead(
    input: impl Read + Send + 'static,
    options: StateImport,
) -> Result<(mpsc::Receiver<Chunk>, JoinHandle<()>), StateError> {
    let (sender, chunks) = mpsc::sync_channel(CHUNKS);
    let read = move || {
        let mut pins = pins(input, &options).peekable();
        while pins.peek().is_some() {
            let chunk: Chunk = pins.by_ref().take(CHUNK).collect();
            let failed = chunk.is_err();
            if sender.send(chunk).is_err() || failed {
                return;
            }
        }
    };
    let reader = thread::Builder::new().name("import".to_owned()).spawn(read).map_err(StateError::Thread)?;
    Ok((chunks, reader))
}

/// Reads pins up to the first that is none.
fn pins(input: impl Read, options: &StateImport) -> impl Iterator<Item = Result<Pin, StateError>> {
    let objects = serde_json::Deserializer::from_reader(input).into_iter::<WirePin>();
    objects.zip(1..).map(move |(object, number)| {
        let object = object.map_err(|source| StateError::Json { number, source })?;
        let mut pin = Pin::try_from(object).map_err(|source| StateError::Pin { number, source })?;
        adjust(&mut pin, options);
        check(&pin).map_err(|source| StateError::Replication { number, source })?;
        let size = pin.encode().len();
        if size > MAX_VALUE {
            return Err(StateError::TooLarge { number, size, limit: MAX_VALUE });
        }
        Ok(pin)
    })
}

/// Applies the options: factors above 0 and allocations replace those of the pin.
fn adjust(pin: &mut Pin, options: &StateImport) {
    if options.replication_min > 0 {
        pin.options.replication.min = options.replication_min;
    }
    if options.replication_max > 0 {
        pin.options.replication.max = options.replication_max;
    }
    if !options.allocations.is_empty() {
        pin.allocations.clone_from(&options.allocations);
    }
    pin.options.user_allocations.clear();
}

/// Checks the factors. None at all are taken as they are: that is what a pin without them reads as.
fn check(pin: &Pin) -> Result<(), ReplicationError> {
    let factors = pin.options.replication;
    match (factors.min, factors.max) {
        (0, 0) => Ok(()),
        _ => factors.policy().map(|_| ()),
    }
}

fn commit<B: Backend>(writer: &mut Writer<B>) -> Result<(), StoreError> {
    match writer.commit_unsynced(now()) {
        Ok(committed) => {
            debug_assert!(
                committed.outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Submit(Ok(_))))
            );
            Ok(())
        }
        Err(CommitFailed { error, .. }) => Err(error),
    }
}
