//! Putting statuses in order that come in none: peers of the Go suite list their map. Sorted runs go into nameless files
//! and are merged when read, so that memory does not grow with the pinset.

use cluster_core::{
    Multiaddr, PeerId, Pin, PinKey, TrackerStatus, UnixMillis,
    pinset::{RowReader, RowWriter},
    ports::{
        cluster_api::{LocalPinStatus, PinStatusOnPeer},
        rpc::CallError,
    },
};
use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    path::PathBuf,
};

/// Rows held in memory; more are written out as a run. At about 400 bytes a row.
const RUN: usize = 50_000;

/// Rows of a page.
const PAGE: usize = 1024;

const VERSION: u8 = 1;

type Entry = (PinKey, Vec<u8>);

/// What one peer said, on its way into order. Disk work happens on threads that may block.
pub(super) struct Spill {
    scratch: PathBuf,
    rows: Vec<Entry>,
    runs: Vec<Run>,
}

/// One sorted run; `next` is read ahead.
struct Run {
    file: BufReader<File>,
    next: Option<Entry>,
}

impl Spill {
    pub(super) fn new(scratch: PathBuf) -> Self {
        Self { scratch, rows: Vec::new(), runs: Vec::new() }
    }

    /// Takes a page.
    pub(super) async fn add(&mut self, page: Vec<LocalPinStatus>) -> io::Result<()> {
        self.rows.extend(page.into_iter().map(|status| (status.pin.key(), encode(&status))));
        if self.rows.len() < RUN {
            return Ok(());
        }
        let (rows, scratch) = (std::mem::take(&mut self.rows), self.scratch.clone());
        self.runs.push(blocking(move || Run::write(rows, &scratch)).await?);
        Ok(())
    }

    /// Ends the taking; from now on pages come out in order. Of several rows of one CID the last one counts.
    pub(super) async fn sorted(mut self) -> io::Result<Self> {
        blocking(move || {
            sort(&mut self.rows);
            // Taken from the end.
            self.rows.reverse();
            for run in &mut self.runs {
                run.advance()?;
            }
            Ok(self)
        })
        .await
    }

    /// Reads the next page; `None` at the end.
    pub(super) async fn next_page(&mut self) -> io::Result<Option<Vec<LocalPinStatus>>> {
        let taken = Self {
            scratch: self.scratch.clone(),
            rows: std::mem::take(&mut self.rows),
            runs: std::mem::take(&mut self.runs),
        };
        let (rest, page) = blocking(move || taken.read_page()).await?;
        *self = rest;
        Ok((!page.is_empty()).then_some(page))
    }

    fn read_page(mut self) -> io::Result<(Self, Vec<LocalPinStatus>)> {
        let mut page = Vec::new();
        while page.len() < PAGE {
            let heads = self.runs.iter().filter_map(|run| Some(&run.next.as_ref()?.0));
            let Some(key) = heads.chain(self.rows.last().map(|(key, _)| key)).min().cloned() else { break };
            let mut row = None;
            for run in &mut self.runs {
                if run.next.as_ref().is_some_and(|(next, _)| *next == key) {
                    row = run.next.take().map(|(_, row)| row);
                    run.advance()?;
                }
            }
            if let Some((_, last)) = self.rows.pop_if(|(next, _)| *next == key) {
                row = Some(last);
            }
            page.extend(row.and_then(|row| decode(&key, &row)));
        }
        Ok((self, page))
    }
}

impl Run {
    fn write(mut rows: Vec<Entry>, scratch: &std::path::Path) -> io::Result<Self> {
        sort(&mut rows);
        let mut file = BufWriter::new(tempfile::tempfile_in(scratch)?);
        for (key, row) in rows {
            for part in [key.as_bytes(), &row] {
                file.write_all(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes())?;
                file.write_all(part)?;
            }
        }
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Self { file: BufReader::new(file), next: None })
    }

    fn advance(&mut self) -> io::Result<()> {
        let Some(key) = self.read_part()? else { return Ok(()) };
        let row = self.read_part()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let key = PinKey::from_bytes(&key).map_err(io::Error::other)?;
        self.next = Some((key, row));
        Ok(())
    }

    fn read_part(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut len = [0; 4];
        match self.file.read_exact(&mut len) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        }
        let mut part = vec![0; u32::from_be_bytes(len) as usize];
        self.file.read_exact(&mut part)?;
        Ok(Some(part))
    }
}

/// Sorts by key and keeps the last of each.
fn sort(rows: &mut Vec<Entry>) {
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Says that the scratch files failed.
pub(super) fn failure(error: io::Error) -> CallError {
    CallError::Failed { message: format!("cannot put the answer in order: {error}") }
}

fn encode(status: &LocalPinStatus) -> Vec<u8> {
    let LocalPinStatus { pin, created, on_peer } = status;
    let addresses = &on_peer.ipfs_peer_addresses;
    let mut row = RowWriter::new(VERSION)
        .bytes(&pin.encode())
        .int(created.0)
        .bytes(&on_peer.peer.to_bytes())
        .bytes(on_peer.peername.as_bytes())
        .bytes(&on_peer.ipfs_peer_id.map(|id| id.to_bytes()).unwrap_or_default())
        .int(u64::from(on_peer.status.bit()))
        .int(on_peer.timestamp.0)
        .bytes(on_peer.error.as_bytes())
        .int(u64::from(on_peer.attempt_count))
        .byte(u8::from(on_peer.priority_pin))
        .int(addresses.len() as u64);
    for address in addresses {
        row = row.bytes(&address.to_vec());
    }
    row.finish()
}

fn decode(key: &PinKey, row: &[u8]) -> Option<LocalPinStatus> {
    let mut reader = RowReader::new(row, VERSION)?;
    let pin = Pin::decode_lossy(key, reader.bytes()?);
    let created = UnixMillis(reader.int()?);
    let peer = PeerId::from_bytes(reader.bytes()?).ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let peername = text(reader.bytes()?);
    let ipfs_peer_id = PeerId::from_bytes(reader.bytes()?).ok();
    let bit = reader.int()?;
    let status = TrackerStatus::ALL.into_iter().find(|status| u64::from(status.bit()) == bit);
    let timestamp = UnixMillis(reader.int()?);
    let error = text(reader.bytes()?);
    let attempt_count = u32::try_from(reader.int()?).ok()?;
    let priority_pin = reader.byte()? != 0;
    let count = reader.int()?;
    let ipfs_peer_addresses =
        (0..count).map(|_| Multiaddr::try_from(reader.bytes()?.to_vec()).ok()).collect::<Option<_>>()?;
    let on_peer = PinStatusOnPeer {
        peer,
        peername,
        ipfs_peer_id,
        ipfs_peer_addresses,
        status: status.unwrap_or(TrackerStatus::Undefined),
        timestamp,
        error,
        attempt_count,
        priority_pin,
    };
    Some(LocalPinStatus { pin, created, on_peer })
}
