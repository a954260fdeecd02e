//! Names of files and folders, as a tree of inodes.

use super::event::{Change, Inode};
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::Path,
};

/// The recorded folder itself.
pub(super) const ROOT: Inode = Inode(0);

/// What each folder contains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Namespace {
    folders: BTreeMap<Inode, BTreeMap<OsString, Inode>>,
}

impl Namespace {
    /// Makes a tree of one empty folder.
    pub(super) fn new() -> Self {
        let mut namespace = Self::default();
        namespace.add_folder(ROOT);
        namespace
    }

    /// Makes `inode` known as a folder.
    pub(super) fn add_folder(&mut self, inode: Inode) {
        self.folders.entry(inode).or_default();
    }

    pub(super) fn is_folder(&self, inode: Inode) -> bool {
        self.folders.contains_key(&inode)
    }

    /// Finds what a path below the root names.
    pub(super) fn find(&self, path: &Path) -> Option<Inode> {
        path.iter().try_fold(ROOT, |folder, name| self.folders.get(&folder)?.get(name).copied())
    }

    /// Finds the folder a path is in, and its last name.
    pub(super) fn place<'p>(&self, path: &'p Path) -> Option<(Inode, &'p OsStr)> {
        let folder = self.find(path.parent()?)?;
        self.is_folder(folder).then_some((folder, path.file_name()?))
    }

    /// Lists a folder.
    pub(super) fn entries(&self, folder: Inode) -> impl Iterator<Item = (&OsStr, Inode)> {
        self.folders.get(&folder).into_iter().flatten().map(|(name, inode)| (name.as_os_str(), *inode))
    }

    /// Lists the folders.
    pub(super) fn folders(&self) -> impl Iterator<Item = Inode> {
        self.folders.keys().copied()
    }

    /// Gives or takes a name.
    pub(super) fn apply(&mut self, change: &Change) {
        let entries = self.folders.entry(change.folder).or_default();
        match change.becomes {
            Some(inode) => entries.insert(change.name.clone(), inode),
            None => entries.remove(&change.name),
        };
    }
}
