//! `state raft recover-from-lost-majority`: a member goes on without those that are lost for good. The pins are written out
//! before anything changes.

use super::{BesideGo, OpenedState, StateError, export, output};
use crate::command::{Prepared, RaftRecovery};
use cluster_consensus::raft::{Recovered, recover_from_lost_majority};

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
    let recovered = recover_from_lost_majority(&*opened.store, prepared.identity.id())?;
    opened.store.close()?;
    tell(&recovered);
    Ok(())
}

fn tell(recovered: &Recovered) {
    println!(
        "this peer is the only voter of its cluster now; its log ends with {}",
        match recovered.last {
            Some(last) => format!("entry {} of term {}", last.index, last.term),
            None => "nothing".to_owned(),
        }
    );
    for peer in &recovered.left_out {
        println!("no member any more, and to be cleaned (`state cleanup`) before it joins again: {peer}");
    }
}
