//! One real peer with one real Kubo: what a user of the suite sees.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::{Cid, PinMode, TrackerStatus, api_types::PinOptions};
use cluster_testkit::{
    mock_kubo::{Endpoint, MockKubo},
    service::Service,
};
use cluster_tests::world::{World, ipfs_path, made_up_cid};
use std::{
    fs,
    time::{Duration, Instant},
};

#[tokio::test]
async fn content_is_pinned_survives_a_kill_and_is_unpinned_again() {
    let mut w = World::with_kubo(&[]).await.unwrap();
    let cid = w.add(1 << 20).unwrap();
    w.pin(&cid, &PinOptions { name: "kept".into(), ..PinOptions::default() }).await.unwrap();
    w.until(&cid, TrackerStatus::Pinned).await.unwrap();
    assert!(w.pinned("recursive").unwrap().contains(&cid.to_string()));

    w.peer.kill().unwrap();
    w.start_again().await.unwrap();
    assert_eq!(w.client.allocation(&cid).await.unwrap().options.name, "kept");
    w.until(&cid, TrackerStatus::Pinned).await.unwrap();

    w.unpin(&cid).await.unwrap();
    w.until(&cid, TrackerStatus::Unpinned).await.unwrap();
    assert!(!w.pinned("recursive").unwrap().contains(&cid.to_string()));
    let again = w.client.unpin(&ipfs_path(&cid).unwrap()).await.unwrap_err();
    assert_eq!(again.code(), 404);
    w.peer.stop().unwrap();
    let check = w.peer.command(&["state", "check"]).unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
}

#[tokio::test]
async fn a_direct_pin_is_direct() {
    let w = World::with_kubo(&[]).await.unwrap();
    let cid = w.add(1 << 20).unwrap();
    w.pin(&cid, &PinOptions { mode: PinMode::Direct, ..PinOptions::default() }).await.unwrap();
    w.until(&cid, TrackerStatus::Pinned).await.unwrap();
    assert!(w.pinned("direct").unwrap().contains(&cid.to_string()));
    assert!(!w.pinned("recursive").unwrap().contains(&cid.to_string()));
    assert_eq!(w.client.allocation(&cid).await.unwrap().max_depth, 0);
}

#[tokio::test]
async fn a_daemon_that_dies_costs_an_error_and_a_retry_but_no_pin() {
    let mut w = World::with_kubo(&[("CLUSTER_PINRECOVERINTERVAL", "1s")]).await.unwrap();
    let cid = w.add(1 << 20).unwrap();
    w.ipfs.kill().unwrap();
    w.pin(&cid, &PinOptions::default()).await.unwrap();
    let status = w.until(&cid, TrackerStatus::PinError).await.unwrap();
    assert!(status.error.contains(w.ipfs.api()), "{}", status.error);
    assert!(status.attempt_count >= 1);
    w.ipfs.run().unwrap();
    w.until(&cid, TrackerStatus::Pinned).await.unwrap();
}

#[tokio::test]
async fn a_daemon_that_hangs_stalls_only_its_own_requests() {
    let w = World::with_kubo(&[("CLUSTER_IPFSHTTP_PINTIMEOUT", "1s"), ("CLUSTER_PINRECOVERINTERVAL", "1s")])
        .await
        .unwrap();
    let pinned = w.add(1 << 16).unwrap();
    w.pin(&pinned, &PinOptions::default()).await.unwrap();
    w.until(&pinned, TrackerStatus::Pinned).await.unwrap();
    let cid = w.add(1 << 16).unwrap();
    w.ipfs.pause().unwrap();
    w.pin(&cid, &PinOptions::default()).await.unwrap();
    let started = Instant::now();
    assert_eq!(w.status(&pinned).await.unwrap().status, TrackerStatus::Pinned);
    assert!(started.elapsed() < Duration::from_secs(5), "a status waited for the daemon");
    let error = w.until(&cid, TrackerStatus::PinError).await.unwrap().error;
    assert!(error.contains("no progress") && error.contains(w.ipfs.api()), "{error}");
    w.ipfs.resume().unwrap();
    w.until(&cid, TrackerStatus::Pinned).await.unwrap();
}

