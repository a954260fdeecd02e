//! Power cuts: what a program did to a folder, the folder as a power cut would have left it, and whether
//! everything the program had acknowledged is still there.
//!
//! The program runs under `strace`, which writes down every call that changes the folder, with its data, and
//! every byte that goes to its clients, all in one order ([`Recorder`] → [`Recording`]). A [`Cut`] is a position
//! in that order; [`Disk`] rebuilds the folder as it could be found after a power cut there. The program is then
//! started again on the rebuilt folder, and [`judge`] compares what it says with the [`Operation`]s it had
//! answered before the cut. [`Campaign`] does all of it for any [`Workload`].
//!
//! # What survives
//! * The bytes and the length of a file: what was written before an `fsync` or `fdatasync` of it *began* survives
//!   once that call has *returned*.
//! * Names survive as the [`NameModel`] says: strictly (only an `fsync` of the folder counts) or as on ext4.
//! * Everything else may survive or not, as the [`Loss`] chosen for the disk says. Nothing is assumed about
//!   order: a later write may be there and an earlier one not. A sector of 512 bytes is whole or absent.
//!
//! What cannot be recorded (writable shared mappings, `io_uring`, exchanging renames, …) is an error, never
//! overlooked, and every recording must reproduce the real folder byte for byte before it is used.

mod arguments;
mod base;
mod builder;
mod campaign;
mod cut;
mod decode;
mod descriptors;
mod dice;
mod disk;
mod error;
mod event;
mod folder_diff;
mod judge;
mod namespace;
mod operation;
mod recorder;
mod recording;
mod selection;
mod stream_io;
mod sync_proof;
mod system_call;
#[cfg(test)]
mod tests;
mod trace_reader;
mod units;
mod workload;

pub use campaign::{Campaign, CampaignOptions, Summary};
pub use cut::{Cut, Loss, NameModel, choose_cuts};
pub use dice::Dice;
pub use disk::Disk;
pub use error::PowercutError;
pub use event::{Change, Event, EventKind, Inode, Position};
pub use judge::{State, Violation, judge};
pub use operation::{Answer, Effect, Operation};
pub use recorder::{Recorder, Running, is_permitted};
pub use recording::Recording;
pub use stream_io::{Direction, StreamIo};
pub use sync_proof::{SyncProof, prove_syncs};
pub use workload::Workload;
