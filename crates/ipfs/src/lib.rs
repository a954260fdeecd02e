//! The connector to the IPFS daemon's HTTP RPC (api §10.1).

mod answers;
mod config;
mod exchange;
mod kubo;
mod lines;

pub use config::{KuboConfig, KuboConfigError};
pub use kubo::Kubo;
