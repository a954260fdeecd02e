//! The REST server of a peer (api §3), over the port [`ClusterApi`](cluster_core::ports::ClusterApi).
//!
//! From outside in: connections (TLS, limits, time-outs, both HTTP versions on one port), the front (body, access log,
//! authentication, CORS, redirects), the routes, and the handlers, which only translate.

mod access_log;
mod auth;
mod bind_error;
mod browse;
mod bulk;
mod conditions;
mod config;
mod connections;
mod consistency;
mod cors;
mod credentials;
mod failure;
mod front;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod listener;
mod membership;
mod metrics_server;
mod ndjson;
mod openapi;
mod paths;
mod pin_query;
mod pin_search;
mod reads;
mod reply_body;
mod request_body;
mod rest_metrics;
mod rest_server;
mod routes;
mod tls;
mod token;
mod traced;
mod writes;

pub use bind_error::BindError;
pub use config::{ConnectionLimits, CorsRules, RestConfig};
pub use credentials::Credentials;
pub use listener::{ByteStream, HttpStreams};
pub use metrics_server::MetricsServer;
pub use rest_metrics::RestMetrics;
pub use rest_server::RestServer;
pub use tls::{TlsError, TlsFiles};
