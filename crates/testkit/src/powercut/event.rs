//! What changes a folder, as values.

use std::ffi::OsString;

/// A place in the one order of everything recorded: the number of a line of the trace, from 1.
pub type Position = u64;

/// A file or folder, whatever its names are at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inode(pub u64);

/// A name in a folder that is given to something or taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The folder.
    pub folder: Inode,
    /// The name in it.
    pub name: OsString,
    /// What it names afterwards; `None` when it is gone.
    pub becomes: Option<Inode>,
}

/// One thing that happened to the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// Bytes were written.
    Write {
        /// The file.
        inode: Inode,
        /// Where in it.
        offset: u64,
        /// What.
        data: Vec<u8>,
        /// Whether the call itself returned only after a sync (`O_SYNC`, `O_DSYNC`).
        synced: bool,
    },
    /// The length was set.
    Resize {
        /// The file.
        inode: Inode,
        /// Its length from then on, in bytes.
        len: u64,
    },
    /// Names changed together.
    Names(Vec<Change>),
    /// A file or folder was synced.
    Sync {
        /// Which.
        inode: Inode,
    },
    /// Everything was synced.
    SyncAll,
}

/// Something that happened to the folder between two positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Where the call began: its effect may be on the disk from here on.
    pub start: Position,
    /// Where the call had returned; `None` when the recording ended before.
    pub end: Option<Position>,
    /// What happened.
    pub kind: EventKind,
}
