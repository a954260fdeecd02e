//! Writes a file whole or not at all, and so that a power cut afterwards leaves it there.

use std::{
    fs::{DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::Path,
};
use tempfile::NamedTempFile;

/// Writes `bytes` under `path`, mode 0600: a temporary file beside it, fsync, rename, fsync of the folder.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_beside(path, bytes)?.persist(path).map_err(|error| error.error)?;
    File::open(parent(path))?.sync_all()
}

/// As [`write`], but fails when there is something under `path`.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_beside(path, bytes)?.persist_noclobber(path).map_err(|error| error.error)?;
    File::open(parent(path))?.sync_all()
}

fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    // Created with mode 0600: the bytes are never readable by others, not even for a moment.
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(parent(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Makes a folder of mode 0700 and what is missing above it, so that a power cut afterwards leaves them there. An
/// existing folder is left as it is.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| is_missing(folder)).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    missing.into_iter().rev().try_for_each(|folder| File::open(parent(folder))?.sync_all())
}

fn is_missing(folder: &Path) -> bool {
    !folder.as_os_str().is_empty() && !folder.exists()
}

/// The folder a path stands in.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
