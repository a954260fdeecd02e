//! The one book of the fake: how far a replica has applied the log.

use cluster_core::{
    UnixMillis,
    pinset::{
        Backend, RowReader, RowWriter, Staged,
        backend::{Accepted, Books},
        counters::Counters,
        mutation::Mutation,
    },
    ports::datastore::{StoreError, Tree},
};

const VERSION: u8 = 1;
const APPLIED: &[u8] = b"applied";

/// Notes the number of applied entries in the batch that applies the last of them.
#[derive(Debug, Default)]
pub(super) struct LogBackend {
    pub(super) applied: u64,
}

impl Backend for LogBackend {
    /// The number of entries applied now.
    type Input = u64;
    type Output = std::convert::Infallible;

    fn reload(&mut self, staged: &Staged, _: &Counters) -> Result<(), StoreError> {
        let row = staged.get(Tree::RaftState, APPLIED)?;
        let number = row.as_deref().and_then(|row| RowReader::new(row, VERSION)).and_then(|mut r| r.int());
        self.applied = number.unwrap_or(0);
        Ok(())
    }

    fn accept(&mut self, _: Books<'_>, _: Accepted<'_>, _: UnixMillis) -> Result<(), StoreError> {
        Ok(())
    }

    fn apply(&mut self, mutation: &mut Mutation<'_>, applied: u64, _: UnixMillis) -> Result<(), StoreError> {
        self.applied = applied;
        let row = RowWriter::new(VERSION).int(applied).finish();
        mutation.staged.put(Tree::RaftState, APPLIED.to_vec(), row);
        Ok(())
    }

    fn seal(&mut self, _: Books<'_>, _: UnixMillis) -> Result<Vec<Self::Output>, StoreError> {
        Ok(Vec::new())
    }
}
