//! The connector to an IPFS daemon: Kubo's HTTP RPC behind the port `IpfsConnector` (api §10.1).

mod answer;
mod config;
mod endpoint;
mod kubo;
mod lanes;
mod lines;
mod metrics;
mod rpc;
mod throttle;

pub use config::{KuboConfig, KuboConfigError};
pub use kubo::Kubo;
pub use metrics::KuboMetrics;
