//! Where a state command writes to: standard output, or a file that is replaced only by a whole one.

use super::StateError;
use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, BufWriter, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Mode of a file that was not there, less what the person's umask takes away: pins are no secret.
const NEW_FILE_MODE: u32 = 0o666;

/// Bytes collected before they are written.
const BUFFER: usize = 1 << 20;

/// What is written, with the name that errors show.
pub(super) struct Output<'a> {
    out: &'a mut dyn Write,
    path: &'a Path,
}

impl Output<'_> {
    /// Writes bytes.
    ///
    /// # Errors
    /// Names the file.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        self.out.write_all(bytes).map_err(|source| self.failed(source))
    }

    /// Names the file of an error.
    pub(super) fn failed(&self, source: io::Error) -> StateError {
        failed(self.path, source)
    }
}

/// Has `write` fill a file, or standard output where none is named.
pub(super) fn write(
    file: Option<&Path>,
    write: impl FnOnce(&mut Output<'_>) -> Result<(), StateError>,
) -> Result<(), StateError> {
    match file {
        None => {
            let mut out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
            fill(&mut out, Path::new("standard output"), write)
        }
        Some(file) => write_file(file, write),
    }
}

/// Writes beside the target and renames, so that a command that breaks off leaves an older file alone. What is no
/// ordinary file, such as a pipe, is written itself.
fn write_file(
    file: &Path,
    write: impl FnOnce(&mut Output<'_>) -> Result<(), StateError>,
) -> Result<(), StateError> {
    let path: PathBuf = file.to_owned();
    let failed = |source| failed(&path, source);
    let before = fs::metadata(file).ok();
    if before.as_ref().is_some_and(|metadata| !metadata.is_file()) {
        let mut target = OpenOptions::new().write(true).open(file).map_err(failed)?;
        return fill(&mut BufWriter::with_capacity(BUFFER, &mut target), file, write);
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
    fill(&mut BufWriter::with_capacity(BUFFER, temporary.as_file_mut()), &path, write)?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(file).map_err(|error| failed(error.error))?;
    File::open(folder).and_then(|f| f.sync_all()).map_err(failed)
}

fn fill(
    out: &mut dyn Write,
    path: &Path,
    write: impl FnOnce(&mut Output<'_>) -> Result<(), StateError>,
) -> Result<(), StateError> {
    write(&mut Output { out, path })?;
    out.flush().map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: io::Error) -> StateError {
    StateError::File { action: "write", path: path.to_owned(), source }
}
