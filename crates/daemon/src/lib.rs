//! Assembly of a peer: typed configuration, identity, lock, logging, and what the command line asks for.

pub mod command;
pub mod config;
pub mod daemon;
pub mod follow;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod identity;
pub mod init;
pub mod lock;
pub mod logging;
pub mod memory;
pub mod state;

pub use cluster_core::PeerId;
pub use command::{Command, CommandError, run};
pub use config::{Config, ConfigError, Environment, program_folder};
pub use daemon::DaemonError;
pub use identity::{Identity, IdentityError};
pub use lock::{ExecutionLock, LockError};
