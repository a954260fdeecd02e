//! The calls that matter, as values.

use super::arguments::Descriptor;
use std::path::PathBuf;

/// How a file is opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "these are the flags of open(2)")]
pub(super) struct OpenFlags {
    pub(super) append: bool,
    pub(super) create: bool,
    pub(super) truncate: bool,
    pub(super) nameless: bool,
    pub(super) synced: bool,
    pub(super) close_on_exec: bool,
}

/// A file, by descriptor or by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Object {
    Open(Descriptor),
    Named(PathBuf),
}

/// One call. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SystemCall {
    Open {
        path: PathBuf,
        flags: OpenFlags,
    },
    Close {
        descriptor: Descriptor,
    },
    CloseRange {
        first: i64,
        last: i64,
    },
    Duplicate {
        descriptor: Descriptor,
        close_on_exec: bool,
    },
    SetFlags {
        descriptor: Descriptor,
        append: bool,
    },
    Write {
        descriptor: Descriptor,
        data: Vec<u8>,
        at: Option<u64>,
    },
    Read {
        descriptor: Descriptor,
        data: Vec<u8>,
    },
    Seek {
        descriptor: Descriptor,
    },
    Resize {
        object: Object,
        len: u64,
    },
    Allocate {
        descriptor: Descriptor,
        mode: String,
        offset: u64,
        len: u64,
    },
    Copy {
        from: Descriptor,
        from_at: Option<u64>,
        to: Descriptor,
        to_at: Option<u64>,
    },
    Sync {
        descriptor: Descriptor,
    },
    SyncAll,
    Rename {
        from: PathBuf,
        to: PathBuf,
        is_plain: bool,
    },
    Unlink {
        path: PathBuf,
    },
    MakeFolder {
        path: PathBuf,
    },
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    Spawn {
        shares_descriptors: bool,
    },
    Execute,
    /// A way to change files that is not modelled; `None` when it is not known which.
    Foreign {
        call: String,
        object: Option<Object>,
    },
}
