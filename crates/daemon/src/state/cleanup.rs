//! `state cleanup`: removes the state. Nothing is unpinned in IPFS: no record is left that would ask for it.

use super::{
    BesideGo, StateError, go_store,
    opened::{OpenedState, make_ready},
};
use crate::command::Prepared;
use cluster_datastore::BuildPurpose;

pub(super) fn run(prepared: &Prepared) -> Result<(), StateError> {
    let opened = OpenedState::open(prepared, BesideGo::Ignore)?;
    let building = opened.generations.build(BuildPurpose::Cleanup)?;
    let store = building.store()?;
    make_ready(&*store, &opened.path, &prepared.identity.id())?;
    go_store::settle(&*store)?;
    drop(store);
    opened.store.close()?;
    building.finish()?;
    tracing::info!(target: "service", "state removed");
    Ok(())
}
