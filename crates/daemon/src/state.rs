//! The stored state of a peer that does not run: opening it, writing it out, replacing and removing it.

mod check;
mod cleanup;
mod crdt_info;
mod error;
mod export;
mod go_store;
mod import;
mod opened;

pub use error::StateError;
pub use go_store::BesideGo;
pub use opened::OpenedState;
pub(crate) use opened::writer;

use crate::command::{CommandError, CrdtCommand, Prepared, StateCommand};

/// Carries out a `state` command on a folder that is prepared and whose questions are answered.
///
/// # Errors
/// Whatever went wrong, beginning with what was being done.
pub fn run(prepared: &Prepared, command: StateCommand) -> Result<(), CommandError> {
    let result = match command {
        StateCommand::Export(options) => export::run(prepared, &options).map_err(|e| ("exporting state", e)),
        StateCommand::Import(options) => import::run(prepared, &options).map_err(|e| ("importing state", e)),
        StateCommand::Cleanup(_) => cleanup::run(prepared).map_err(|e| ("cleaning up state", e)),
        StateCommand::Check => check::run(prepared).map_err(|e| ("checking state", e)),
        StateCommand::Crdt(CrdtCommand::Info) => crdt_info::run(prepared).map_err(|e| ("reading state", e)),
        StateCommand::Crdt(CrdtCommand::Dot(_) | CrdtCommand::MarkDirty | CrdtCommand::MarkClean) => {
            let reason = "this subcommand of state crdt is not in this version yet";
            return Err(CommandError::NotYet { doing: "looking into the state", reason });
        }
    };
    result.map_err(|(doing, error)| CommandError::State { doing, error })
}
