//! The version object.

use serde::{Deserialize, Serialize};

/// Version of a peer's software.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Version {
    /// Such as `1.1.6`.
    pub version: String,
}
