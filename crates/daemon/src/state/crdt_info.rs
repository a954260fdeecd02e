//! `state crdt info`: heads and height, in the words of the reference (api §5.4).

use super::{
    BesideGo, StateError,
    opened::{OpenedState, writer},
};
use crate::command::Prepared;
use cluster_consensus::crdt::{CrdtBackend, Mark, Packing};
use std::sync::Arc;

pub(super) fn run(prepared: &Prepared) -> Result<(), StateError> {
    let opened = OpenedState::open(prepared, BesideGo::Refuse)?;
    let writer = writer(
        Arc::clone(&opened.store),
        &prepared.config,
        prepared.identity.id(),
        CrdtBackend::new(Packing::Immediate),
    )?;
    let backend = writer.backend();
    let heads: Vec<String> = backend.heads().iter().map(ToString::to_string).collect();
    // An open walk is what Go calls dirty: something below a head is missing.
    let dirty = backend.open_walks() > 0 || Mark::read(&*opened.store.snapshot()?)? == Some(Mark::Dirty);
    let (count, height) = (heads.len(), backend.height());
    print!(
        "Number of heads: {count}. Current max-height: {height}. Dirty: {dirty}\nHeads: [{}]",
        heads.join(" ")
    );
    drop(writer);
    opened.store.close()?;
    Ok(())
}
