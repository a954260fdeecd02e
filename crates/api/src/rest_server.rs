//! The server: bound first, served later.

use crate::{
    BindError, ConnectionLimits, HttpStreams, RestConfig, RestMetrics, access_log::AccessLogFile,
    connections::Connections, front::Front, listener::Listener, tls::Tls,
};
use cluster_core::ports::ClusterApi;
use std::{net::SocketAddr, sync::Arc};

/// A REST server that has its ports.
pub struct RestServer {
    config: RestConfig,
    limits: ConnectionLimits,
    api: Arc<dyn ClusterApi>,
    tls: Option<Tls>,
    log: Option<AccessLogFile>,
    listeners: Vec<Listener>,
    metrics: Option<RestMetrics>,
}

impl std::fmt::Debug for RestServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RestServer")
            .field("addresses", &self.listening().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl RestServer {
    /// Takes every port and socket; connections wait until [`RestServer::serve`].
    ///
    /// # Errors
    /// When an address is of another kind or taken, or the files for HTTPS or the access log cannot be used.
    pub async fn bind(config: RestConfig, api: Arc<dyn ClusterApi>) -> Result<Self, BindError> {
        let tls = config.tls.clone().map(Tls::load).transpose()?;
        let log = config
            .log_file
            .clone()
            .map(|path| AccessLogFile::open(path.clone()).map_err(|source| BindError::Log { path, source }));
        let log = log.transpose()?;
        let mut listeners = Vec::new();
        for address in &config.listen {
            listeners.push(Listener::bind(address).await?);
        }
        Ok(Self { config, limits: ConnectionLimits::default(), api, tls, log, listeners, metrics: None })
    }

    /// Replaces the limits of connections.
    #[must_use]
    pub fn with_limits(self, limits: ConnectionLimits) -> Self {
        Self { limits, ..self }
    }

    /// Serves connections that somebody else takes, beside the ports; TLS is not spoken there.
    #[must_use]
    pub fn with_streams(mut self, streams: HttpStreams) -> Self {
        self.listeners.push(Listener::Streams(streams));
        self
    }

    /// Counts requests.
    #[must_use]
    pub fn with_metrics(self, metrics: RestMetrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// Says whether its TCP ports speak HTTPS.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Returns where it listens, for people: ports as `host:port`, sockets as paths.
    pub fn listening(&self) -> impl Iterator<Item = String> {
        self.listeners.iter().map(Listener::to_string)
    }

    /// Returns the TCP ports it listens on, in the order of the configuration.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(Listener::local_addr).collect()
    }

    /// Serves until `stop` is ready, then takes no more connections and lets requests under way finish, within
    /// seconds.
    ///
    /// # Cancel safety
    /// Dropping the future stops the listeners at once and lets requests under way finish.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Self { config, limits, api, tls, log, listeners, metrics } = self;
        let (head, max_header_bytes) = (config.read_header_timeout, config.max_header_bytes);
        let front = Front::new(api, config, log, limits.read_timeout, metrics);
        let connections = Connections::new(front, limits, head, max_header_bytes);
        Arc::new(connections).serve(listeners, tls, stop).await;
    }
}
