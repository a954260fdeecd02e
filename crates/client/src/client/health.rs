//! Health of the cluster and of its IPFS daemons.

use super::{Call, Client, pins::local};
use crate::{ClientError, Scope};
use cluster_api_types::{
    Alert, BandwidthByProtocol, ConnectGraph, CrdtHealth, GlobalRepoGc, Metric, RaftHealth,
};
use http::Method;

impl Client {
    /// Asks who is connected to whom (`GET /health/graph`).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn graph(&self) -> Result<ConnectGraph, ClientError> {
        self.object::<Option<_>>(Call::new(Method::GET, "/health/graph")).await.map(Option::unwrap_or_default)
    }

    /// Asks how the peer's Merkle-CRDT stands (`GET /health/crdt`; peers of the Go suite do not know it).
    ///
    /// # Errors
    /// [`ClientError`]; code 404 from a peer of the Go suite, 501 from one that runs another consensus.
    pub async fn crdt_health(&self) -> Result<CrdtHealth, ClientError> {
        self.object(Call::new(Method::GET, "/health/crdt")).await
    }

    /// Asks how the peer's Raft stands (`GET /health/raft`; peers of the Go suite do not know it).
    ///
    /// # Errors
    /// [`ClientError`]; code 404 from a peer of the Go suite, 501 from one that runs another consensus.
    pub async fn raft_health(&self) -> Result<RaftHealth, ClientError> {
        self.object(Call::new(Method::GET, "/health/raft")).await
    }

    /// Lists alerts, newest first (`GET /health/alerts`).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn alerts(&self) -> Result<Vec<Alert>, ClientError> {
        self.object::<Option<_>>(Call::new(Method::GET, "/health/alerts"))
            .await
            .map(Option::unwrap_or_default)
    }

    /// Asks for traffic by protocol (`GET /health/bandwidth`).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn bandwidth(&self) -> Result<BandwidthByProtocol, ClientError> {
        self.object(Call::new(Method::GET, "/health/bandwidth")).await
    }

    /// Lists the names of metrics (`GET /monitor/metrics`).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn metric_names(&self) -> Result<Vec<String>, ClientError> {
        self.object::<Option<_>>(Call::new(Method::GET, "/monitor/metrics"))
            .await
            .map(Option::unwrap_or_default)
    }

    /// Lists the last valid metric of each peer (`GET /monitor/metrics/{name}`).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn metrics(&self, name: &str) -> Result<Vec<Metric>, ClientError> {
        let call = Call::new(Method::GET, "/monitor/metrics").segment(name);
        self.object::<Option<_>>(call).await.map(Option::unwrap_or_default)
    }

    /// Collects garbage on the IPFS daemons (`POST /ipfs/gc`). Of several peers each tells its own failure.
    ///
    /// # Errors
    /// [`ClientError`]; with [`Scope::Local`] code 500 when the daemon fails.
    pub async fn collect_garbage(&self, scope: Scope) -> Result<GlobalRepoGc, ClientError> {
        let call = Call::new(Method::POST, "/ipfs/gc").query(local(scope));
        self.object::<Option<_>>(call).await.map(Option::unwrap_or_default)
    }
}
