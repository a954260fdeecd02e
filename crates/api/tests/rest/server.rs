//! A server for one test.

use crate::{
    fake_api::FakeApi,
    raw_client::{self, Answer},
};
use cluster_api::{ConnectionLimits, CorsRules, RestConfig, RestServer};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{sync::oneshot, task::JoinHandle};

/// A running server; dropping it stops it.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) api: Arc<FakeApi>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

pub(crate) fn config() -> RestConfig {
    RestConfig {
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        tls: None,
        log_file: None,
        read_header_timeout: Some(Duration::from_secs(30)),
        max_header_bytes: 4096,
        credentials: None,
        headers: Default::default(),
        cors: CorsRules::default(),
    }
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with(config(), ConnectionLimits::default()).await
    }

    pub(crate) async fn with(config: RestConfig, limits: ConnectionLimits) -> Self {
        let api = Arc::new(FakeApi::default());
        let server = RestServer::bind(config, api.clone()).await.unwrap().with_limits(limits);
        let address = server.local_addrs()[0];
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server.serve(async { drop(stopped.await) }));
        Self { address, api, stop: Some(stop), serving }
    }

    /// Sends one request, `METHOD /path`, with extra header lines, and reads the answer.
    pub(crate) async fn ask(&self, line: &str, headers: &[&str]) -> Answer {
        raw_client::ask(self.address, line, headers).await
    }

    /// Begins an orderly stop; the future ends with the server.
    pub(crate) fn stop(mut self) -> JoinHandle<()> {
        drop(self.stop.take());
        self.serving
    }
}
