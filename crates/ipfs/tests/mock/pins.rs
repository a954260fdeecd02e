//! Pinning and unpinning.

use super::*;
use cluster_testkit::mock_kubo::{End, Endpoint, PinnedAs, Script, Step};
use std::time::Instant;

#[tokio::test]
async fn a_healthy_pin_is_one_call() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    for number in 0..20 {
        pin(&kubo, cid(number)).await.unwrap();
    }
    assert_eq!(mock.log().len(), 20, "{:?}", mock.log());
    assert_eq!(mock.calls(Endpoint::PinAdd), 20);
    assert_eq!(mock.pin_count(PinnedAs::Recursive), 20);
}

#[tokio::test]
async fn depth_chooses_the_kind_of_pin() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    for (number, depth, kind) in [
        (1, PinDepth::RECURSIVE, PinnedAs::Recursive),
        (2, PinDepth::DIRECT, PinnedAs::Direct),
        (3, PinDepth(2), PinnedAs::Recursive),
    ] {
        kubo.pin(request(cid(number), depth), ignore()).await.unwrap();
        assert_eq!(mock.pinned(&cid(number)), Some(kind), "{depth:?}");
    }
}

#[tokio::test]
async fn progress_is_reported_when_it_grows_with_and_without_bytes() {
    for (bytes, last) in [(Some(100), Some(400)), (None, None)] {
        let mock = mock().await;
        let kubo = Kubo::new(config(&mock)).unwrap();
        let mut script = Script::default().with_progress(4, Duration::from_millis(1), bytes);
        // Nothing fetched yet, and twice the same: neither is progress.
        script.progress.insert(0, Step { after: Duration::ZERO, blocks: 0, bytes: None });
        script.progress.push(*script.progress.last().unwrap());
        mock.script(Endpoint::PinAdd, script);
        let (sink, seen) = collect();
        kubo.pin(request(cid(1), PinDepth::RECURSIVE), sink).await.unwrap();
        let seen = seen.lock().unwrap();
        assert_eq!(seen.iter().map(|p| p.blocks).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(seen.last().unwrap().bytes, last);
    }
}

#[tokio::test]
async fn every_bad_end_of_a_pin_is_an_error_and_the_next_one_works() {
    let path = format!("pin/add?arg={}&recursive=true&progress=true", cid(1));
    let unusable = format!("the answer of the IPFS daemon at NODE to {path} cannot be used: ");
    let cases = [
        (End::Early, format!("{unusable}it ended without saying that the pin is made")),
        (End::HalfObject, unusable.clone()),
        (End::Garbage(b"<html>\xff\xfe</html>".to_vec()), unusable.clone()),
        (End::Garbage(b"[[[[[".repeat(1000)), unusable.clone()),
        (End::Garbage(b"{\"Progress\":-1}\n".to_vec()), unusable.clone()),
        (End::Garbage(b"{\"Pins\":[]}\n".to_vec()), unusable.clone()),
        (End::Garbage(format!("{{\"Pins\":[\"{}\"]}}\n", cid(2)).into()), unusable.clone()),
        (End::Garbage(vec![b'x'; 3 << 20]), format!("{unusable}a line is longer than 1048576 bytes")),
        (End::Break, format!("cannot reach the IPFS daemon at NODE ({path}): ")),
        (
            End::Error("block was not found locally".to_owned()),
            format!("IPFS error ({path}). Code: 500. Message: block was not found locally"),
        ),
        (
            End::Status(500, b"internal \"trouble\"\n".to_vec()),
            format!("IPFS request failed (is it running?) ({path}). Code 500: internal \"trouble\""),
        ),
        (
            End::Status(403, b"403 - Forbidden".to_vec()),
            format!("IPFS request failed (is it running?) ({path}). Code 403: 403 - Forbidden"),
        ),
    ];
    for (end, text) in cases {
        let mock = mock().await;
        let kubo = Kubo::new(config(&mock)).unwrap();
        mock.script(Endpoint::PinAdd, Script::ending(end.clone()));
        let error = pin(&kubo, cid(1)).await.unwrap_err().to_string();
        let text = text.replace("NODE", &mock.api());
        assert!(error.starts_with(&text), "{end:?}:\n{error}\n{text}");
        assert_eq!(mock.calls(Endpoint::PinAdd), 1, "{end:?}");
        mock.behave();
        pin(&kubo, cid(1)).await.unwrap_or_else(|e| panic!("after {end:?}: {e}"));
    }
}

#[tokio::test]
async fn an_error_after_progress_keeps_the_words_of_the_daemon() {
    for end in [End::Trailer("merkledag: gone".to_owned()), End::ErrorLine("merkledag: gone".to_owned())] {
        let mock = mock().await;
        let kubo = Kubo::new(config(&mock)).unwrap();
        let script = Script::ending(end.clone()).with_progress(3, Duration::from_millis(1), Some(7));
        mock.script(Endpoint::PinAdd, script);
        let error = pin(&kubo, cid(1)).await.unwrap_err();
        let IpfsError::Api { status: 200, ref message, .. } = error else { panic!("{end:?}: {error:?}") };
        assert_eq!(message, "merkledag: gone");
    }
}

#[tokio::test]
async fn a_break_or_an_early_end_after_progress_is_no_success() {
    for end in [End::Break, End::Early, End::HalfObject] {
        let mock = mock().await;
        let kubo = Kubo::new(config(&mock)).unwrap();
        let script = Script::ending(end.clone()).with_progress(3, Duration::from_millis(1), Some(7));
        mock.script(Endpoint::PinAdd, script);
        let error = pin(&kubo, cid(1)).await.unwrap_err();
        assert!(
            matches!(error, IpfsError::Unreachable { .. } | IpfsError::BadAnswer { .. }),
            "{end:?}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_stall_is_noticed_exactly_one_timeout_after_the_last_progress() {
    let mock = mock().await;
    // Long beside the steps, so that a busy machine does not make one of them look like a stall.
    let pin_timeout = Duration::from_millis(1500);
    let kubo = Kubo::new(KuboConfig { pin_timeout, ..config(&mock) }).unwrap();
    // Lines go on, but the numbers stop growing: ten steps in time, then only repetitions.
    let mut script = Script::ending(End::Hang).with_progress(10, Duration::from_millis(200), None);
    let same = *script.progress.last().unwrap();
    script.progress.extend(std::iter::repeat_n(same, 1000));
    mock.script(Endpoint::PinAdd, script);
    let (last, latest) = (Arc::new(Mutex::new(Instant::now())), Instant::now());
    let inner = last.clone();
    let sink: ProgressSink = Arc::new(move |_| *inner.lock().unwrap() = Instant::now());
    let error = kubo.pin(request(cid(1), PinDepth::RECURSIVE), sink).await.unwrap_err();
    let path = format!("pin/add?arg={}&recursive=true&progress=true", cid(1));
    let expected = format!("the IPFS daemon at {} made no progress with {path} for 1.5s", mock.api());
    assert_eq!(error.to_string(), expected);
    // The pin outlived its timeout, because it made progress.
    assert!(latest.elapsed() >= Duration::from_millis(10 * 200) + pin_timeout);
    let silence = last.lock().unwrap().elapsed();
    assert!(silence >= pin_timeout - Duration::from_millis(20), "too early: {silence:?}");
    assert!(silence < pin_timeout * 2, "too late: {silence:?}");
    assert!(mock.wait_until(LIMIT, |m| m.open_calls(Endpoint::PinAdd) == 0).await, "the call goes on");
}

#[tokio::test]
async fn a_pin_that_is_never_answered_stalls_and_is_ended() {
    let mock = mock().await;
    let kubo = Kubo::new(KuboConfig { pin_timeout: Duration::from_millis(200), ..config(&mock) }).unwrap();
    mock.script(Endpoint::PinAdd, Script::ending(End::Hang));
    let error = pin(&kubo, cid(1)).await.unwrap_err();
    assert!(matches!(error, IpfsError::Stalled { .. }), "{error:?}");
    assert!(mock.wait_until(LIMIT, |m| m.open_calls(Endpoint::PinAdd) == 0).await);
}

#[tokio::test]
async fn dropping_a_pin_ends_its_call() {
    let mock = mock().await;
    let kubo = Arc::new(Kubo::new(config(&mock)).unwrap());
    mock.script(Endpoint::PinAdd, Script::ending(End::Hang));
    let task = tokio::spawn({
        let kubo = kubo.clone();
        async move { pin(&kubo, cid(1)).await }
    });
    assert!(mock.wait_until(LIMIT, |m| m.open_calls(Endpoint::PinAdd) == 1).await);
    task.abort();
    assert!(mock.wait_until(LIMIT, |m| m.open_calls(Endpoint::PinAdd) == 0).await);
}

#[tokio::test]
async fn ten_origins_are_tried_and_their_failures_ignored() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    mock.script(Endpoint::SwarmConnect, Script::ending(End::Error("dial failed".to_owned())));
    mock.script(Endpoint::PinAdd, Script::after(Duration::from_millis(500)));
    let origins = (1..=12).map(|n| format!("/ip4/10.0.0.{n}/tcp/4001").parse().unwrap()).collect();
    kubo.pin(PinRequest { origins, ..request(cid(1), PinDepth::RECURSIVE) }, ignore()).await.unwrap();
    assert_eq!(mock.calls(Endpoint::SwarmConnect), 10);
    assert_eq!(mock.calls(Endpoint::PinAdd), 1);
    assert_eq!(mock.calls_for(Endpoint::SwarmConnect, "/ip4/10.0.0.3/tcp/4001"), 1);
}

#[tokio::test]
async fn origins_that_hang_delay_no_pin() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    mock.script(Endpoint::SwarmConnect, Script::ending(End::Hang));
    let origins = vec!["/ip4/10.0.0.1/tcp/4001".parse().unwrap()];
    for number in 0..20 {
        let wish = PinRequest { origins: origins.clone(), ..request(cid(number), PinDepth::RECURSIVE) };
        kubo.pin(wish, ignore()).await.unwrap();
    }
    assert_eq!(mock.pin_count(PinnedAs::Recursive), 20);
}

#[tokio::test]
async fn unpinning_what_is_not_pinned_is_done() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    mock.seed([cid(1), cid(2)], PinnedAs::Recursive);
    kubo.unpin(cid(1)).await.unwrap();
    kubo.unpin(cid(1)).await.unwrap();
    assert_eq!(mock.pinned(&cid(1)), None);
    assert_eq!(mock.pinned(&cid(2)), Some(PinnedAs::Recursive));
}

