//! How the server works.

use cluster_core::Multiaddr;
use std::{collections::BTreeMap, time::Duration};
use zeroize::Zeroizing;

/// Users and their passwords. Never printed.
#[derive(Clone)]
pub struct Credentials(BTreeMap<String, Zeroizing<String>>);

impl Credentials {
    /// Takes the pairs.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().map(|(user, password)| (user, Zeroizing::new(password))).collect())
    }

    /// Checks a pair in a time that does not depend on where the passwords differ. An empty user or password
    /// never passes.
    pub(crate) fn accept(&self, user: &str, password: &str) -> bool {
        let Some(expected) = self.0.get(user) else { return false };
        let (a, b) = (expected.as_bytes(), password.as_bytes());
        let differs = a.iter().zip(b).fold(u8::from(a.len() != b.len()), |d, (x, y)| d | (x ^ y));
        !user.is_empty() && !password.is_empty() && differs == 0
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({} users)", self.0.len())
    }
}

/// What browsers of other origins may do (api §3.4).
#[derive(Debug, Clone)]
pub struct CorsRules {
    /// Origins, or `*`.
    pub allowed_origins: Vec<String>,
    /// Methods.
    pub allowed_methods: Vec<String>,
    /// Headers; empty means those that are always harmless.
    pub allowed_headers: Vec<String>,
    /// Headers that a page may read.
    pub exposed_headers: Vec<String>,
    /// Whether cookies and passwords may be sent.
    pub allow_credentials: bool,
    /// How long a browser may remember the answer to a preflight.
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
    /// Limit for the head of a request.
    pub read_header_timeout: Option<Duration>,
    /// Limit for the head of a request, in bytes.
    pub max_header_bytes: usize,
    /// Who may use the API; `None` is everyone.
    pub credentials: Option<Credentials>,
    /// Headers added to every answer.
    pub headers: BTreeMap<String, Vec<String>>,
    /// What browsers of other origins may do.
    pub cors: CorsRules,
}
