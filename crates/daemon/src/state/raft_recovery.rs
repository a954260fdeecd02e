//! `state raft recover-from-lost-majority`: a member goes on without those that are lost for good. The pins are written out
//! before anything changes.

use super::{
    BesideGo, OpenedState, StateError, export,
    output::{self},
};
use crate::command::{Prepared, RaftRecovery};
use cluster_consensus::raft::{self, Recovered};
use cluster_core::PeerId;

/// Where the pins go when no file is named.
const EXPORT: &str = "pins-before-recovery.json";

pub(super) fn run(prepared: &Prepared, options: &RaftRecovery) -> Result<(), StateError> {
    if prepared.config.consensus.raft().is_none() {
        return Err(StateError::NoRaft);
    }
    let opened = OpenedState::open(prepared, BesideGo::Refuse)?;
    let file = options.export.clone().unwrap_or_else(|| prepared.base.join(EXPORT));
    let mut count = 0;
    output::write(Some(&file), |out| {
        count = export::write_pins(&opened, out, Some(&file))?;
        Ok(())
    })?;
    tracing::info!(target: "service", pins = count, "the pins as they are were written to {}", file.display());
    let recovered = raft::recover_majority(&*opened.store, prepared.identity.id(), &options.voters)?;
    opened.store.close()?;
    tell(&recovered);
    Ok(())
}

fn tell(recovered: &Recovered) {
    let names = |peers: &[PeerId]| peers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    println!("voters now: {}", names(&recovered.voters));
    println!("no members any more: {}", names(&recovered.lost));
    println!("`state cleanup` on each of these before it joins again with `daemon --bootstrap`");
}
