//! `state export`: one JSON object a line, in key order (api §13).

use super::{BesideGo, OpenedState, StateError};
use crate::command::{Prepared, StateExport};
use cluster_api_types::{Pin, TextCache, json};
use cluster_core::{
    pinset::read,
    ports::datastore::{Cursor, Tree},
};
use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, BufWriter, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Mode of a file that was not there, less what the person's umask takes away: pins are no secret.
const NEW_FILE_MODE: u32 = 0o666;

/// Rows read at a time.
const PAGE: usize = 4096;

pub(super) fn run(prepared: &Prepared, options: &StateExport) -> Result<(), StateError> {
    let opened = OpenedState::open(prepared, BesideGo::Refuse)?;
    let path = options.file.clone().unwrap_or_else(|| PathBuf::from("standard output"));
    let failed = |source| StateError::File { action: "write", path: path.clone(), source };
    match &options.file {
        None => write_pins(&opened, &mut BufWriter::new(io::stdout().lock()), &failed),
        Some(file) => write_file(&opened, file, &failed),
    }?;
    opened.store.close()?;
    Ok(())
}

/// Writes beside the target and renames, so that an export that breaks off leaves an older one alone. What is no
/// ordinary file, such as a pipe, is written itself.
fn write_file(
    opened: &OpenedState,
    file: &Path,
    failed: &dyn Fn(io::Error) -> StateError,
) -> Result<(), StateError> {
    let before = fs::metadata(file).ok();
    if before.as_ref().is_some_and(|metadata| !metadata.is_file()) {
        let mut target = OpenOptions::new().write(true).open(file).map_err(failed)?;
        return write_pins(opened, &mut BufWriter::with_capacity(1 << 20, &mut target), failed);
    }
    // A link stays one; the file it leads to is replaced.
    let file = &fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let new = Permissions::from_mode(NEW_FILE_MODE);
    let mut temporary =
        tempfile::Builder::new().prefix(".new-").permissions(new).tempfile_in(folder).map_err(failed)?;
    if let Some(metadata) = before {
        temporary.as_file().set_permissions(metadata.permissions()).map_err(failed)?;
    }
    {
        let mut writer = BufWriter::with_capacity(1 << 20, temporary.as_file_mut());
        write_pins(opened, &mut writer, failed)?;
    }
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(file).map_err(|error| failed(error.error))?;
    File::open(folder).and_then(|f| f.sync_all()).map_err(failed)
}

fn write_pins(
    opened: &OpenedState,
    out: &mut dyn Write,
    failed: &dyn Fn(io::Error) -> StateError,
) -> Result<(), StateError> {
    let snapshot = opened.store.long_snapshot()?;
    let mut cursor = Cursor::all(Tree::Pins);
    let mut cache = TextCache::default();
    let mut lines = Vec::new();
    let mut count = 0u64;
    while !cursor.is_done() {
        lines.clear();
        for pin in read::decode_pins(cursor.next_page_of(&*snapshot, PAGE)?) {
            count += 1;
            json::to_line(&Pin::from_core(&pin, &mut cache), &mut lines).map_err(|e| failed(e.into()))?;
        }
        out.write_all(&lines).map_err(failed)?;
    }
    out.flush().map_err(failed)?;
    tracing::info!(target: "service", pins = count, "state exported");
    Ok(())
}
