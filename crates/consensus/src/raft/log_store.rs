//! The log, the vote and the commit index as openraft wants them, over the datastore port.

use super::{
    codec::{self, position},
    entry_row,
    log_check::{CheckedLog, check_log},
    log_tail::LogTail,
    log_worker::{Done, LogCommand, LogWorker},
    position::LogPosition,
    rows::{broken, entry_index, entry_key},
    type_config::{Entry, LogId, TypeConfig, Vote},
};
use cluster_core::ports::datastore::{Datastore, StoreError, Tree};
use cluster_runtime::WorkerThread;
use openraft::{
    OptionalSend, RaftLogReader,
    storage::{IOFlushed, LogState, RaftLogStorage},
};
use std::{
    fmt::Debug,
    io,
    ops::{Bound, Range, RangeBounds},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{mpsc, oneshot, watch};

/// Commands that may wait for the log's thread. A full queue makes openraft wait.
const QUEUE: usize = 4096;

/// Rows read from the store at a time; each may be a megabyte.
const PAGE: usize = 64;

/// Bytes of entries handed out at once where the reader is content with fewer.
const READ_BYTES: usize = 1024 * 1024;

/// What openraft was told about the log.
struct Memory {
    tail: LogTail<Entry>,
    vote: Option<Vote>,
    committed: Option<LogPosition>,
}

struct Shared {
    store: Arc<dyn Datastore>,
    queue: mpsc::Sender<LogCommand>,
    memory: Mutex<Memory>,
    /// Number of the last append that is flushed; none once one failed.
    flushed: watch::Sender<Option<u64>>,
}

impl Shared {
    fn on_appended(&self, append: u64, result: &Result<(), io::Error>) {
        if result.is_ok() {
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.tail.flushed(append);
        }
        self.flushed.send_modify(|flushed| *flushed = flushed.and(result.is_ok().then_some(append)));
    }
}

/// openraft's log over a datastore. Cheap to clone; the thread that writes ends with the last clone.
#[derive(Clone)]
pub struct RaftLogStore {
    shared: Arc<Shared>,
}

impl Debug for RaftLogStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RaftLogStore").finish_non_exhaustive()
    }
}

/// Why the log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenLogError {
    /// The store fails, or holds no log that can be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system refuses a thread.
    #[error("cannot start the thread that writes the log")]
    Thread(#[source] io::Error),
}

impl RaftLogStore {
    /// Reads the whole log of a store to see that nothing of it is damaged or missing, and starts the thread that writes it.
    /// Blocks on the disk.
    ///
    /// # Errors
    /// When the store cannot be read, its log is damaged, or the system refuses a thread.
    pub fn open(store: Arc<dyn Datastore>) -> Result<(Self, WorkerThread), OpenLogError> {
        let view = store.snapshot()?;
        let log = check_log(&*view, |_| ())?;
        drop(view);
        let CheckedLog { vote, purged, committed, first_row, entries } = log;
        let tail = LogTail::new(purged, entries);
        // A purge deletes rows after it is noted.
        let purge_end = purged.map_or(0, |purged| purged.index + 1);
        let purging = first_row.unwrap_or(purge_end).min(purge_end)..purge_end;
        let (queue, commands) = mpsc::channel(QUEUE);
        let worker = LogWorker::new(store.clone(), commands, purging);
        let thread = WorkerThread::start("raft-log", move || worker.run()).map_err(OpenLogError::Thread)?;
        let memory = Mutex::new(Memory { tail, vote, committed });
        Ok((
            Self { shared: Arc::new(Shared { store, queue, memory, flushed: watch::Sender::new(Some(0)) }) },
            thread,
        ))
    }

    /// Returns where the log ends.
    pub fn last(&self) -> Option<LogPosition> {
        self.memory().tail.last()
    }

