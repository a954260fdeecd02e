//! The wall clock.

use cluster_core::UnixMillis;
use std::time::{SystemTime, UNIX_EPOCH};

/// Reads the wall clock. A clock before 1970 counts as 1970.
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
