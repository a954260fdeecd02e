//! Limits and times of the engine.

use std::time::Duration;

/// When operations are put into a delta together (api §6.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// So many operations make a delta.
    pub max_size: u64,
    /// The first operation waits at most so long.
    pub max_age: Duration,
}

impl Batching {
    /// Takes the two settings; batching is on when both are greater than zero.
    pub fn new(max_size: u64, max_age: Duration) -> Option<Self> {
        (max_size > 0 && !max_age.is_zero()).then_some(Self { max_size, max_age })
    }
}

/// Limits and times of the engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Time between two broadcasts of the heads, on average.
    pub rebroadcast_interval: Duration,
    /// Least time between two announcements of own writes. A later head leads to an earlier one, and every announcement
    /// costs each peer some checks of its signature.
    pub announce_interval: Duration,
    /// Collects operations, when set.
    pub batching: Option<Batching>,
    /// Time that slow peers need for a delta. While such are connected all writers together keep to it, and operations
    /// in between wait for the next delta.
    pub slow_delta_time: Duration,
    /// Time between two looks for lost blocks; `None` is never.
    pub repair_interval: Option<Duration>,
    /// Blocks of walks asked for at once.
    pub max_wants: usize,
    /// A want without an answer has failed after this time.
    pub fetch_timeout: Duration,
    /// Time before a failed want is repeated for the first time; it doubles with every failure.
    pub first_retry: Duration,
    /// The longest time between two attempts.
    pub max_retry: Duration,
    /// A first walk that takes no block for this long holds operations back no longer.
    pub stall_timeout: Duration,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            rebroadcast_interval: Duration::from_secs(60),
            announce_interval: Duration::from_millis(10),
            batching: None,
            slow_delta_time: Duration::from_nanos(1_000_000_000 / 30),
            repair_interval: None,
            max_wants: 32,
            fetch_timeout: Duration::from_secs(30),
            first_retry: Duration::from_secs(1),
            max_retry: Duration::from_secs(120),
            stall_timeout: Duration::from_secs(60),
        }
    }
}
