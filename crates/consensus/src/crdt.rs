//! The Merkle-CRDT: an add-wins observed-remove set of pins whose changes are the nodes of a DAG
//! (wire-protocol §4).

mod backend;
mod block;
mod block_id;
mod broadcast;
mod causes;
pub mod check;
mod dot;
pub mod engine;
mod health;
mod mark;
mod merge;
mod pack;
mod pending;
pub mod register;
pub mod rows;
mod walks;

pub use backend::{CrdtBackend, CrdtInput, CrdtOutput, MAX_OPEN_WALKS, Packing};
pub use block::{Block, BlockError, Delta, Element, MAX_BLOCK, MAX_DELTA, MAX_PRIORITY, Tombstone};
pub use block_id::{BlockId, BlockIdError};
pub use broadcast::{Broadcast, BroadcastError};
pub use causes::Causes;
pub use dot::draw;
pub use engine::{Batching, CrdtEngine, EngineConfig, EngineInput, EngineOutput};
pub use health::{WalkProgress, read_health, read_progress};
pub use mark::Mark;
