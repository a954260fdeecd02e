//! Tables and their lists as they lie on the disk before the engine opens them.
//!
//! The engine verifies blocks when it reads them, but trusts counts and positions in the heads of its files: a
//! changed byte there makes it ask for gigabytes, or see another list of tables. What is read here is small: the
//! list of each keyspace and the table of contents at the end of each file.
//!
//! Format: a file ends with its table of contents and a trailer: magic (4), version (1), kind of checksum (1),
//! xxh3-128 of the table of contents (16), its position (8), its length (8). `current` holds the number of the list
//! in force (8), its xxh3-128 (16), the kind of checksum (1). Numbers are little-endian. What a crash left besides
//! the listed tables is not looked at: the engine removes it.

mod listed_tables;

use crate::durable_file;
use cluster_core::ports::datastore::StoreError;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use xxhash_rust::xxh3::xxh3_128;

const TRAILER_LEN: u64 = 38;
/// Longest table of contents that is believed, in bytes; real ones have some hundred.
const LONGEST_CONTENTS: u64 = 1024 * 1024;

/// Checks the lists and the tables of contents of every keyspace in the engine's `folder`.
///
/// # Errors
/// [`StoreError::Damaged`], naming the file.
pub(super) fn check(folder: &Path) -> Result<(), StoreError> {
    for keyspace in durable_file::entries(&folder.join("keyspaces"))? {
        for number in tables_of(&keyspace)? {
            let table = keyspace.join("tables").join(number.to_string());
            if !check_contents(&table).map_err(|error| damaged_or(error, &table))? {
                return Err(damaged(&table, "its table of contents does not fit its checksum"));
            }
        }
    }
    Ok(())
}

/// Checks the list in force and returns the tables on it. A keyspace without one is unfinished; the engine removes
/// it.
fn tables_of(keyspace: &Path) -> Result<Vec<u64>, StoreError> {
    let current = keyspace.join("current");
    let bytes = match fs::read(&current) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("read", current, error)),
    };
    let Some((number, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(damaged(&current, "it is too short"));
    };
    let list = keyspace.join(format!("v{}", u64::from_le_bytes(*number)));
    let content = fs::read(&list).map_err(|error| damaged_or(error, &list))?;
    let expected = rest.split_first_chunk::<16>().map(|(checksum, _)| u128::from_le_bytes(*checksum));
    if expected != Some(xxh3_128(&content)) {
        return Err(damaged(&list, "it does not fit its checksum"));
    }
    listed_tables::parse(&content).ok_or_else(|| damaged(&list, "it is no list of tables"))
}

/// Says whether the table of contents at the end of `path` fits its checksum.
fn check_contents(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    let Some(contents_end) = len.checked_sub(TRAILER_LEN) else { return Ok(false) };
    file.seek(SeekFrom::Start(contents_end))?;
    let mut trailer = [0; TRAILER_LEN as usize];
    file.read_exact(&mut trailer)?;
    let (Some(checksum), Some(position)) = (trailer[6..].first_chunk(), trailer[22..].first_chunk()) else {
        return Ok(false);
    };
    let position = u64::from_le_bytes(*position);
    let Some(contents_len) = contents_end.checked_sub(position) else { return Ok(false) };
    if contents_len > LONGEST_CONTENTS {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(position))?;
    let mut contents = Vec::new();
    file.take(contents_len).read_to_end(&mut contents)?;
    Ok(xxh3_128(&contents) == u128::from_le_bytes(*checksum))
}

fn damaged(path: &Path, detail: &str) -> StoreError {
    StoreError::Damaged { path: path.to_owned(), detail: detail.to_owned() }
}

fn damaged_or(error: io::Error, path: &Path) -> StoreError {
    match error.kind() {
        io::ErrorKind::NotFound => damaged(path, "the file is missing"),
        io::ErrorKind::UnexpectedEof => damaged(path, "it is too short"),
        _ => StoreError::io("read", path, error),
    }
}
