//! `state restore`: takes a backup back, heads and blocks included: the peer goes on as a member of the same history.
//!
//! The rows go into a new generation beside the current one, which takes its place only once all of them are there. The
//! current one is not even opened: it may be what is damaged.

use super::{
    BackupError, StateError,
    backup_files::Backup,
    opened::{make_ready, options},
};
use crate::command::{Prepared, StateRestore};
use cluster_core::{
    pinset::format,
    ports::datastore::{Batch, Durability, StoreError},
};
use cluster_datastore::{BuildPurpose, Generations};

/// Bytes of rows written at a time.
const BATCH: usize = 1 << 20;

/// What a row takes beside its key and value.
const ROW: usize = 32;

pub(super) fn run(prepared: &Prepared, restore: &StateRestore) -> Result<(), StateError> {
    let source = &restore.source;
    let backup = Backup::open(source)?;
    let peer = prepared.identity.id();
    if backup.manifest.peer != peer.to_string() {
        let (path, bound) = (source.clone(), backup.manifest.peer);
        return Err(BackupError::OtherPeer { path, bound, found: peer.to_string() }.into());
    }
    if backup.manifest.store_format > format::FORMAT {
        let (path, found) = (source.clone(), backup.manifest.store_format);
        return Err(StoreError::NewerFormat { path, found, supported: format::FORMAT }.into());
    }
    backup.verify()?;

    let path = prepared.base.join(&prepared.config.datastore.folder);
    let generations = Generations::open(&path, options(&prepared.config))?;
    let building = generations.build(BuildPurpose::Restore { source: source.display().to_string() })?;
    let store = building.store()?;
    let (mut batch, mut bytes) = (Batch::new(), 0);
    backup.read_rows(|tree, (key, value)| {
        bytes += key.len() + value.len() + ROW;
        batch.put(tree, key, value);
        if bytes >= BATCH {
            bytes = 0;
            store.commit(std::mem::take(&mut batch), Durability::Lazy)?;
        }
        Ok(())
    })?;
    store.commit(batch, Durability::Lazy)?;
    make_ready(&*store, &path, &peer)?;
    drop(store);
    building.finish()?;
    tracing::info!(target: "service", rows = backup.manifest.rows, "state restored");
    Ok(())
}
