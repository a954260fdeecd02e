//! Raft's part of the pinset's writer: how far the log was carried out, and what a snapshot brings.

use super::{
    position::LogPosition,
    rows::{APPLIED, AppliedRow, INSTALLING, damaged},
    snapshot::{Chunk, make_equal},
};
use cluster_core::{
    UnixMillis,
    mutate::{Mutation as Defect, active},
    pinset::{
        Backend, Staged,
        backend::{Accepted, Books},
        counters::{Counter, Counters},
        mutation::Mutation,
        requests,
    },
    ports::datastore::{StoreError, Tree},
};
use std::{io, path::PathBuf};

/// What the state machine tells the backend. All of it is staged in the batch of the entries around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RaftInput {
    /// What follows was carried out by everybody after this place; the store must be there, too.
    After(Option<LogPosition>),
    /// Forget requests that are old by Raft's clock, or too many.
    ForgetRequests,
    /// The entries before this were carried out.
    Applied(AppliedRow),
    /// All chunks of a snapshot are here: from now on the pinset is made equal to it, whatever happens.
    BeginInstalling(AppliedRow),
    /// Make the rows that a chunk covers equal to it.
    Install(Box<Chunk>),
    /// Every chunk was installed.
    Installed,
    /// Write something that changes nothing: a store that takes it works.
    Probe,
}

/// Raft's books: one row.
#[derive(Debug, Default)]
pub struct RaftBackend {
    applied: AppliedRow,
    installing: Option<AppliedRow>,
}

impl RaftBackend {
    /// Returns up to where the log was carried out, staged entries included.
    pub fn applied(&self) -> &AppliedRow {
        &self.applied
    }

    fn set_applied(&mut self, staged: &mut Staged, applied: AppliedRow) {
        let is_noted = applied.last.is_none_or(|last| last.index.is_multiple_of(8));
        if is_noted || !active(Defect::ForgetPlace) {
            staged.put(Tree::RaftState, APPLIED.to_vec(), applied.encode());
        }
        self.applied = applied;
    }
}

/// Reads the row of a kind; `None` where there is none.
pub(super) fn read_row<T>(
    row: Option<Vec<u8>>,
    name: &'static str,
    decode: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    row.map(|row| decode(&row).ok_or_else(|| damaged(name))).transpose()
}

impl Backend for RaftBackend {
    type Input = RaftInput;
    type Output = std::convert::Infallible;

    fn reload(&mut self, staged: &Staged, _: &Counters) -> Result<(), StoreError> {
        let applied = staged.get(Tree::RaftState, APPLIED)?;
        self.applied = read_row(applied, "applied", AppliedRow::decode)?.unwrap_or_default();
        let installing = staged.get(Tree::RaftState, INSTALLING)?;
        self.installing = read_row(installing, "installing", AppliedRow::decode)?;
        Ok(())
    }

    fn accept(&mut self, _: Books<'_>, _: Accepted<'_>, _: UnixMillis) -> Result<(), StoreError> {
        Ok(())
    }

    fn apply(
        &mut self,
        mutation: &mut Mutation<'_>,
        input: RaftInput,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        match input {
            RaftInput::After(expected) if expected == self.applied.last && self.installing.is_none() => {}
            RaftInput::After(expected) => {
                // The store lost a group that was carried out on it: the log has it.
                let found = self.applied.last;
                return Err(StoreError::Io {
                    action: "carry out the log on",
                    path: PathBuf::from("raft"),
                    source: io::Error::other(format!("it is at {found:?} and not at {expected:?}")),
                });
            }
            RaftInput::ForgetRequests => {
                let total = mutation.counters.get(Counter::Requests);
                let gone = requests::trim(mutation.staged, total, now)?;
                mutation.counters.sub(Counter::Requests, gone);
            }
            RaftInput::Applied(applied) => self.set_applied(mutation.staged, applied),
            RaftInput::Probe => {
                let applied = self.applied.clone();
                self.set_applied(mutation.staged, applied);
            }
            RaftInput::BeginInstalling(row) => {
                mutation.staged.put(Tree::RaftState, INSTALLING.to_vec(), row.encode());
                self.installing = Some(row);
            }
            RaftInput::Install(chunk) => make_equal(mutation, &chunk)?,
            RaftInput::Installed => {
                if let Some(row) = self.installing.take() {
                    mutation.staged.delete(Tree::RaftState, INSTALLING.to_vec());
                    self.set_applied(mutation.staged, row);
                }
            }
        }
        Ok(())
    }

    fn seal(&mut self, _: Books<'_>, _: UnixMillis) -> Result<Vec<Self::Output>, StoreError> {
        Ok(Vec::new())
    }

    fn forgets_requests(&self) -> bool {
        true
    }
}
