//! The connector against a stand-in that misbehaves in every way a daemon can.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bounds;
mod garbage;
mod pins;
mod queries;
mod reach;
mod swarm;
mod updates;

use cluster_core::{
    Cid, PinDepth,
    ports::{
        IpfsConnector,
        ipfs_connector::{IpfsError, PinProgress, PinRequest, ProgressSink},
    },
};
use cluster_ipfs::{Kubo, KuboConfig};
use cluster_testkit::mock_kubo::MockKubo;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// Far more than anything here takes; reached only by a test that fails.
const LIMIT: Duration = Duration::from_secs(20);

/// A raw CID of a block nobody has.
fn cid(number: u64) -> Cid {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    let bytes = [&[1, 0x55, 0x12, 32][..], &digest].concat();
    Cid::try_from(bytes).unwrap()
}

fn config(mock: &MockKubo) -> KuboConfig {
    let mut config = KuboConfig::new(mock.api().parse().unwrap());
    config.ipfs_request_timeout = LIMIT;
    config.pin_timeout = LIMIT;
    config.unpin_timeout = LIMIT;
    config.repogc_timeout = LIMIT;
    config
}

async fn mock() -> MockKubo {
    MockKubo::start().await.unwrap()
}

fn request(cid: Cid, depth: PinDepth) -> PinRequest {
    PinRequest { cid, depth, origins: Vec::new(), update_from: None }
}

fn ignore() -> ProgressSink {
    Arc::new(|_| {})
}

/// Collects progress.
fn collect() -> (ProgressSink, Arc<Mutex<Vec<PinProgress>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let inner = seen.clone();
    (Arc::new(move |progress| inner.lock().unwrap().push(progress)), seen)
}

async fn pin(kubo: &Kubo, cid: Cid) -> Result<(), IpfsError> {
    kubo.pin(request(cid, PinDepth::RECURSIVE), ignore()).await
}
