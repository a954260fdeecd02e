//! Everything a program did to a folder, ready to be cut.

use super::{
    base::{self, Base},
    builder::{Builder, Built},
    cut::{Cut, Loss, NameModel},
    disk::Disk,
    error::PowercutError,
    event::{Event, EventKind, Inode, Position},
    folder_diff,
    namespace::{Namespace, ROOT},
    stream_io::StreamIo,
    units::{self, Unit},
};
use std::{
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
};

/// Name of the copy of the folder as it was before.
const BASE: &str = "base";
/// Name of the trace.
const TRACE: &str = "trace";
/// Name of the file that holds the recorded folder's path.
const ROOT_PATH: &str = "root";

/// A recording: the folder before, and all changes of it and all talk with clients in one order.
#[derive(Debug)]
pub struct Recording {
    base: Base,
    folders: Namespace,
    events: Vec<Event>,
    streams: Vec<StreamIo>,
    last: Position,
    paths: std::collections::BTreeMap<Inode, PathBuf>,
}

impl Recording {
    /// Begins a recording of the folder `root`: keeps a copy of it in `folder`.
    ///
    /// # Errors
    /// When a file cannot be copied.
    pub fn begin(folder: &Path, root: &Path) -> Result<(), PowercutError> {
        fs::create_dir_all(folder).map_err(PowercutError::io("create", folder))?;
        let path = folder.join(ROOT_PATH);
        let text = root.as_os_str().as_encoded_bytes();
        fs::write(&path, text).map_err(PowercutError::io("write", path))?;
        base::copy(root, &folder.join(BASE))
    }

    /// Where a recording in `folder` keeps its trace.
    pub fn trace_path(folder: &Path) -> PathBuf {
        folder.join(TRACE)
    }

    /// Reads the recording that was made in `folder`; the program must have started in that folder.
    ///
    /// # Errors
    /// [`PowercutError::Unsupported`] when the program did what is not modelled; others when the trace cannot be
    /// read.
    pub fn load(folder: &Path) -> Result<Self, PowercutError> {
        let root = folder.join(ROOT_PATH);
        let root = fs::read_to_string(&root).map_err(PowercutError::io("read", root))?;
        let base = Base::scan(&folder.join(BASE))?;
        let trace = Self::trace_path(folder);
        let trace = File::open(&trace).map_err(PowercutError::io("open", trace))?;
        let lines = BufReader::with_capacity(1 << 20, trace);
        let Built { events, streams, folders, first_names: paths, last } =
            Builder::read(lines, Path::new(&root), folder, &base)?;
        Ok(Self { base, folders, events, streams, last, paths })
    }

    /// Checks that all recorded changes together give the folder `real` as it is now, byte for byte. `scratch`
    /// must be empty.
    ///
    /// # Errors
    /// [`PowercutError::Unfaithful`] with the first difference.
    pub fn verify(&self, real: &Path, scratch: &Path) -> Result<(), PowercutError> {
        let cut = Cut { position: self.last, loss: Loss::Nothing, names: NameModel::Strict, seed: 0 };
        Disk::after(self, &cut).write(scratch)?;
        match folder_diff::difference(real, scratch)? {
            Some(difference) => Err(PowercutError::Unfaithful { difference }),
            None => Ok(()),
        }
    }

    /// All changes, in the order in which they began.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// All transfers over pipes and sockets, in the order in which they began.
    pub fn streams(&self) -> &[StreamIo] {
        &self.streams
    }

    /// The last position.
    pub fn last(&self) -> Position {
        self.last
    }

    /// Returns the path under which a file was first known, for messages.
    pub fn path_of(&self, inode: Inode) -> PathBuf {
        if inode == ROOT {
            return PathBuf::new();
        }
        let made = self.paths.get(&inode).cloned();
        let base = || self.base.files.get(&inode).cloned();
        made.or_else(base).unwrap_or_else(|| PathBuf::from(format!("inode {}", inode.0)))
    }

    /// Positions at which syncs began and ended and names changed.
    pub(super) fn corners(&self) -> Vec<Position> {
        let is_corner =
            |event: &&Event| !matches!(event.kind, EventKind::Write { .. } | EventKind::Resize { .. });
        let corners = self.events.iter().filter(is_corner);
        corners.flat_map(|event| [Some(event.start), event.end]).flatten().collect()
    }

    pub(super) fn units(&self, model: NameModel) -> Vec<Unit<'_>> {
        units::units(&self.events, model)
    }

    pub(super) fn base_names(&self) -> &Namespace {
        &self.base.names
    }

    pub(super) fn base_file(&self, inode: Inode) -> Option<&Path> {
        self.base.files.get(&inode).map(PathBuf::as_path)
    }

    pub(super) fn is_folder(&self, inode: Inode) -> bool {
        self.folders.is_folder(inode)
    }
}
