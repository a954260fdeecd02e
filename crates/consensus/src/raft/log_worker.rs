//! The thread that writes the log: what waits for it shares a batch and a flush.

use super::{
    position::LogPosition,
    rows::{COMMITTED, END, PURGED, VOTE, end_row, entry_key, position_row},
};
use cluster_core::mutate::{Mutation as Defect, active};
use cluster_core::ports::datastore::{Batch, Datastore, Durability, StoreError, Tree};
use std::{collections::VecDeque, io, ops::Range, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// Commands taken at a time.
const GROUP: usize = 1024;

/// Bytes after which a batch is written although more waits.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Rows that one batch deletes at most, so that appended entries do not wait long behind it.
const DELETED_ROWS: u64 = 1024;

/// First pause while the store is busy.
const BUSY_FIRST: Duration = Duration::from_millis(5);

/// Longest such pause.
const BUSY_LONGEST: Duration = Duration::from_millis(200);

/// Told once a command is carried out, and durable where that is promised.
pub(super) type Done = Box<dyn FnOnce(Result<(), io::Error>) + Send>;

/// What the log's thread is told, in the order in which it takes effect.
pub(super) enum LogCommand {
    /// Write entries. Flushed.
    Append {
        /// Index and row of each.
        rows: Vec<(u64, Vec<u8>)>,
        done: Done,
    },
    /// Write the row of a vote. Flushed.
    Vote(Vec<u8>, Done),
    /// Note how far the log is committed. Travels with the next batch.
    Committed(Option<LogPosition>),
    /// Delete entries from the end. What is appended in their place is flushed, and they with it.
    Truncate(Range<u64>, Done),
    /// Delete the entries of a range, which are the first ones, up to this place. Done as soon as it is noted.
    Purge(LogPosition, Range<u64>, Done),
}

/// Writes the log. After a failed write it refuses everything: what the store holds is read anew by the next one.
pub(super) struct LogWorker {
    store: Arc<dyn Datastore>,
    commands: mpsc::Receiver<LogCommand>,
    waiting: VecDeque<LogCommand>,
    committed: Option<Vec<u8>>,
    /// Indexes whose rows are to be deleted, a few with each batch.
    purging: VecDeque<Range<u64>>,
    failed: Option<String>,
}

/// A batch in the making.
#[derive(Default)]
struct Forming {
    batch: Batch,
    bytes: usize,
    flushed: bool,
    done: Vec<Done>,
}

impl LogWorker {
    /// `purging` are the indexes of entries that may still be there although they are purged.
    pub(super) fn new(
        store: Arc<dyn Datastore>,
        commands: mpsc::Receiver<LogCommand>,
        purging: Range<u64>,
    ) -> Self {
        let purging = VecDeque::from([purging]);
        Self { store, commands, waiting: VecDeque::new(), committed: None, purging, failed: None }
    }

    pub(super) async fn run(mut self) {
        let mut group = Vec::with_capacity(GROUP);
        loop {
            if self.waiting.is_empty() {
                let is_idle = self.purging.is_empty() || self.failed.is_some();
                if is_idle {
                    if self.commands.recv_many(&mut group, GROUP).await == 0 {
                        break;
                    }
                } else {
                    while group.len() < GROUP
                        && let Ok(command) = self.commands.try_recv()
                    {
                        group.push(command);
                    }
                }
                self.waiting.extend(group.drain(..));
            }
            self.write();
        }
        // The last word about the commit index: without it a little more is carried out again.
        if let Some(row) = self.committed.take().filter(|_| self.failed.is_none()) {
            let mut batch = Batch::new();
            batch.put(Tree::RaftState, COMMITTED, row);
            let _ = self.store.commit(batch, Durability::Lazy);
        }
    }

    /// Writes one batch of what waits, and deletes a few purged rows.
    fn write(&mut self) {
        let mut forming = Forming::default();
        while forming.bytes < BATCH_BYTES
            && let Some(command) = self.waiting.pop_front()
        {
            if let Some(cause) = &self.failed {
                refuse(command, cause);
                continue;
            }
            self.take(command, &mut forming);
        }
        if self.failed.is_none()
            && let Some(range) = self.purging.front_mut()
        {
            let end = range.end.min(range.start.saturating_add(DELETED_ROWS));
            (range.start..end).for_each(|index| forming.batch.delete(Tree::RaftLog, entry_key(index)));
            range.start = end;
            if range.is_empty() {
                self.purging.pop_front();
            }
        }
        if let Some(row) = self.committed.take_if(|_| !forming.batch.is_empty()) {
            forming.batch.put(Tree::RaftState, COMMITTED, row);
        }
        self.commit(forming);
    }

    fn take(&mut self, command: LogCommand, forming: &mut Forming) {
        match command {
            LogCommand::Append { rows, done } => {
                if let Some((last, _)) = rows.last() {
                    forming.batch.put(Tree::RaftState, END, end_row(last + 1));
                }
                for (index, row) in rows {
                    forming.bytes += row.len();
                    forming.batch.put(Tree::RaftLog, entry_key(index), row);
                }
                forming.flushed |= !active(Defect::SkipEntriesFlush);
                forming.done.push(done);
            }
            LogCommand::Vote(row, done) => {
                forming.batch.put(Tree::RaftState, VOTE, row);
                forming.flushed |= !active(Defect::SkipVoteFlush);
                forming.done.push(done);
            }
            LogCommand::Committed(position) => self.committed = position.map(position_row),
            LogCommand::Truncate(range, done) => {
                if !active(Defect::KeepTruncated) {
                    self.truncate(range, forming);
                }
                forming.done.push(done);
            }
            LogCommand::Purge(upto, range, done) => {
                forming.batch.put(Tree::RaftState, PURGED, position_row(upto));
                self.purging.push_back(range);
                forming.done.push(done);
            }
        }
    }

    /// Deletes the last entries, the very last first: whenever it stops, what is left has no hole.
    fn truncate(&mut self, mut range: Range<u64>, forming: &mut Forming) {
        while range.end > range.start + DELETED_ROWS {
            let cut = range.end - DELETED_ROWS;
            // What was appended before is written first.
            cut_off(&mut forming.batch, cut..range.end);
            self.commit(std::mem::take(forming));
            range.end = cut;
        }
        cut_off(&mut forming.batch, range);
    }

    fn commit(&mut self, forming: Forming) {
        let Forming { batch, flushed, done, .. } = forming;
        let durability = if flushed { Durability::Flushed } else { Durability::Lazy };
        let written = match &self.failed {
            Some(cause) => Err(cause.clone()),
            None if batch.is_empty() => Ok(()),
            None => self.try_commit(batch, durability).map_err(|error| self.fail(&error)),
        };
        for done in done {
            done(written.clone().map_err(io::Error::other));
        }
    }

    /// Writes a batch; waits while the store is busy, and then has tried nothing: it is exported, and a leader need not stop
    /// for that. Whoever asked for the batch waits as for a slow disk.
    fn try_commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let mut pause = BUSY_FIRST;
        loop {
            // An export takes minutes; a peer that stops does not wait for its end.
            match self.store.commit(batch.clone(), durability) {
                Err(StoreError::Busy) if !self.commands.is_closed() => {}
                done => return done,
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(BUSY_LONGEST);
        }
    }

    fn fail(&mut self, error: &StoreError) -> String {
        let cause = error.to_string();
        tracing::error!(target: "raft", %cause, "the log cannot be written; starting again from what the store holds");
        self.failed = Some(cause.clone());
        cause
    }
}

/// Deletes the last entries.
fn cut_off(batch: &mut Batch, range: Range<u64>) {
    if !range.is_empty() {
        batch.put(Tree::RaftState, END, end_row(range.start));
    }
    range.for_each(|index| batch.delete(Tree::RaftLog, entry_key(index)));
}

fn refuse(command: LogCommand, cause: &str) {
    match command {
        LogCommand::Append { done, .. }
        | LogCommand::Vote(_, done)
        | LogCommand::Truncate(_, done)
        | LogCommand::Purge(_, _, done) => done(Err(io::Error::other(cause.to_owned()))),
        LogCommand::Committed(_) => {}
    }
}
