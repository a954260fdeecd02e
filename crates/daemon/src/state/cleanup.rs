//! `state cleanup`: removes the state. Nothing is unpinned in IPFS: no record is left that would ask for it.

use super::{
    BesideGo, StateError, go_store, old_states,
    opened::{OpenedState, make_ready},
};
use crate::command::Prepared;
use cluster_datastore::{BuildPurpose, Building};

pub(super) fn run(prepared: &Prepared) -> Result<(), StateError> {
    clean(prepared, OpenedState::open_any(prepared, BesideGo::Ignore)?)
}

/// Replaces an opened state, on which nobody works any more, by an empty one.
pub(super) fn clean(prepared: &Prepared, opened: OpenedState) -> Result<(), StateError> {
    let building = opened.generations.build(BuildPurpose::Cleanup)?;
    let store = building.store()?;
    make_ready(&*store, &opened.path, &prepared.identity.id())?;
    go_store::settle(&*store)?;
    drop(store);
    opened.store.close()?;
    finish(prepared, building)?;
    tracing::info!(target: "service", "state removed");
    Ok(())
}

/// Puts a new state in the place of the old one, which with Raft is kept for a while.
pub(super) fn finish(prepared: &Prepared, building: Building) -> Result<(), StateError> {
    if prepared.config.consensus.raft().is_none() {
        return Ok(building.finish()?);
    }
    let place = old_states::make_room(prepared)?;
    building.finish_keeping(&place)?;
    tracing::info!(target: "service", "the state before is kept in {}", place.display());
    Ok(())
}
