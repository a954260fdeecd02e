//! Whole peers whose IPFS daemon misbehaves: other CIDs go on, the error says what happened, and everything recovers
//! when the daemon does.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::{
    Cid, Client, Host, IpfsPath, Scope, TrackerStatus,
    api_types::{PinInfoShort, PinOptions},
};
use cluster_testkit::{
    mock_kubo::{End, Endpoint, MockKubo, PinnedAs, Script},
    service::{Programs, Service},
};
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

struct World {
    peer: Service,
    client: Client,
    mock: MockKubo,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new(variables: &[(&str, &str)]) -> Self {
        let mock = MockKubo::start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let programs = Programs::build().unwrap();
        let quick = ("CLUSTER_PINRECOVERINTERVAL", "1s");
        let variables: Vec<_> = variables.iter().copied().chain([quick]).collect();
        let mut peer =
            Service::init(&programs.service, &folder.path().join("peer"), &mock.api(), &variables).unwrap();
        peer.start().unwrap();
        let client = Client::builder(vec![Host::parse(peer.rest()).unwrap()]).build().await.unwrap();
        Self { peer, client, mock, _folder: folder }
    }

    async fn pin(&self, number: u64) -> Cid {
        let cid = cid(number);
        let path = IpfsPath::parse(&format!("/ipfs/{cid}")).unwrap();
        self.client.pin(&path, &PinOptions::default()).await.unwrap();
        cid
    }

    async fn status(&self, cid: &Cid) -> PinInfoShort {
        let info = self.client.status(cid, Scope::Local).await.unwrap();
        info.peer_map.into_iter().flatten().next().unwrap().1
    }

