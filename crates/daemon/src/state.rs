//! The stored state of a peer that does not run: opening it, writing it out, replacing and removing it.

mod backup;
mod backup_error;
mod backup_files;
mod check;
mod cleanup;
mod convert;
mod crdt_dot;
mod crdt_info;
mod crdt_mark;
mod error;
mod export;
mod go_store;
mod import;
mod old_states;
mod online_export;
mod opened;
mod output;
mod progress;
mod raft_recovery;
mod restore;

pub use backup_error::BackupError;
pub use error::StateError;
pub use go_store::BesideGo;
pub use online_export::OnlineExportError;
pub use opened::OpenedState;
pub(crate) use opened::writer;

use crate::{
    Config,
    command::{CommandError, CrdtCommand, Prepared, RaftCommand, StateCommand, StateExport},
};
use cluster_consensus::crdt::Mark;

/// Carries out `state export` on the folder of a peer that runs, through its API.
///
/// # Errors
/// [`StateError::Online`] when the API does not give the pinset out, and whatever keeps it from being written.
pub fn export_from_running(config: &Config, options: &StateExport) -> Result<(), StateError> {
    online_export::run(config, options)
}

/// Puts the state of a peer aside that is no member of its cluster any more.
///
/// # Errors
/// When the disk or the store fails; then the state is where it was.
pub(crate) fn put_aside(prepared: &Prepared) -> Result<(), StateError> {
    cleanup::run(prepared)
}

/// Carries out a `state` command on a folder that is prepared and whose questions are answered.
///
/// # Errors
/// Whatever went wrong, beginning with what was being done.
pub fn run(prepared: &Prepared, command: StateCommand) -> Result<(), CommandError> {
    let result = match command {
        StateCommand::Export(options) => export::run(prepared, &options).map_err(|e| ("exporting state", e)),
        StateCommand::Import(options) => import::run(prepared, &options).map_err(|e| ("importing state", e)),
        StateCommand::Cleanup(_) => cleanup::run(prepared).map_err(|e| ("cleaning up state", e)),
        StateCommand::Backup(options) => {
            backup::run(prepared, &options.folder).map_err(|e| ("backing up state", e))
        }
        StateCommand::Restore(options) => {
            restore::run(prepared, &options).map_err(|e| ("restoring state", e))
        }
        StateCommand::Check => check::run(prepared).map_err(|e| ("checking state", e)),
        StateCommand::Convert(options) => {
            convert::run(prepared, options.consensus).map_err(|e| ("converting state", e))
        }
        StateCommand::Raft(RaftCommand::RecoverFromLostMajority(recovery)) => {
            raft_recovery::run(prepared, &recovery).map_err(|e| ("recovering from a lost majority", e))
        }
        StateCommand::Crdt(_) if prepared.config.consensus.crdt().is_none() => {
            return Err(CommandError::NoCrdt);
        }
        StateCommand::Crdt(CrdtCommand::Info) => crdt_info::run(prepared).map_err(|e| ("reading state", e)),
        StateCommand::Crdt(CrdtCommand::Dot(options)) => {
            crdt_dot::run(prepared, &options).map_err(|e| ("drawing the history", e))
        }
        StateCommand::Crdt(CrdtCommand::MarkDirty) => {
            crdt_mark::run(prepared, Mark::Dirty).map_err(|e| ("marking state", e))
        }
        StateCommand::Crdt(CrdtCommand::MarkClean) => {
            crdt_mark::run(prepared, Mark::Clean).map_err(|e| ("marking state", e))
        }
    };
    result.map_err(|(doing, error)| CommandError::State { doing, error })
}