#[tokio::test]
async fn other_failures_of_an_unpin_are_errors() {
    let mock = mock().await;
    let kubo = Kubo::new(KuboConfig { unpin_timeout: Duration::from_millis(200), ..config(&mock) }).unwrap();
    let (node, path) = (mock.api(), format!("pin/rm?arg={}", cid(1)));
    for (end, text) in [
        (End::Error("lock held".to_owned()), format!("IPFS error ({path}). Code: 500. Message: lock held")),
        (End::Hang, format!("the IPFS daemon at {node} did not answer {path} within 0.2s")),
        (
            End::Garbage(b"{}".to_vec()),
            format!("the answer of the IPFS daemon at {node} to {path} cannot be used: "),
        ),
    ] {
        mock.script(Endpoint::PinRm, Script::ending(end));
        let error = kubo.unpin(cid(1)).await.unwrap_err().to_string();
        assert!(error.starts_with(&text), "{error}\n{text}");
    }
}

#[tokio::test]
async fn unpinning_can_be_switched_off() {
    let mock = mock().await;
    let kubo = Kubo::new(KuboConfig { unpin_disable: true, ..config(&mock) }).unwrap();
    let error = kubo.unpin(cid(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "ipfs unpinning is disallowed by configuration on this peer");
    assert_eq!(mock.calls(Endpoint::PinRm), 0);
}