#[tokio::test]
async fn export_and_import_carry_every_pin_and_bad_input_changes_nothing() {
    let mut w = World::with_kubo(&[]).await.unwrap();
    let cids: Vec<Cid> = (0..3).map(|_| w.add(1 << 10).unwrap()).collect();
    for (n, cid) in cids.iter().enumerate() {
        w.pin(cid, &PinOptions { name: format!("pin {n}"), ..PinOptions::default() }).await.unwrap();
    }
    w.peer.stop().unwrap();
    let export = |name: &str| {
        let file = w.path(name);
        let output = w.peer.command(&["state", "export", "--file", file.to_str().unwrap()]).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read_to_string(file).unwrap()
    };
    let first = export("first");
    assert_eq!(first.lines().count(), 3);
    let import = |text: &str| {
        let file = w.path("import");
        fs::write(&file, text).unwrap();
        w.peer.command(&["state", "import", "--force", file.to_str().unwrap()]).unwrap()
    };
    for bad in [&first[..first.len() - 20], "{\"cid\":\"nonsense\"}", "garbage"] {
        let output = import(bad);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(error.contains("error importing state") && error.contains("nothing was changed"), "{error}");
        assert_eq!(export("unchanged"), first);
    }
    let one = first.lines().next().unwrap();
    assert!(import(one).status.success());
    assert_eq!(export("second").trim(), one);
    w.start_again().await.unwrap();
    assert_eq!(folder_of(&w.peer), 1);
}

/// Counts the generations in a peer's store.
fn folder_of(peer: &Service) -> usize {
    let entries = fs::read_dir(peer.base().join("store")).unwrap();
    entries.filter(|e| e.as_ref().unwrap().path().is_dir()).count()
}

#[tokio::test]
async fn as_many_files_may_be_open_as_the_system_allows() {
    let mut w = World::with_mock(&[]).await.unwrap();
    w.peer.stop().unwrap();
    w.peer.launch_by(&["sh", "-c", "ulimit -S -n 256 && exec \"$@\"", "sh"].map(str::to_owned));
    w.start_again().await.unwrap();
    let limits = fs::read_to_string(format!("/proc/{}/limits", w.peer.pid().unwrap())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let mut numbers = line.split_whitespace();
    let (soft, hard) = (numbers.next().unwrap(), numbers.next().unwrap());
    assert_ne!(soft, "256");
    assert_eq!(soft, hard);
}

#[tokio::test]
async fn pins_make_the_space_be_told_anew_when_they_shall() {
    let variables = [("CLUSTER_IPFSHTTP_INFORMERTRIGGERINTERVAL", "10"), ("CLUSTER_DISK_METRICTTL", "1h")];
    let w = World::with_mock(&variables).await.unwrap();
    let told = |mock: &MockKubo| mock.calls(Endpoint::RepoStat) > 0;
    assert!(w.ipfs.wait_until(Duration::from_secs(20), told).await);
    // What the start brought has passed.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = w.ipfs.calls(Endpoint::RepoStat);
    for number in 0..5 {
        let cid = made_up_cid(number).unwrap();
        w.pin(&cid, &PinOptions::default()).await.unwrap();
        w.until(&cid, TrackerStatus::Pinned).await.unwrap();
    }
    // Five starts and five ends.
    let told = |mock: &MockKubo| mock.calls(Endpoint::RepoStat) > before;
    assert!(w.ipfs.wait_until(Duration::from_secs(20), told).await, "the space was not measured again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pin_under_way_is_never_queued_again_before_it_is_pinned() {
    let w = World::with_mock(&[]).await.unwrap();
    for number in 0..200 {
        let cid = made_up_cid(number).unwrap();
        w.pin(&cid, &PinOptions::default()).await.unwrap();
        let look = async || {
            let (mut seen, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(20));
            while seen.last() != Some(&TrackerStatus::Pinned) {
                assert!(Instant::now() < deadline, "{seen:?}");
                let status = w.status(&cid).await.unwrap().status;
                if seen.last() != Some(&status) {
                    seen.push(status);
                }
            }
            assert!(seen.is_sorted_by_key(|status| *status != TrackerStatus::PinQueued), "{seen:?}");
        };
        tokio::join!(look(), look(), look(), look());
    }
}
