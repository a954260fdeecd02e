//! The folder as it was before the recording began.

use super::{
    error::PowercutError,
    event::{Change, Inode},
    namespace::{Namespace, ROOT},
};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

/// Files and folders that were there, all of them durable.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub(super) names: Namespace,
    /// Where the copy of each file is.
    pub(super) files: BTreeMap<Inode, PathBuf>,
}

impl Base {
    /// Numbers everything below `copy`, in the order of the names.
    pub(super) fn scan(copy: &Path) -> Result<Self, PowercutError> {
        let mut base = Self { names: Namespace::new(), files: BTreeMap::new() };
        let mut next = 1;
        base.scan_folder(copy, ROOT, &mut next)?;
        Ok(base)
    }

    fn scan_folder(&mut self, path: &Path, folder: Inode, next: &mut u64) -> Result<(), PowercutError> {
        for (name, path, is_folder) in list(path)? {
            let inode = Inode(*next);
            *next += 1;
            self.names.apply(&Change { folder, name, becomes: Some(inode) });
            if is_folder {
                self.names.add_folder(inode);
                self.scan_folder(&path, inode, next)?;
            } else {
                self.files.insert(inode, path);
            }
        }
        Ok(())
    }

    /// Returns a number above those of all files and folders.
    pub(super) fn next_inode(&self) -> u64 {
        let folders = self.names.folders().max().map_or(0, |inode| inode.0);
        let files = self.files.keys().max().map_or(0, |inode| inode.0);
        folders.max(files) + 1
    }
}

/// Lists a folder in the order of the names; whether each entry is a folder.
pub(super) fn list(folder: &Path) -> Result<Vec<(OsString, PathBuf, bool)>, PowercutError> {
    let failed = |source| PowercutError::Io { action: "list", path: folder.to_owned(), source };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_folder = entry.file_type().map_err(failed)?.is_dir();
        entries.push((entry.file_name(), entry.path(), is_folder));
    }
    entries.sort();
    Ok(entries)
}

/// Copies a folder with everything in it.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), PowercutError> {
    fs::create_dir_all(to).map_err(PowercutError::io("create", to))?;
    for (name, path, is_folder) in list(from)? {
        let target = to.join(name);
        if is_folder {
            copy(&path, &target)?;
        } else {
            fs::copy(&path, &target).map_err(PowercutError::io("copy", &path))?;
        }
    }
    let mode = fs::metadata(from).map_err(PowercutError::io("read", from))?.permissions();
    fs::set_permissions(to, mode).map_err(PowercutError::io("change", to))
}
