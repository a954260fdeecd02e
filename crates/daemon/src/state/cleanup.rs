//! `state cleanup`: removes the state. Nothing is unpinned in IPFS: no record is left that would ask for it.

use super::{
    StateError,
    opened::{OpenedState, make_ready},
};
use crate::command::Prepared;
use cluster_datastore::BuildPurpose;

pub(super) fn run(prepared: &Prepared) -> Result<(), StateError> {
    let opened = OpenedState::open(prepared)?;
    let building = opened.generations.build(BuildPurpose::Cleanup)?;
    make_ready(&*building.store()?, &opened.path, &prepared.identity.id())?;
    opened.store.close()?;
    building.finish()?;
    tracing::info!(target: "service", "state removed");
    Ok(())
}