    async fn until(&self, cid: &Cid, wanted: TrackerStatus) -> PinInfoShort {
        let deadline = Instant::now() + LIMIT;
        loop {
            let status = self.status(cid).await;
            if status.status == wanted {
                return status;
            }
            assert!(Instant::now() < deadline, "{cid} is not {wanted}: {status:?}\n{}", self.peer.log_text());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Pins a CID whose calls go by the script; others must be pinned meanwhile. Returns how it failed.
    async fn one_fails_others_go_on(&self, script: Script) -> PinInfoShort {
        let bad = cid(1);
        self.mock.script_for(Endpoint::PinAdd, bad, script);
        self.pin(1).await;
        for number in 10..40 {
            self.pin(number).await;
        }
        for number in 10..40 {
            self.until(&cid(number), TrackerStatus::Pinned).await;
        }
        self.until(&bad, TrackerStatus::PinError).await
    }

    async fn recovers(&self, cid: &Cid) {
        self.mock.behave();
        let status = self.until(cid, TrackerStatus::Pinned).await;
        assert!(status.error.is_empty() && status.attempt_count >= 2, "{status:?}");
        assert_eq!(self.mock.pinned(cid), Some(PinnedAs::Recursive));
    }
}

fn cid(number: u64) -> Cid {
    let digest = Sha256::digest(number.to_be_bytes());
    Cid::try_from([&[1, 0x55, 0x12, 32], digest.as_slice()].concat()).unwrap()
}

#[tokio::test]
async fn a_daemon_that_takes_two_seconds_a_call_delays_its_own_jobs_only() {
    let world = World::new(&[]).await;
    let known = world.pin(1).await;
    world.until(&known, TrackerStatus::Pinned).await;
    for endpoint in [Endpoint::PinAdd, Endpoint::PinLs, Endpoint::Id, Endpoint::PinRm] {
        world.mock.script(endpoint, Script::after(Duration::from_secs(2)));
    }
    let begun = Instant::now();
    for number in 2..30 {
        world.pin(number).await;
    }
    // A status may cost one look at the daemon, of a second at most; nothing else waits for it.
    assert_eq!(world.status(&known).await.status, TrackerStatus::Pinned);
    assert!(begun.elapsed() < Duration::from_secs(8), "the API waited for the daemon: {:?}", begun.elapsed());
    for number in 2..30 {
        world.until(&cid(number), TrackerStatus::Pinned).await;
    }
    // One call for each healthy pin.
    assert_eq!(world.mock.calls(Endpoint::PinAdd), 29);
    assert!(world.mock.peak_calls(Endpoint::PinAdd) <= 10);
}

#[tokio::test]
async fn a_pin_that_hangs_stalls_alone() {
    let world = World::new(&[("CLUSTER_IPFSHTTP_PINTIMEOUT", "1s")]).await;
    let failed = world.one_fails_others_go_on(Script::ending(End::Hang)).await;
    assert_eq!(failed.error, "pinning made no progress for 1s");
    world.recovers(&cid(1)).await;
}

#[tokio::test]
async fn a_daemon_that_answers_500_is_quoted() {
    let world = World::new(&[]).await;
    let failed = world.one_fails_others_go_on(Script::ending(End::Error("no space left".to_owned()))).await;
    let call = format!("pin/add?arg={}&recursive=true&progress=true", cid(1));
    assert_eq!(failed.error, format!("IPFS error ({call}). Code: 500. Message: no space left"));
    world.recovers(&cid(1)).await;
}

#[tokio::test]
async fn half_a_stream_is_no_success() {
    let world = World::new(&[]).await;
    let script = Script::ending(End::HalfObject).with_progress(3, Duration::from_millis(5), Some(100));
    let failed = world.one_fails_others_go_on(script).await;
    assert!(failed.error.starts_with("the answer of the IPFS daemon to pin/add?"), "{}", failed.error);
    assert!(failed.error.contains("cannot be used"), "{}", failed.error);
    world.recovers(&cid(1)).await;
}

#[tokio::test]
async fn a_daemon_that_dies_in_the_middle_is_named_and_used_again() {
    let world = World::new(&[]).await;
    let cids = [cid(1), cid(2), cid(3)];
    world.mock.script(Endpoint::PinAdd, Script::ending(End::Hang));
    for number in 1..=3 {
        world.pin(number).await;
    }
    assert!(world.mock.wait_until(LIMIT, |mock| mock.open_calls(Endpoint::PinAdd) == 3).await);
    world.mock.shut();
    world.mock.behave();
    for cid in &cids {
        let failed = world.until(cid, TrackerStatus::PinError).await;
        assert!(
            failed.error.starts_with(&format!("cannot reach the IPFS daemon at {}", world.mock.api())),
            "{}",
            failed.error
        );
    }
    // The peer goes on: what was asked for is kept, and new pins are taken.
    let later = world.pin(4).await;
    world.mock.reopen().await.unwrap();
    for cid in cids.iter().chain([&later]) {
        world.until(cid, TrackerStatus::Pinned).await;
    }
}

#[tokio::test]
async fn a_peer_starts_without_its_daemon_and_works_once_it_is_there() {
    let mut world = World::new(&[]).await;
    world.peer.stop().unwrap();
    world.mock.shut();
    world.peer.start().unwrap();
    world.client = Client::builder(vec![Host::parse(world.peer.rest()).unwrap()]).build().await.unwrap();
    let id = world.client.id().await.unwrap();
    assert!(id.ipfs.error.contains(&world.mock.api()), "{:?}", id.ipfs);
    let cid = world.pin(1).await;
    world.until(&cid, TrackerStatus::PinError).await;
    world.mock.reopen().await.unwrap();
    world.until(&cid, TrackerStatus::Pinned).await;
    assert!(world.client.id().await.unwrap().ipfs.error.is_empty());
}

#[tokio::test]
async fn an_unpin_that_fails_is_tried_until_it_works() {
    let world = World::new(&[]).await;
    let cid = world.pin(1).await;
    world.until(&cid, TrackerStatus::Pinned).await;
    world.mock.script(Endpoint::PinRm, Script::ending(End::Status(500, b"trouble".to_vec())));
    let path = IpfsPath::parse(&format!("/ipfs/{cid}")).unwrap();
    world.client.unpin(&path).await.unwrap();
    let failed = world.until(&cid, TrackerStatus::UnpinError).await;
    assert!(failed.error.contains("Code 500: trouble"), "{}", failed.error);
    world.mock.behave();
    world.until(&cid, TrackerStatus::Unpinned).await;
    assert_eq!(world.mock.pinned(&cid), None);
}
