//! A peer beside an IPFS daemon that misbehaves in ways a real one can hardly be made to: what else there is goes on,
//! errors say what happened and where, and everything recovers by itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::{Cid, TrackerStatus, api_types::PinOptions};
use cluster_testkit::mock_kubo::{End, Endpoint, MockKubo, PinnedAs, Script};
use cluster_tests::world::{LIMIT, World, made_up_cid};
use std::time::{Duration, Instant};

/// Deadlines and retries as short as they can be set.
const QUICK: [(&str, &str); 3] = [
    ("CLUSTER_IPFSHTTP_PINTIMEOUT", "1s"),
    ("CLUSTER_IPFSHTTP_UNPINTIMEOUT", "1s"),
    ("CLUSTER_PINRECOVERINTERVAL", "1s"),
];

/// CIDs that nothing is wrong with.
fn healthy() -> Vec<Cid> {
    (1_000..1_020).map(|number| made_up_cid(number).unwrap()).collect()
}

async fn pin_all(w: &World<MockKubo>, cids: &[Cid]) {
    for cid in cids {
        w.pin(cid, &PinOptions::default()).await.unwrap();
    }
}

/// Place of [`End::HalfObject`] in [`troubles`].
const HALF_OBJECT: usize = 5;

/// The ends of a call that no daemon in order makes, with the error each leaves. `NODE` is the daemon's address and
/// `CALL` the call.
fn troubles(hang: &str, early: &str) -> Vec<(End, String)> {
    let unusable = "the answer of the IPFS daemon at NODE to CALL cannot be used: ";
    vec![
        (End::Hang, hang.to_owned()),
        (
            End::Status(500, b"out of order".to_vec()),
            "IPFS request failed (is it running?) (CALL). Code 500: out of order".to_owned(),
        ),
        (
            End::Error("the repository is locked".to_owned()),
            "IPFS error (CALL). Code: 500. Message: the repository is locked".to_owned(),
        ),
        (
            End::Trailer("merkledag: not found".to_owned()),
            "IPFS error (CALL). Code: 200. Message: merkledag: not found".to_owned(),
        ),
        (End::Early, format!("{unusable}{early}")),
        (End::HalfObject, format!("{unusable}EOF while parsing a string at line 1 column 67")),
        (
            End::Break,
            "cannot reach the IPFS daemon at NODE (CALL): request or response body \
             error: error reading a body from connection: unexpected EOF during chunk size line"
                .to_owned(),
        ),
    ]
}

/// Counts the statuses of a listing.
fn listed(w: &World<MockKubo>, path: &str) -> usize {
    w.ask("GET", path).unwrap().body.iter().filter(|byte| **byte == b'\n').count()
}