    /// Waits until an entry is flushed here, with all before it, if it is on its way. What the pinset carries out is in the
    /// log then: otherwise a power cut could leave a pinset beside the entries of an earlier leader that its own replaced.
    ///
    /// # Errors
    /// When the log cannot be written any more.
    pub(super) async fn written(&self, index: u64) -> Result<(), io::Error> {
        let Some(append) = self.memory().tail.unflushed(index) else { return Ok(()) };
        let mut flushed = self.shared.flushed.subscribe();
        let done = flushed.wait_for(|flushed| flushed.is_none_or(|flushed| flushed >= append)).await;
        match done.map(|flushed| *flushed) {
            Ok(Some(_)) => Ok(()),
            Ok(None) | Err(_) => Err(io::Error::other("the log cannot be written")),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.shared.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, command: LogCommand) -> Result<(), io::Error> {
        self.shared.queue.send(command).await.map_err(|_| stopped())
    }

    /// Sends a command and waits until it is carried out.
    async fn carry_out(&self, command: impl FnOnce(Done) -> LogCommand) -> Result<(), io::Error> {
        let (reply, answer) = oneshot::channel();
        let done: Done = Box::new(move |result| {
            // Whoever asked may have gone.
            let _ = reply.send(result);
        });
        self.send(command(done)).await?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Reads entries from the store, up to about `bytes` of them.
    async fn read_stored(&self, range: Range<u64>, bytes: usize) -> Result<Vec<Entry>, io::Error> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let store = self.shared.store.clone();
        let read = cluster_runtime::blocking(move || read_entries(&*store, range, bytes)).await;
        read.map_err(io::Error::other)?.map_err(io::Error::other)
    }

    async fn read(&self, range: Range<u64>, bytes: usize) -> Result<Vec<Entry>, io::Error> {
        let (found, wanted, mut entries) = loop {
            let found = self.memory().tail.find(range.clone());
            let wanted = found.stored.end - found.stored.start;
            match self.read_stored(found.stored.clone(), bytes).await {
                Ok(entries) => break (found, wanted, entries),
                // Purged or truncated while it was read.
                Err(_) if self.memory().tail.find(range.clone()).stored != found.stored => {}
                Err(error) => return Err(error),
            }
        };
        if entries.len() as u64 == wanted {
            entries.extend(found.entries);
        }
        if bytes != usize::MAX {
            let mut left = bytes;
            let fits = entries.iter().take_while(|entry| {
                let fits = left > 0;
                left = left.saturating_sub(codec::entry_bytes(entry));
                fits
            });
            let fits = fits.count();
            entries.truncate(fits);
        }
        Ok(entries)
    }
}

fn stopped() -> io::Error {
    io::Error::other("the log's thread has stopped")
}

/// Reads the entries of a range from one view of the store; fewer when they take more than `limit` bytes, never none.
fn read_entries(store: &dyn Datastore, range: Range<u64>, limit: usize) -> Result<Vec<Entry>, StoreError> {
    let view = store.snapshot()?;
    let to = entry_key(range.end);
    let mut next = range.start;
    let mut bytes = 0;
    let mut entries = Vec::new();
    while next < range.end && bytes < limit {
        let from = entry_key(next);
        let page = view.page(Tree::RaftLog, Bound::Included(&from), Bound::Excluded(&to), PAGE)?;
        for (key, row) in &page {
            // A hole would be taken for the end by whoever reads on.
            let entry = entry_index(key).filter(|index| *index == next);
            let entry = entry.and_then(|index| entry_row::read_row(index, row));
            entries.push(entry.ok_or_else(|| broken(format!("entry {next} cannot be read")))?);
            bytes += row.len();
            next += 1;
        }
        if page.is_empty() {
            return Err(broken(format!("entry {next} is missing")));
        }
    }
    Ok(entries)
}

fn bounds(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

impl RaftLogReader<TypeConfig> for RaftLogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        self.read(bounds(&range), usize::MAX).await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.memory().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.read(start..end, READ_BYTES).await
    }
}

impl RaftLogStorage<TypeConfig> for RaftLogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let memory = self.memory();
        Ok(LogState {
            last_purged_log_id: memory.tail.purged().map(codec::log_id),
            last_log_id: memory.tail.last().map(codec::log_id),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let row = codec::write_vote(vote);
        self.carry_out(|done| LogCommand::Vote(row, done)).await?;
        self.memory().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let committed = committed.as_ref().map(position);
        self.memory().committed = committed;
        self.send(LogCommand::Committed(committed)).await
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        let memory = self.memory();
        // The end of the log may have been lost without a flush, and the note of it not.
        let last = memory.tail.last();
        Ok(memory.committed.filter(|committed| Some(*committed) <= last).map(codec::log_id))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut rows = Vec::new();
        let mut items = Vec::new();
        for entry in entries {
            let row = entry_row::write_row(&entry);
            items.push((position(&entry.log_id), entry, row.len()));
            rows.push((items.last().map_or(0, |(at, _, _)| at.index), row));
        }
        let append = self.memory().tail.append(items);
        let shared = Arc::downgrade(&self.shared);
        let done: Done = Box::new(move |result| {
            if let Some(shared) = shared.upgrade() {
                shared.on_appended(append, &result);
            }
            callback.io_completed(result);
        });
        self.send(LogCommand::Append { rows, done }).await
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let keep = last.as_ref().map(position);
        let range = self.memory().tail.truncate_after(keep);
        self.carry_out(|done| LogCommand::Truncate(range, done)).await
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        let upto = position(&upto);
        let Some(range) = self.memory().tail.purge(upto) else { return Ok(()) };
        self.carry_out(|done| LogCommand::Purge(upto, range, done)).await
    }
}
