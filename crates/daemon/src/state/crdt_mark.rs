//! `state crdt mark-dirty` and `mark-clean` (api §5.4).

use super::{BesideGo, OpenedState, StateError};
use crate::command::Prepared;
use cluster_consensus::crdt::{Mark, read_progress};

pub(super) fn run(prepared: &Prepared, mark: Mark) -> Result<(), StateError> {
    let opened = OpenedState::open(prepared, BesideGo::Refuse)?;
    mark.write(&*opened.store)?;
    let walks = read_progress(&*opened.store.snapshot()?)?.walks;
    opened.store.close()?;
    match mark {
        Mark::Dirty => println!("Datastore marked 'dirty'"),
        Mark::Clean => {
            println!("Datastore marked 'clean'");
            if walks > 0 {
                // What is known to be missing stays known: forgetting it would leave a hole for good.
                tracing::warn!(
                    target: "service",
                    walks,
                    "blocks are known to be missing; the peer goes on fetching them, and the state counts as dirty until \
                     they are here"
                );
            }
        }
    }
    Ok(())
}
