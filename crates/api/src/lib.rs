//! The REST server of a peer (api §3), over the port [`ClusterApi`](cluster_core::ports::ClusterApi).

mod auth;
mod bind_error;
mod config;
mod connections;
mod cors;
mod failure;
mod ndjson;
mod pin_query;
mod reads;
mod rest_server;
mod router;
mod writes;

pub use bind_error::BindError;
pub use config::{CorsRules, Credentials, RestConfig};
pub use rest_server::RestServer;
