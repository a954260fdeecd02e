//! The engines of the [`Datastore`](cluster_core::ports::datastore::Datastore) port, the folders they live in and
//! the suite every engine passes.
//!
//! * [`FjallStore`]: a log-structured engine on disk, the default.
//! * [`SledStore`]: a tree over a log on disk, for who asks for it: slower, larger.
//! * [`MemoryStore`]: rows in memory, with power cuts and failing writes on demand, for tests and the simulator.
//! * [`Generations`]: the folder `store/` with its generations and the file `CURRENT`.
//! * [`conformance`]: what an engine must do, as runnable cases.

pub mod conformance;
mod durable_file;
mod engine_kind;
mod engine_marker;
mod fjall_store;
mod folder_lock;
mod gate;
mod generations;
mod memory_store;
mod open_error;
mod sled_store;
mod store_options;
mod stored_key;

pub use engine_kind::{EngineKind, UnknownEngine};
pub use fjall_store::{FjallStore, MemoryBudget};
pub use generations::{BuildPurpose, Building, Generations};
pub use memory_store::{FailMode, MemoryStore};
pub use open_error::OpenError;
pub use sled_store::SledStore;
pub use store_options::{DEFAULT_MEMORY_BUDGET, StoreOptions};
