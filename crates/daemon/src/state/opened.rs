//! A store opened, migrated and bound to its peer.

use super::{BesideGo, StateError, go_store};
use crate::{Config, command::Prepared, config::ConsensusKind};
use cluster_core::{
    PeerId,
    pinset::{Backend, Writer, WriterConfig, events, format, mutation::LaneRule},
    ports::{
        consensus::AppliedOn,
        datastore::{Datastore, StoreError, Tree},
    },
};
use cluster_datastore::{Generations, StoreOptions};
use std::{
    ops::Bound,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The store of a peer.
pub struct OpenedState {
    /// Its generations.
    pub generations: Generations,
    /// The current one.
    pub store: Arc<dyn Datastore>,
    /// Where it is.
    pub path: PathBuf,
}

impl std::fmt::Debug for OpenedState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenedState").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Returns how the store is opened.
pub(super) fn options(config: &Config) -> StoreOptions {
    StoreOptions { engine: config.datastore.engine, memory_budget: config.datastore.memory_budget.bytes() }
}

impl OpenedState {
    /// Opens the state of a base folder; makes an empty one when there is none.
    ///
    /// # Errors
    /// When the store is damaged, newer, in use, another peer's, or when a Go peer's state lies beside an empty
    /// one and that was to be refused; then nothing is made.
    pub fn open(prepared: &Prepared, beside_go: BesideGo) -> Result<Self, StateError> {
        let kind = prepared.config.consensus.kind();
        let opened = Self::open_any(prepared, beside_go).and_then(|opened| {
            opened.check_consensus(kind)?;
            Ok(opened)
        });
        match kind {
            ConsensusKind::Crdt => opened,
            ConsensusKind::Raft => opened.map_err(StateError::of_member),
        }
    }

    /// As [`OpenedState::open`], whatever consensus it was kept by.
    ///
    /// # Errors
    /// As [`OpenedState::open`].
    pub(super) fn open_any(prepared: &Prepared, beside_go: BesideGo) -> Result<Self, StateError> {
        let path = prepared.base.join(&prepared.config.datastore.folder);
        let go_folder = go_store::find(&prepared.base, &prepared.config.go_stores);
        if let (Some(folder), BesideGo::Refuse, false) = (&go_folder, beside_go, path.exists()) {
            return Err(StateError::GoState { folder: folder.clone() });
        }
        let generations = Generations::open(&path, options(&prepared.config))?;
        let store = generations.current()?;
        make_ready(&*store, &path, &prepared.identity.id())?;
        if let Some(folder) = go_folder {
            match beside_go {
                BesideGo::Refuse => go_store::check(&*store, folder)?,
                BesideGo::Settle => go_store::settle(&*store)?,
                BesideGo::Ignore => {}
            }
        }
        Ok(Self { generations, store, path })
    }
}

/// Trees in which one consensus alone keeps rows.
const KEPT: &[(ConsensusKind, &[Tree])] = &[
    (ConsensusKind::Crdt, &[Tree::Elements, Tree::Tombstones, Tree::Heads, Tree::Frontier, Tree::Pending]),
    (ConsensusKind::Raft, &[Tree::RaftState, Tree::RaftLog]),
];

impl OpenedState {
    /// Refuses the state of another consensus: it would look empty to the one, and be continued by nobody.
    fn check_consensus(&self, wanted: ConsensusKind) -> Result<(), StateError> {
        match self.kept_by()?.filter(|kept_by| *kept_by != wanted) {
            None => Ok(()),
            Some(kept_by) => {
                let (path, kept_by, wanted) = (self.path.clone(), kept_by.name(), wanted.name());
                Err(StateError::OtherConsensus { path, kept_by, wanted })
            }
        }
    }

    /// Says by which consensus the state is kept; by none while it holds nothing.
    pub(super) fn kept_by(&self) -> Result<Option<ConsensusKind>, StoreError> {
        let view = self.store.snapshot()?;
        for (kept_by, trees) in KEPT {
            for tree in *trees {
                if !view.page(*tree, Bound::Unbounded, Bound::Unbounded, 1)?.is_empty() {
                    return Ok(Some(*kept_by));
                }
            }
        }
        Ok(None)
    }
}

/// Brings a store to the present format and binds it to its peer.
pub(super) fn make_ready(store: &dyn Datastore, path: &Path, peer: &PeerId) -> Result<(), StateError> {
    format::ensure(store, path)?;
    match format::bind_peer(store, &peer.to_bytes())? {
        // Readers of the changes of another store, or of this one before its rows were replaced, are told that they missed some.
        None if events::history(&*store.snapshot()?)? == 0 => {
            Ok(events::begin_history(store, rand::random_range(1..=u32::MAX))?)
        }
        None => Ok(()),
        Some(bound) => Err(StateError::OtherPeer {
            path: path.to_owned(),
            bound: PeerId::from_bytes(&bound).map_or_else(|_| "unknown".to_owned(), |p| p.to_string()),
            found: peer.to_string(),
        }),
    }
}

/// Opens the writer on a store that was made ready.
pub(crate) fn writer<B: Backend>(
    store: Arc<dyn Datastore>,
    config: &Config,
    local: PeerId,
    backend: B,
) -> Result<Writer<B>, StateError> {
    let writer = WriterConfig {
        local,
        replication: config.cluster.replication,
        lanes: LaneRule {
            max_age: config.tracker.priority_pin_max_age,
            max_retries: config.tracker.priority_pin_max_retries,
        },
        applied_on: match config.consensus.kind() {
            ConsensusKind::Crdt => AppliedOn::Local,
            ConsensusKind::Raft => AppliedOn::Quorum,
        },
    };
    let opened = Writer::open(store, backend, writer).map_err(StateError::from);
    match config.consensus.kind() {
        ConsensusKind::Crdt => opened,
        ConsensusKind::Raft => opened.map_err(StateError::of_member),
    }
}
