//! The engine's journal as it lies on the disk before the engine opens it.
//!
//! The engine refuses to open when the last batch of its journal is torn in certain ways, and silently drops the
//! rest of a journal in others. Neither is acceptable, so the files are judged here first:
//!
//! * What follows the last valid batch is *cut* when it may be a write that was never synced.
//! * It is *damage* when it must have been synced once: every batch says up to which batch the writer knew
//!   everything to be on the disk ([`CommitMarker`]); a later batch that vouches for the unreadable one convicts it.
//!
//! Format (one file `<number>.jnl` after the other, the highest being written): batches of a start entry, items, an
//! end entry with the checksum of the items, then zeroes up to the preallocated length.

mod batch_reader;
mod folder;
mod rescue;

use super::commit_marker::CommitMarker;
use batch_reader::{BatchReader, Next};
use cluster_core::ports::datastore::StoreError;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

pub(super) use folder::list;

/// What the journals of a store hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct JournalReport {
    /// Marker of the last batch, if the journals hold one.
    pub(super) last: Option<CommitMarker>,
    /// Bytes cut from the end of the log, zeroes not counted.
    pub(super) cut: u64,
}

/// One scanned file.
struct Scanned {
    path: PathBuf,
    first: Option<CommitMarker>,
    last: Option<CommitMarker>,
    valid_len: u64,
    len: u64,
    tail: Tail,
}

enum Tail {
    /// Nothing, or zeroes.
    Clean,
    /// Bytes that are no batch, from `valid_len` on.
    Garbage,
}

/// Checks every journal in `folder` and cuts the log after its last valid batch.
///
/// # Errors
/// [`StoreError::Damaged`], naming the file, when something that was synced cannot be read.
pub(super) fn repair(folder: &Path) -> Result<JournalReport, StoreError> {
    let files = folder::list(folder)?;
    let mut scans = Vec::with_capacity(files.len());
    for path in files {
        scans.push(scan(path)?);
    }
    let mut report = JournalReport::default();
    for (index, scanned) in scans.iter().enumerate() {
        report.last = scanned.last.or(report.last);
        if matches!(scanned.tail, Tail::Garbage) {
            let later_batches = scans[index + 1..].iter().any(|later| later.first.is_some());
            let sealed = index + 1 < scans.len();
            judge(scanned, report.last.map(|marker| marker.number), sealed, later_batches)?;
            report.cut += scanned.len - scanned.valid_len;
        }
    }
    check_sequence(&scans)?;
    for (index, scanned) in scans.iter().enumerate() {
        let active = index + 1 == scans.len();
        if matches!(scanned.tail, Tail::Garbage) || active && scanned.len > scanned.valid_len {
            cut(scanned)?;
        }
    }
    Ok(report)
}

/// Batches are numbered without gaps; a gap is a missing or exchanged file.
fn check_sequence(scans: &[Scanned]) -> Result<(), StoreError> {
    let mut previous: Option<CommitMarker> = None;
    for scanned in scans {
        if let (Some(before), Some(first)) = (previous, scanned.first)
            && first.number != before.number + 1
        {
            return Err(damaged(
                &scanned.path,
                format!("it begins with commit {}, but {} comes before it", first.number, before.number),
            ));
        }
        previous = scanned.last.or(previous);
    }
    Ok(())
}

/// Decides whether the unreadable end of a file may be a write that was never synced.
fn judge(
    scanned: &Scanned,
    last_number: Option<u64>,
    sealed: bool,
    later_batches: bool,
) -> Result<(), StoreError> {
    let tail = read_tail(scanned)?;
    if later_batches {
        return Err(damaged(&scanned.path, format!("a batch at byte {} is not readable", scanned.valid_len)));
    }
    // A sealed file was synced before its successor was made. Only a write that failed half-way (and left the
    // engine unable to write anything more) can end it; such an end is the beginning of a batch and nothing else.
    if sealed && !rescue::is_beginning_of_a_batch(&tail) {
        return Err(damaged(
            &scanned.path,
            format!("the sealed file's batch at byte {} is not readable", scanned.valid_len),
        ));
    }
    let unreadable = last_number.map_or(1, |number| number + 1);
    if let Some(witness) = rescue::find_later_batches(&tail).find(|marker| marker.synced >= unreadable) {
        return Err(damaged(
            &scanned.path,
            format!(
                "the batch at byte {} is not readable, though it was synced before commit {}",
                scanned.valid_len, witness.number
            ),
        ));
    }
    Ok(())
}

fn scan(path: PathBuf) -> Result<Scanned, StoreError> {
    let read = |error| StoreError::io("read", &path, error);
    let file = File::open(&path).map_err(read)?;
    let len = file.metadata().map_err(read)?.len();
    let mut reader = BatchReader::new(BufReader::with_capacity(256 * 1024, &file), len);
    let (mut first, mut last) = (None, None::<CommitMarker>);
    let tail = loop {
        match reader.next().map_err(read)? {
            Next::Batch(Some(marker)) if last.is_none_or(|before| before.number + 1 == marker.number) => {
                first = first.or(Some(marker));
                last = Some(marker);
            }
            Next::Batch(marker) => {
                let found = marker.map_or("no commit number".to_owned(), |m| format!("commit {}", m.number));
                return Err(damaged(
                    &path,
                    format!(
                        "the batch before byte {} has {found}, which is out of order",
                        reader.valid_len()
                    ),
                ));
            }
            Next::Zeroes => break Tail::Clean,
            Next::Invalid => break Tail::Garbage,
        }
    };
    let valid_len = reader.valid_len();
    let tail = match tail {
        Tail::Clean if !only_zeroes(&file, valid_len).map_err(read)? => Tail::Garbage,
        other => other,
    };
    Ok(Scanned { path, first, last, valid_len, len, tail })
}

fn only_zeroes(mut file: &File, from: u64) -> std::io::Result<bool> {
    file.seek(SeekFrom::Start(from))?;
    let mut chunk = vec![0; 256 * 1024];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(true),
            n if chunk[..n].iter().any(|byte| *byte != 0) => return Ok(false),
            _ => {}
        }
    }
}

fn read_tail(scanned: &Scanned) -> Result<Vec<u8>, StoreError> {
    let read = |error| StoreError::io("read", &scanned.path, error);
    let mut file = File::open(&scanned.path).map_err(read)?;
    file.seek(SeekFrom::Start(scanned.valid_len)).map_err(read)?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).map_err(read)?;
    Ok(tail)
}

fn cut(scanned: &Scanned) -> Result<(), StoreError> {
    if matches!(scanned.tail, Tail::Garbage) {
        tracing::warn!(
            journal = %scanned.path.display(),
            at = scanned.valid_len,
            last_commit = scanned.last.map(|marker| marker.number),
            "cutting the journal after its last complete batch: what follows was never synced"
        );
    }
    truncate(&scanned.path, scanned.valid_len)
}

/// Cuts the journal at `path` to `len` bytes, durably.
pub(super) fn truncate(path: &Path, len: u64) -> Result<(), StoreError> {
    let file = OpenOptions::new().write(true).open(path);
    file.and_then(|file| {
        file.set_len(len)?;
        file.sync_all()
    })
    .map_err(|error| StoreError::io("cut", path, error))
}

fn damaged(path: &Path, detail: String) -> StoreError {
    StoreError::Damaged { path: path.to_owned(), detail }
}

#[cfg(test)]
mod tests;
