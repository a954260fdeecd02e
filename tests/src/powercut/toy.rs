//! A key-value store of a hundred lines, and ways to break its promise: the cuts must tell them apart.

use anyhow::{Context as _, Result};
use cluster_testkit::powercut::State;
use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, Write},
    path::Path,
};

/// Its one file.
const LOG: &str = "log";

/// What is wrong with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Fault {
    /// Nothing.
    None,
    /// It answers before it syncs.
    EarlyAnswer,
    /// It never syncs the folder after it made its file.
    NamelessLog,
    /// It takes whatever it finds in its file for true.
    TrustingReader,
}

/// Serves `put KEY VALUE` and `remove KEY` from `input`, one a line; answers `ok KEY`.
///
/// # Errors
/// When its file fails.
pub(super) fn serve(root: &Path, fault: Fault, input: impl BufRead, mut output: impl Write) -> Result<()> {
    let path = root.join(LOG);
    let valid = records(&read(&path)?, fault).1;
    let mut log = OpenOptions::new().create(true).append(true).open(&path)?;
    log.set_len(valid as u64)?;
    log.sync_all()?;
    if fault != Fault::NamelessLog {
        File::open(root)?.sync_all()?;
    }
    for line in input.lines() {
        let line = line?;
        let key = line.split(' ').nth(1).context("no key")?.to_owned();
        let answer = format!("ok {key}\n");
        log.write_all(format!("{} {line}\n", checksum(line.as_bytes())).as_bytes())?;
        if fault == Fault::EarlyAnswer {
            output.write_all(answer.as_bytes())?;
            output.flush()?;
            log.sync_data()?;
        } else {
            log.sync_data()?;
            output.write_all(answer.as_bytes())?;
            output.flush()?;
        }
    }
    Ok(())
}

/// Reads everything the store holds.
pub(super) fn list(root: &Path, fault: Fault) -> Result<State> {
    Ok(records(&read(&root.join(LOG))?, fault).0)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        other => Ok(other?),
    }
}

/// Reads valid records up to the first that is not; returns where it begins.
fn records(bytes: &[u8], fault: Fault) -> (State, usize) {
    let (mut state, mut valid) = (State::new(), 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        let Some((sum, record)) = text.split_once(' ') else { break };
        let is_whole = text.ends_with('\n') && sum == checksum(record.trim_end().as_bytes());
        if !is_whole && fault != Fault::TrustingReader {
            break;
        }
        let mut words = record.trim_end().split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("put"), Some(key), Some(value)) => state.insert(key.to_owned(), value.to_owned()),
            (Some("remove"), Some(key), _) => state.remove(key),
            _ => break,
        };
        valid += line.len();
    }
    (state, valid)
}

/// FNV-1a, as text.
fn checksum(bytes: &[u8]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}
