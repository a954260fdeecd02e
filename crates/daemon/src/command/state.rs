//! The `state` commands (api §5.4).

use super::{CommandError, Prepared};
use crate::{
    Config, LockError,
    config::{ConsensusKind, Environment, peer_id},
    init::confirm_on_terminal,
    lock::LockCause,
    state::StateError,
};
use cluster_core::PeerId;
use std::path::PathBuf;

/// Which folder, and what to do with its state.
#[derive(Debug, Clone)]
pub struct StateOptions {
    /// Base folder.
    pub base: PathBuf,
    /// What to do.
    pub command: StateCommand,
}

/// What to do with the state.
#[derive(Debug, Clone)]
pub enum StateCommand {
    /// Write the pins out.
    Export(StateExport),
    /// Replace the pinset.
    Import(StateImport),
    /// Remove the state.
    Cleanup(StateCleanup),
    /// Write the whole state out, history included.
    Backup(StateBackup),
    /// Take such a backup back.
    Restore(StateRestore),
    /// Compare everything derived with a recount.
    Check,
    /// Take the pins over to the other consensus, state and configuration.
    Convert(StateConvert),
    /// Look into the Merkle-CRDT.
    Crdt(CrdtCommand),
    /// Mend what Raft cannot.
    Raft(RaftCommand),
}

/// Taking the pins over to another consensus.
#[derive(Debug, Clone, Copy)]
pub struct StateConvert {
    /// Which.
    pub consensus: ConsensusKind,
    /// Ask nothing.
    pub force: bool,
}

/// Mending what Raft cannot.
#[derive(Debug, Clone)]
pub enum RaftCommand {
    /// Go on although the majority of the members is lost for good.
    RecoverFromLostMajority(RaftRecovery),
}

/// Going on without the lost members.
#[derive(Debug, Clone)]
pub struct RaftRecovery {
    /// File for the pins as they are before anything changes.
    pub export: Option<PathBuf>,
    /// Ask nothing.
    pub force: bool,
}

/// Writing the pins out, one JSON object a line.
#[derive(Debug, Clone)]
pub struct StateExport {
    /// File to write; `None` is standard output.
    pub file: Option<PathBuf>,
}

/// Replacing the pinset.
#[derive(Debug, Clone)]
pub struct StateImport {
    /// File to read; `None` is standard input.
    pub file: Option<PathBuf>,
    /// Ask nothing.
    pub force: bool,
    /// Replication factor to set; 0 keeps each pin's own.
    pub replication_min: i32,
    /// Replication factor to set; 0 keeps each pin's own.
    pub replication_max: i32,
    /// Peers to allocate every pin to; empty keeps each pin's own.
    pub allocations: Vec<PeerId>,
}

/// A text is not a peer ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a peer ID such as 12D3KooW…")]
pub struct NoPeerId;

/// Reads one of the peers of [`StateImport::allocations`].
///
/// # Errors
/// The text is not a peer ID.
pub fn parse_allocation(text: &str) -> Result<PeerId, NoPeerId> {
    peer_id(text.trim()).ok_or(NoPeerId)
}

/// A text names no consensus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a consensus: choose crdt or raft")]
pub struct NoConsensus;

/// Reads the consensus of [`StateConvert`].
///
/// # Errors
/// The text names none.
pub fn parse_consensus(text: &str) -> Result<ConsensusKind, NoConsensus> {
    [ConsensusKind::Crdt, ConsensusKind::Raft].into_iter().find(|kind| kind.name() == text).ok_or(NoConsensus)
}

/// Removing the state.
#[derive(Debug, Clone)]
pub struct StateCleanup {
    /// Ask nothing.
    pub force: bool,
}

/// Writing the whole state out.
#[derive(Debug, Clone)]
pub struct StateBackup {
    /// New or empty folder to write it to.
    pub folder: PathBuf,
}

/// Taking a backup back.
#[derive(Debug, Clone)]
pub struct StateRestore {
    /// Folder of the backup, or its manifest.
    pub source: PathBuf,
    /// Ask nothing.
    pub force: bool,
}

/// Looking into the Merkle-CRDT.
#[derive(Debug, Clone)]
pub enum CrdtCommand {
    /// Print heads, height and whether it needs repair.
    Info,
    /// Draw the history.
    Dot(StateCrdtDot),
    /// Ask for a repair.
    MarkDirty,
    /// Withdraw that.
    MarkClean,
}

/// Drawing the history.
#[derive(Debug, Clone)]
pub struct StateCrdtDot {
    /// File to write; `None` is standard output.
    pub file: Option<PathBuf>,
}

/// What a person agrees to before the state is replaced or removed.
const IMPORT_QUESTION: &str = "The pinset (state) of this peer will be replaced. Continue? [y/n]:";
const RESTORE_QUESTION: &str = "The state of this peer will be replaced by the backup. Continue? [y/n]:";
const CONVERT_QUESTION: &str = "The state of this peer will be rebuilt for the other consensus, and its configuration changed. Continue? [y/n]:";
const RECOVER_QUESTION: &str = "This peer will go on WITHOUT the members that are lost. Whatever only they had is gone, and one that \
     comes back must be cleaned before it joins again. Never do this while a majority lives. Continue? [y/n]:";
const CLEANUP_QUESTION: &str = "The peer state will be removed.  Existing pins may be lost. Continue? [y/n]:";

pub(super) fn run(options: StateOptions, environment: &Environment) -> Result<(), CommandError> {
    let StateOptions { base, command } = options;
    let prepared = match Prepared::load(&base, environment) {
        Err(CommandError::Lock(lock @ LockError { cause: LockCause::Held, .. })) => {
            let StateCommand::Export(export) = &command else { return Err(lock.into()) };
            return match crate::state::export_from_running(&Config::load(&base, environment)?, export) {
                Err(StateError::Online(why)) => Err(CommandError::LockedExport { lock, why }),
                exported => exported.map_err(|error| CommandError::State { doing: "exporting state", error }),
            };
        }
        other => other?,
    };
    let question = match &command {
        StateCommand::Import(import) if !import.force => Some(IMPORT_QUESTION),
        StateCommand::Restore(restore) if !restore.force => Some(RESTORE_QUESTION),
        StateCommand::Cleanup(cleanup) if !cleanup.force => Some(CLEANUP_QUESTION),
        StateCommand::Convert(convert) if !convert.force => Some(CONVERT_QUESTION),
        StateCommand::Raft(RaftCommand::RecoverFromLostMajority(recovery)) if !recovery.force => {
            Some(RECOVER_QUESTION)
        }
        _ => None,
    };
    if let Some(question) = question
        && !confirm_on_terminal(question)?
    {
        return Ok(());
    }
    crate::state::run(&prepared, command)
}
