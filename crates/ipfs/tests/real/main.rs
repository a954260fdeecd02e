//! The connector against real Kubo daemons.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod blocks;
mod fetching;
mod garbage;
mod names;
mod pins;
mod reads;
mod socket;
mod swarm;
mod trouble;
mod updates;

use cluster_core::{
    Cid, PinDepth,
    ports::{
        IpfsConnector,
        ipfs_connector::{IpfsError, PinRequest, ProgressSink},
    },
};
use cluster_ipfs::{Kubo, KuboConfig};
use cluster_testkit::kubo::{Kubo as Daemon, KuboBinary};
use std::{fs, io::Read, path::Path, sync::Arc, time::Duration};

/// Far more than anything here takes; reached only by a test that fails.
const LIMIT: Duration = Duration::from_secs(60);

fn daemon() -> Daemon {
    Daemon::start(&KuboBinary::find_or_build(None).unwrap()).unwrap()
}

fn connector(daemon: &Daemon, change: impl FnOnce(&mut KuboConfig)) -> Kubo {
    let mut config = KuboConfig::new(daemon.api().parse().unwrap());
    (config.ipfs_request_timeout, config.pin_timeout, config.unpin_timeout) = (LIMIT, LIMIT, LIMIT);
    change(&mut config);
    Kubo::new(config).unwrap()
}

/// Adds random content, unpinned.
fn add_random(daemon: &Daemon, bytes: u64) -> Cid {
    add_in_blocks(daemon, bytes, 16_384)
}

fn add_in_blocks(daemon: &Daemon, bytes: u64, block: u64) -> Cid {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("content");
    write_random(&file, bytes);
    let file = file.to_str().unwrap();
    let text =
        daemon.ipfs(&["add", "--quieter", "--pin=false", &format!("--chunker=size-{block}"), file]).unwrap();
    text.parse().unwrap()
}

fn write_random(file: &Path, bytes: u64) {
    let mut content = Vec::new();
    fs::File::open("/dev/urandom").unwrap().take(bytes).read_to_end(&mut content).unwrap();
    fs::write(file, content).unwrap();
}

/// The empty folder, which every fresh repository pins.
const FRESH: &str = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";

/// Lists pins as the `ipfs` program sees them, without the one of a fresh repository.
fn pins_of(daemon: &Daemon, kind: &str) -> Vec<String> {
    daemon.pins(kind).unwrap().into_iter().filter(|cid| cid != FRESH).collect()
}

/// A CID of content that nobody has.
fn nobody_has(number: u8) -> Cid {
    Cid::try_from([&[1, 0x55, 0x12, 32][..], &[number; 32]].concat()).unwrap()
}

fn request(cid: Cid, depth: PinDepth) -> PinRequest {
    PinRequest { cid, depth, origins: Vec::new(), update_from: None }
}

fn ignore() -> ProgressSink {
    Arc::new(|_| {})
}

async fn pin(kubo: &Kubo, cid: Cid, depth: PinDepth) -> Result<(), IpfsError> {
    kubo.pin(request(cid, depth), ignore()).await
}

/// Waits until the daemon works on a pin.
fn until_pinning(daemon: &Daemon) {
    let deadline = std::time::Instant::now() + LIMIT;
    while !daemon
        .ipfs(&["diag", "cmds"])
        .unwrap()
        .lines()
        .any(|l| l.contains("pin/add") && l.contains("true"))
    {
        assert!(std::time::Instant::now() < deadline, "the daemon got no pin");
    }
}
