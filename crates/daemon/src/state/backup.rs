//! `state backup`: the whole state, history included, so that it can be taken back exactly.

use super::{
    BackupError, BesideGo, OpenedState, StateError,
    backup_files::{FORMAT, MANIFEST, Manifest, ManifestFile, ROWS, Summed, write_row},
    progress::Progress,
};
use crate::{command::Prepared, init::durable_file};
use cluster_core::{
    pinset::{events, format},
    ports::datastore::{Cursor, Datastore, Tree},
};
use cluster_runtime::now;
use std::{
    fs::{self, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Rows read at a time; blocks may take megabytes each.
const PAGE: usize = 64;

/// Bytes collected before they are written.
const BUFFER: usize = 1 << 20;

pub(super) fn run(prepared: &Prepared, folder: &Path) -> Result<(), StateError> {
    let opened = OpenedState::open(prepared, BesideGo::Refuse)?;
    let failed = |source| StateError::File { action: "write", path: folder.to_owned(), source };
    durable_file::make_folder(folder).map_err(failed)?;
    if fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(BackupError::NotEmpty { path: folder.to_owned() }.into());
    }
    let path = folder.join(ROWS);
    let (rows, file) = write_rows(&*opened.store, &path).inspect_err(|_| {
        // Without a manifest it is no backup, whatever becomes of the file.
        let _ = fs::remove_file(&path);
    })?;
    opened.store.close()?;
    let size = file.size;
    let manifest = Manifest {
        format: FORMAT,
        store_format: format::FORMAT,
        written_by: concat!("cluster-service ", env!("CARGO_PKG_VERSION")).to_owned(),
        created_unix_ms: now().0,
        peer: prepared.identity.id().to_string(),
        rows,
        files: vec![file],
    };
    let mut text = serde_json::to_vec_pretty(&manifest).map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    durable_file::write(&folder.join(MANIFEST), &text).map_err(failed)?;
    tracing::info!(target: "service", rows, bytes = size, "state backed up");
    Ok(())
}

fn write_rows(store: &dyn Datastore, path: &Path) -> Result<(u64, ManifestFile), StateError> {
    let failed = |source: io::Error| StateError::File { action: "write", path: path.to_owned(), source };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let mut out = Summed::new(BufWriter::with_capacity(BUFFER, file));
    let progress = Progress::of_rows("backing up");
    let snapshot = store.long_snapshot()?;
    let mut count = 0;
    for tree in Tree::ALL {
        let mut cursor = Cursor::all(tree);
        while !cursor.is_done() {
            for row in cursor.next_page_of(&*snapshot, PAGE)? {
                // What is taken back goes on as another history of changes.
                if events::is_history(tree, &row.0) {
                    continue;
                }
                write_row(&mut out, tree, &row).map_err(failed)?;
                count += 1;
                progress.advance(1);
            }
        }
    }
    out.flush().map_err(failed)?;
    out.inner().get_ref().sync_all().map_err(failed)?;
    Ok((count, out.into_file(ROWS)))
}
