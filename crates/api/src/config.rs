//! How the server works.

use crate::{Credentials, TlsFiles};
use cluster_core::Multiaddr;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// What browsers of other origins may do (api §3.4).
#[derive(Debug, Clone)]
pub struct CorsRules {
    /// Origins, `*` for all, or one `*` inside for any text (`https://*.example.org`).
    pub allowed_origins: Vec<String>,
    /// Methods.
    pub allowed_methods: Vec<String>,
    /// Headers, or `*` for all; empty means those that are always harmless.
    pub allowed_headers: Vec<String>,
    /// Headers that a page may read.
    pub exposed_headers: Vec<String>,
    /// Whether cookies and passwords may be sent.
    pub allow_credentials: bool,
    /// How long a browser may remember the answer to a preflight; zero says nothing.
    pub max_age: Duration,
}

impl Default for CorsRules {
    fn default() -> Self {
        let exposed = ["Content-Type", "X-Stream-Output", "X-Chunked-Output", "X-Content-Length"];
        Self {
            allowed_origins: vec!["*".to_owned()],
            allowed_methods: vec!["GET".to_owned()],
            allowed_headers: Vec::new(),
            exposed_headers: exposed.map(str::to_owned).to_vec(),
            allow_credentials: true,
            max_age: Duration::ZERO,
        }
    }
}

/// Settings of the REST server (api §6.6).
#[derive(Debug, Clone)]
pub struct RestConfig {
    /// Where to listen: `/ip4|ip6/…/tcp/N`, N may be 0.
    pub listen: Vec<Multiaddr>,
    /// Certificate and key; `None` is plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Limit for the head of a request, from its first byte; of the first one from the connection's start.
    pub read_header_timeout: Option<Duration>,
    /// Limit for the head of a request, in bytes; like the reference this server grants 4,096 more.
    pub max_header_bytes: usize,
    /// Who may use the API; `None` is everyone.
    pub credentials: Option<Credentials>,
    /// File of the access log; without one its lines are part of the peer's own log.
    pub log_file: Option<PathBuf>,
    /// Headers added to every answer.
    pub headers: BTreeMap<String, Vec<String>>,
    /// What browsers of other origins may do.
    pub cors: CorsRules,
}

/// What connections may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Limit for the body of a request; `None` leaves a fixed one for the small bodies this API has.
    pub read_timeout: Option<Duration>,
    /// How long a client may take nothing of an answer that is ready; `None` is for ever.
    pub write_timeout: Option<Duration>,
    /// How long a connection may wait for its next request; `None` is for ever.
    pub idle_timeout: Option<Duration>,
    /// Connections of each listener served at once; those beyond wait in the system's queue, unaccepted.
    pub max_connections: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            read_timeout: None,
            write_timeout: None,
            idle_timeout: Some(Duration::from_secs(120)),
            max_connections: 8192,
        }
    }
}
