//! The connector itself.

mod block_put;
mod describe;
mod garbage;
mod origins;
mod pin_add;
mod pin_ls;
mod pin_rm;
mod pin_update;
mod resolve;
mod swarm;

use crate::{
    config::{KuboConfig, KuboConfigError},
    lanes::{Lane, Lanes},
    metrics::KuboMetrics,
    rpc::{Deadline, MAX_BODY, Rpc},
};
use cid::Cid;
use cluster_core::{
    PinDepth,
    ports::{
        BoxFuture, BoxStream, IpfsConnector,
        ipfs_connector::{
            ContentBlock, GcItem, IpfsError, IpfsId, IpfsPin, IpfsPinStatus, PinRequest, ProgressSink,
            RepoStat,
        },
    },
};
use libp2p_identity::PeerId;
use multiaddr::Multiaddr;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::sync::SemaphorePermit;

/// A Kubo daemon behind its HTTP RPC (api §10.1).
///
/// Pins, unpins, queries, listings and hints have budgets of connections of their own, so that stuck pins never
/// delay a status check. Nothing is sent before the first call.
#[derive(Debug)]
pub struct Kubo {
    rpc: Rpc,
    lanes: Lanes,
    request_timeout: Duration,
    pin_timeout: Duration,
    unpin_timeout: Duration,
    repogc_timeout: Duration,
    unpin_disable: bool,
    metrics: Option<KuboMetrics>,
}

impl Kubo {
    /// Makes a connector; opens no connection yet.
    ///
    /// # Errors
    /// When the address is not one this connector can use or a setting can never work.
    pub fn new(config: KuboConfig) -> Result<Self, KuboConfigError> {
        let rpc = Rpc::new(&config)?;
        Ok(Self {
            rpc,
            lanes: Lanes::new(config.max_connections),
            request_timeout: config.ipfs_request_timeout,
            pin_timeout: config.pin_timeout,
            unpin_timeout: config.unpin_timeout,
            repogc_timeout: config.repogc_timeout,
            unpin_disable: config.unpin_disable,
            metrics: None,
        })
    }

    /// Counts what is asked of the daemon.
    #[must_use]
    pub fn with_metrics(mut self, metrics: KuboMetrics) -> Self {
        self.rpc.measure(metrics.clone());
        self.metrics = Some(metrics);
        self
    }

    /// Waits for the turn of a call.
    async fn enter(
        &self,
        lane: Lane,
        path: &str,
        deadline: Deadline,
    ) -> Result<SemaphorePermit<'_>, IpfsError> {
        self.lanes.enter(lane, deadline).await.ok_or_else(|| self.rpc.too_late(path, deadline))
    }

    /// Makes a call that answers with one object.
    async fn object<T: DeserializeOwned>(
        &self,
        lane: Lane,
        path: &str,
        deadline: Deadline,
    ) -> Result<T, IpfsError> {
        let _turn = self.enter(lane, path, deadline).await?;
        self.read_object(path, deadline, MAX_BODY).await
    }

    /// Makes a call whose turn has come and that answers with one object of at most `limit` bytes.
    async fn read_object<T: DeserializeOwned>(
        &self,
        path: &str,
        deadline: Deadline,
        limit: usize,
    ) -> Result<T, IpfsError> {
        let body = self.rpc.open(path, deadline).await?.whole(deadline, limit).await?;
        serde_json::from_slice(&body).map_err(|e| self.rpc.bad_answer(path, e.to_string()))
    }

    /// Makes a short call that answers with one object.
    async fn query<T: DeserializeOwned>(&self, path: &str) -> Result<T, IpfsError> {
        self.object(Lane::Query, path, Deadline::within(self.request_timeout)).await
    }
}

impl IpfsConnector for Kubo {
    fn id(&self) -> BoxFuture<'_, Result<IpfsId, IpfsError>> {
        Box::pin(self.ask_id())
    }

    fn pin(&self, request: PinRequest, progress: ProgressSink) -> BoxFuture<'_, Result<(), IpfsError>> {
        Box::pin(async move {
            let pinned = self.add_pin(request, progress).await;
            if let Some(metrics) = &self.metrics {
                metrics.pin_add.inc();
                metrics.pin_add_errors.inc_by(u64::from(pinned.is_err()));
            }
            pinned
        })
    }

    fn unpin(&self, cid: Cid) -> BoxFuture<'_, Result<(), IpfsError>> {
        Box::pin(self.remove_pin(cid))
    }

    fn pin_status(&self, cid: Cid, depth: PinDepth) -> BoxFuture<'_, Result<IpfsPinStatus, IpfsError>> {
        Box::pin(self.ask_pin_status(cid, depth))
    }

    fn pin_ls(&self, kind: IpfsPinStatus) -> BoxStream<'_, Result<IpfsPin, IpfsError>> {
        self.list_pins(kind)
    }

    fn resolve(&self, path: String) -> BoxFuture<'_, Result<Cid, IpfsError>> {
        Box::pin(self.ask_resolve(path))
    }

    fn swarm_connect(&self, address: Multiaddr) -> BoxFuture<'_, Result<(), IpfsError>> {
        Box::pin(self.connect_to(address))
    }

    fn swarm_peers(&self) -> BoxFuture<'_, Result<Vec<PeerId>, IpfsError>> {
        Box::pin(self.ask_swarm_peers())
    }

    fn collect_garbage(&self) -> BoxStream<'_, Result<GcItem, IpfsError>> {
        self.stream_garbage()
    }

    fn put_blocks(&self, blocks: BoxStream<'static, ContentBlock>) -> BoxFuture<'_, Result<(), IpfsError>> {
        Box::pin(async move {
            let put = self.put(blocks).await;
            if let Some(metrics) = &self.metrics {
                metrics.blocks_put.inc();
                metrics.blocks_put_errors.inc_by(u64::from(put.is_err()));
            }
            put
        })
    }

    fn repo_stat(&self) -> BoxFuture<'_, Result<RepoStat, IpfsError>> {
        Box::pin(self.ask_repo_stat())
    }

    fn config_value(&self, name: String) -> BoxFuture<'_, Result<Option<String>, IpfsError>> {
        Box::pin(self.ask_config_value(name))
    }
}
