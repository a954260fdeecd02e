//! How a store is opened.

use crate::EngineKind;

/// Memory an engine may use for its caches and buffers unless configured otherwise, in bytes: 96 MiB.
pub const DEFAULT_MEMORY_BUDGET: u64 = 96 * 1024 * 1024;

/// Options of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    /// Engine that reads and writes the rows.
    pub engine: EngineKind,
    /// Memory for caches and buffers, in bytes; [`MemoryBudget`](crate::MemoryBudget) and
    /// [`SledStore`](crate::SledStore) say what it divides into.
    pub memory_budget: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { engine: EngineKind::Fjall, memory_budget: DEFAULT_MEMORY_BUDGET }
    }
}
