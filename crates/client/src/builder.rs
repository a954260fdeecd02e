//! How a client is put together.

use crate::{
    CertificateCheck, Client, Connector, Credentials, Host, HostError, ReqwestConnector, TransportError,
};
use std::time::Duration;

/// Puts a [`Client`] together.
pub struct ClientBuilder {
    hosts: Vec<Host>,
    credentials: Option<Credentials>,
    timeout: Option<Duration>,
    https: Option<CertificateCheck>,
    connector: Option<Box<dyn Connector>>,
    is_strong: bool,
}

/// Says why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No host was given.
    #[error("no host to connect to")]
    NoHost,
    /// None of the names given has an address.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The HTTP client cannot be made.
    #[error("cannot make an HTTP client: {0}")]
    Connector(#[from] TransportError),
}

impl ClientBuilder {
    pub(crate) fn new(hosts: Vec<Host>) -> Self {
        Self { hosts, credentials: None, timeout: None, https: None, connector: None, is_strong: false }
    }

    /// Sends basic authentication with every request. Without TLS it travels in the clear.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Bounds every request, its body included. Without it only the connection is bounded, for some answers take
    /// as long as the pinset is large.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Speaks HTTPS to every host but Unix sockets. Names are then not resolved beforehand: certificates are for them.
    #[must_use]
    pub fn https(mut self, check: CertificateCheck) -> Self {
        self.https = Some(check);
        self
    }

    /// Asks for the latest state of the pinset with every read, which then sees all changes that were acknowledged before.
    /// Takes Raft; peers with another consensus refuse such reads, and those of the Go suite pass the wish over.
    #[must_use]
    pub fn strong_consistency(mut self) -> Self {
        self.is_strong = true;
        self
    }

    /// Replaces plain HTTP by another way of reaching hosts.
    #[must_use]
    pub fn connector(mut self, connector: Box<dyn Connector>) -> Self {
        self.connector = Some(connector);
        self
    }

    /// Resolves names, each address becoming a host to fail over to, and makes the client.
    ///
    /// # Errors
    /// When there is no host, or none of the names resolves.
    pub async fn build(self) -> Result<Client, BuildError> {
        let mut hosts = Vec::with_capacity(self.hosts.len());
        let mut failure = None;
        for host in self.hosts {
            if self.https.is_some() && matches!(host, Host::Dns { .. }) {
                hosts.push(host);
                continue;
            }
            match host.resolve().await {
                Ok(resolved) => hosts.extend(resolved),
                Err(error) => failure = Some(error),
            }
        }
        if hosts.is_empty() {
            return Err(failure.map_or(BuildError::NoHost, BuildError::Host));
        }
        let connector = match self.connector {
            Some(connector) => connector,
            None => Box::new(ReqwestConnector::new(&hosts, self.timeout, self.https)?),
        };
        let Self { credentials, is_strong, .. } = self;
        Ok(Client { hosts, credentials, connector: connector.into(), is_strong })
    }
}