/// Waits for the error of each CID and compares it to the letter.
async fn expect_errors(
    w: &World<MockKubo>,
    cases: &[(Cid, String)],
    wanted: TrackerStatus,
    call: impl Fn(&Cid) -> String,
) {
    for (cid, text) in cases {
        let status = w.until(cid, wanted).await.unwrap();
        let expected = text.replace("NODE", &w.ipfs.api()).replace("CALL", &call(cid));
        assert_eq!(status.error, expected);
        assert!(status.attempt_count >= 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pins_that_go_wrong_in_every_way_hold_up_no_other_and_recover() {
    let w = World::with_mock(&QUICK).await.unwrap();
    let mut cases = Vec::new();
    let hang = "the IPFS daemon at NODE made no progress with CALL for 1s";
    let early = "it ended without saying that the pin is made";
    for (number, (end, text)) in (0..).zip(troubles(hang, early)) {
        let cid = made_up_cid(number).unwrap();
        // Half a stream: some progress comes first where anything can.
        let half = !matches!(end, End::Status(..) | End::Error(_));
        let script = Script::ending(end);
        let script = if half { script.with_progress(3, Duration::from_millis(5), Some(100)) } else { script };
        w.ipfs.script_for(Endpoint::PinAdd, cid, script);
        cases.push((cid, text));
    }
    let troubled: Vec<Cid> = cases.iter().map(|(cid, _)| *cid).collect();
    pin_all(&w, &troubled).await;
    pin_all(&w, &healthy()).await;
    w.until_all(&healthy(), TrackerStatus::Pinned).await.unwrap();
    let call = |cid: &Cid| format!("pin/add?arg={cid}&recursive=true&progress=true");
    expect_errors(&w, &cases, TrackerStatus::PinError, call).await;
    // `HalfObject` says it all but for the last bytes: that pin may well be there, and the peer cannot know it.
    assert!(w.ipfs.pin_count(PinnedAs::Recursive) <= healthy().len() + 1);

    w.ipfs.behave();
    w.until_all(&troubled, TrackerStatus::Pinned).await.unwrap();
    for cid in troubled {
        assert_eq!(w.ipfs.pinned(&cid), Some(PinnedAs::Recursive), "{cid}");
        assert_eq!(w.status(&cid).await.unwrap().error, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unpins_that_go_wrong_in_every_way_hold_up_no_other_and_recover() {
    let w = World::with_mock(&QUICK).await.unwrap();
    let mut cases = Vec::new();
    let hang = "the IPFS daemon at NODE did not answer CALL within 1s";
    for (number, (end, text)) in (0..).zip(troubles(hang, "EOF while parsing a value at line 1 column 0")) {
        let cid = made_up_cid(number).unwrap();
        w.ipfs.script_for(Endpoint::PinRm, cid, Script::ending(end));
        cases.push((cid, text));
    }
    // Half an answer comes after the deed: a moment later the next attempt finds that nothing is pinned any more.
    let (half_answered, _) = cases.remove(HALF_OBJECT);
    let troubled: Vec<Cid> = cases.iter().map(|(cid, _)| *cid).collect();
    let all: Vec<Cid> = troubled.iter().copied().chain(healthy()).chain([half_answered]).collect();
    pin_all(&w, &all).await;
    w.until_all(&all, TrackerStatus::Pinned).await.unwrap();
    for cid in &all {
        w.unpin(cid).await.unwrap();
    }
    w.until_all(&healthy(), TrackerStatus::Unpinned).await.unwrap();
    w.until(&half_answered, TrackerStatus::Unpinned).await.unwrap();
    expect_errors(&w, &cases, TrackerStatus::UnpinError, |cid| format!("pin/rm?arg={cid}")).await;

    w.ipfs.behave();
    w.until_all(&troubled, TrackerStatus::Unpinned).await.unwrap();
    assert_eq!(w.ipfs.pin_count(PinnedAs::Recursive), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_daemon_makes_pins_slow_and_nothing_else() {
    let w = World::with_mock(&[]).await.unwrap();
    for endpoint in [Endpoint::Id, Endpoint::PinAdd, Endpoint::PinRm, Endpoint::PinLs] {
        w.ipfs.script(endpoint, Script::after(Duration::from_secs(2)));
    }
    let cids = healthy();
    pin_all(&w, &cids).await;
    // Accepted and listed while the daemon is still at its first calls.
    assert_eq!(w.ipfs.pin_count(PinnedAs::Recursive), 0, "pinning waited for the daemon");
    assert_eq!(listed(&w, "/pins"), cids.len());
    assert_eq!(w.ipfs.pin_count(PinnedAs::Recursive), 0, "a listing waited for the daemon");
    w.until_all(&cids, TrackerStatus::Pinned).await.unwrap();
    assert_eq!(listed(&w, "/pins?filter=pinned"), cids.len());
    // Ten at a time, each once: slowness is no failure.
    assert_eq!(w.ipfs.peak_calls(Endpoint::PinAdd), 10);
    assert_eq!(w.ipfs.calls(Endpoint::PinAdd), cids.len() as u64);
    w.unpin(&cids[0]).await.unwrap();
    w.until(&cids[0], TrackerStatus::Unpinned).await.unwrap();
    assert_eq!(w.ipfs.pinned(&cids[0]), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_at_the_daemon_that_fails_changes_no_status() {
    let w = World::with_mock(&[]).await.unwrap();
    let mut cids = Vec::new();
    for (number, (end, _)) in (0..).zip(troubles("", "")) {
        let cid = made_up_cid(number).unwrap();
        w.ipfs.script_for(Endpoint::PinLs, cid, Script::ending(end));
        cids.push(cid);
    }
    pin_all(&w, &cids).await;
    let pinned = |m: &MockKubo| m.pin_count(PinnedAs::Recursive) == cids.len();
    assert!(w.ipfs.wait_until(LIMIT, pinned).await);
    w.until_all(&cids, TrackerStatus::Pinned).await.unwrap();
    let looks = |m: &MockKubo| cids.iter().all(|cid| m.calls_for(Endpoint::PinLs, cid) > 0);
    // A status is looked up again once the last look is some seconds old.
    let deadline = Instant::now() + LIMIT;
    while !looks(&w.ipfs) {
        assert!(Instant::now() < deadline, "{:?}", w.ipfs.log());
        for cid in &cids {
            let status = w.status(cid).await.unwrap();
            assert_eq!(status.status, TrackerStatus::Pinned, "{status:?}");
        }
    }
    assert_eq!(w.ipfs.calls(Endpoint::PinAdd), cids.len() as u64, "something was pinned again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_dies_amid_many_pins_costs_errors_and_no_pin() {
    let mut w = World::with_mock(&QUICK).await.unwrap();
    let before = healthy();
    pin_all(&w, &before).await;
    w.until_all(&before, TrackerStatus::Pinned).await.unwrap();
    w.ipfs.script(
        Endpoint::PinAdd,
        Script::ending(End::Hang).with_progress(1_000, Duration::from_millis(100), Some(1)),
    );
    let during: Vec<Cid> = (0..30).map(|number| made_up_cid(number).unwrap()).collect();
    pin_all(&w, &during).await;
    assert!(w.ipfs.wait_until(LIMIT, |m| m.open_calls(Endpoint::PinAdd) == 10).await);
    w.ipfs.shut();
    for cid in &during {
        let error = w.until(cid, TrackerStatus::PinError).await.unwrap().error;
        let expected = format!(
            "cannot reach the IPFS daemon at {} (pin/add?arg={cid}&recursive=true&progress=true): ",
            w.ipfs.api()
        );
        assert!(error.starts_with(&expected), "{error}");
    }
    w.until_all(&before, TrackerStatus::Pinned).await.unwrap();

    // A peer that starts while its daemon is away serves all the same, and says what it waits for.
    w.peer.stop().unwrap();
    w.start_again().await.unwrap();
    // Looked for first: only the last lines of the log are kept.
    let deadline = Instant::now() + LIMIT;
    while !w.peer.log_text().contains("the IPFS daemon does not answer; pins wait until it does") {
        assert!(Instant::now() < deadline, "{}", w.peer.log_text());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let id = w.client.id().await.unwrap();
    let id = format!("{:?}", id.ipfs);
    assert!(id.contains(&format!("cannot reach the IPFS daemon at {} (id): ", w.ipfs.api())), "{id}");
    let late = made_up_cid(40).unwrap();
    w.pin(&late, &PinOptions::default()).await.unwrap();
    w.until(&late, TrackerStatus::PinError).await.unwrap();

    w.ipfs.behave();
    w.ipfs.reopen().await.unwrap();
    w.until_all(&during, TrackerStatus::Pinned).await.unwrap();
    w.until(&late, TrackerStatus::Pinned).await.unwrap();
    assert_eq!(w.ipfs.pin_count(PinnedAs::Recursive), before.len() + during.len() + 1);
}

/// Whoever asks who a peer is gives up after 15 s, and takes the peer itself for dead then.
#[tokio::test]
async fn a_daemon_that_hangs_does_not_keep_a_peer_from_saying_who_it_is() {
    let w = World::with_mock(&[]).await.unwrap();
    w.ipfs.script(Endpoint::Id, Script { end: End::Hang, ..Script::default() });
    let id = tokio::time::timeout(Duration::from_secs(10), w.client.id()).await;
    let id = id.expect("the peer waits for its daemon").unwrap();
    assert_eq!((id.id.to_string().as_str(), id.error.as_str()), (w.peer.id(), ""));
    assert_eq!(id.ipfs.error, "the IPFS daemon has not answered for 5s");
}
