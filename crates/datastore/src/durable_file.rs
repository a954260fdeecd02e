//! Small files that are either the old or the new content after a power cut, never something between.

use cluster_core::ports::datastore::StoreError;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Writes `content` to `path`: temporary file, fsync, rename, fsync of the folder.
pub(crate) fn replace(path: &Path, content: &str) -> Result<(), StoreError> {
    let temporary = temporary_of(path);
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(content.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| StoreError::io("write", &temporary, error))?;
    fs::rename(&temporary, path).map_err(|error| StoreError::io("replace", path, error))?;
    sync_parent(path)
}

/// Reads `path`; none when there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<String>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(StoreError::Damaged { path: path.to_owned(), detail: "it is not text".to_owned() }),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("read", path, error)),
    }
}

/// Gives a file another name in its folder, and makes that durable.
pub(crate) fn rename(path: &Path, name: &str) -> Result<(), StoreError> {
    fs::rename(path, path.with_file_name(name)).map_err(|error| StoreError::io("rename", path, error))?;
    sync_parent(path)
}

/// Removes `path` if it is there, and makes that durable.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::io("remove", path, error)),
    }
}

/// Removes a folder with its content, if it is there, and makes that durable.
pub(crate) fn remove_folder(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::io("remove", path, error)),
    }
}

/// Creates a folder with its parents, and makes its name durable.
pub(crate) fn create_folder(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(|error| StoreError::io("create", path, error))?;
    sync_parent(path)
}

/// Lists the entries of a folder; none when there is no such folder.
pub(crate) fn entries(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let read = |error| StoreError::io("read", path, error);
    match fs::read_dir(path) {
        Ok(found) => found.map(|entry| entry.map(|entry| entry.path()).map_err(read)).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(read(error)),
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|error| StoreError::io("sync", path, error))
}

/// Makes the names in a folder and in all folders below it durable.
pub(crate) fn sync_folders(path: &Path) -> Result<(), StoreError> {
    for entry in entries(path)? {
        if entry.is_dir() {
            sync_folders(&entry)?;
        }
    }
    sync_folder(path)
}

/// Makes the files in a folder and below it durable, with their names. Files that go away meanwhile do not matter.
pub(crate) fn sync_all(path: &Path) -> Result<(), StoreError> {
    for entry in entries(path)? {
        if entry.is_dir() {
            sync_all(&entry)?;
            continue;
        }
        match File::open(&entry).and_then(|file| file.sync_all()) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io("sync", entry, error)),
        }
    }
    sync_folder(path)
}

fn sync_parent(path: &Path) -> Result<(), StoreError> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => sync_folder(Path::new(".")),
    }
}

fn temporary_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// Sums up the bytes that the files below `folder` occupy; holes of sparse files do not count.
pub(crate) fn occupied(folder: &Path) -> Result<u64, StoreError> {
    let mut sum = 0;
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            // The engine removes files and folders while we look.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(StoreError::io("read", path, error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| StoreError::io("read", &path, error))?;
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => open.push(entry.path()),
                Ok(metadata) => sum += occupied_by(&metadata),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::io("read", entry.path(), error)),
            }
        }
    }
    Ok(sum)
}

#[cfg(unix)]
fn occupied_by(metadata: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.blocks() * 512
}

#[cfg(not(unix))]
fn occupied_by(metadata: &fs::Metadata) -> u64 {
    metadata.len()
}
