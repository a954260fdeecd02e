//! Snapshots: what every peer has alike at one place of the log, in chunks that each cover a range of keys.

mod body;
mod chunk;
mod chunk_source;
mod equal;
mod spool;

pub(super) use body::Chunks;
pub use body::SnapshotBody;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) use chunk::sealed;
pub(super) use chunk::sum_of;
pub use chunk::{Chunk, ChunkError, ChunkName, Digest, MAX_CHUNK, Place, Section, Sum};
pub(super) use chunk_source::ChunkSource;
pub(super) use equal::make_equal;
pub(super) use spool::{HeldSpool, Parts, Spool};
