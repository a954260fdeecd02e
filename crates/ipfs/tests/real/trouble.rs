//! Daemons that cannot do what they are asked, are killed, or hang.

use super::*;
use std::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_that_nobody_has_stalls_and_its_call_is_ended() {
    let daemon = daemon();
    let kubo = connector(&daemon, |c| c.pin_timeout = Duration::from_millis(1500));
    let started = Instant::now();
    let error = pin(&kubo, nobody_has(1), PinDepth::RECURSIVE).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("the IPFS daemon at /ip4/127.0.0.1/tcp/"), "{text}");
    assert!(text.contains(" made no progress with pin/add?arg=") && text.ends_with(" for 1.5s"), "{text}");
    let took = started.elapsed();
    assert!((1_500..2_500).contains(&took.as_millis()), "{took:?}");
    // The daemon gave up as well.
    let deadline = Instant::now() + LIMIT;
    loop {
        let running = daemon.ipfs(&["diag", "cmds"]).unwrap();
        if !running.lines().any(|l| l.contains("pin/add") && l.contains("true")) {
            break;
        }
        assert!(Instant::now() < deadline, "{running}");
    }
    // And other content can be pinned.
    let cid = add_random(&daemon, 50_000);
    pin(&kubo, cid, PinDepth::RECURSIVE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_killed_in_the_middle_is_named_and_used_again() {
    let mut daemon = daemon();
    let kubo = Arc::new(connector(&daemon, |_| {}));
    let cid = add_random(&daemon, 50_000);
    let pinning = tokio::spawn({
        let kubo = kubo.clone();
        async move { pin(&kubo, nobody_has(2), PinDepth::RECURSIVE).await }
    });
    until_pinning(&daemon);
    daemon.kill().unwrap();
    let error = pinning.await.unwrap().unwrap_err();
    let IpfsError::Unreachable { ref node, .. } = error else { panic!("{error:?}") };
    assert_eq!(node, daemon.api());
    let error = kubo.id().await.unwrap_err();
    assert!(matches!(error, IpfsError::Unreachable { .. }), "{error:?}");

    let api = daemon.api().to_owned();
    daemon.restart().unwrap();
    assert_eq!(daemon.api(), api);
    kubo.id().await.unwrap();
    pin(&kubo, cid, PinDepth::RECURSIVE).await.unwrap();
    daemon.stop().unwrap();
    daemon.run().unwrap();
    kubo.unpin(cid).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_hangs_costs_each_call_its_own_deadline() {
    let daemon = daemon();
    let kubo = connector(&daemon, |c| {
        c.ipfs_request_timeout = Duration::from_millis(700);
        c.pin_timeout = Duration::from_millis(1_400);
        c.unpin_timeout = Duration::from_millis(1_000);
    });
    let cid = add_random(&daemon, 50_000);
    kubo.id().await.unwrap();
    daemon.pause().unwrap();
    let started = Instant::now();
    let timed = async |call: Result<(), IpfsError>| (call.unwrap_err(), started.elapsed().as_millis());
    let (id, status, unpinned, pinned) = tokio::join!(
        async { timed(kubo.id().await.map(|_| ())).await },
        async { timed(kubo.pin_status(cid, PinDepth::RECURSIVE).await.map(|_| ())).await },
        async { timed(kubo.unpin(cid).await).await },
        async { timed(pin(&kubo, cid, PinDepth::RECURSIVE).await).await },
    );
    daemon.resume().unwrap();
    assert!(matches!(id, (IpfsError::Timeout { .. }, 700..)), "{id:?}");
    assert!(matches!(status, (IpfsError::Timeout { .. }, 700..)), "{status:?}");
    assert!(matches!(unpinned, (IpfsError::Timeout { .. }, 1_000..)), "{unpinned:?}");
    assert!(matches!(pinned, (IpfsError::Stalled { .. }, 1_400..)), "{pinned:?}");
    // None waits for another one's: the shorter ones end first, however busy the machine is.
    assert!(
        id.1.max(status.1) < unpinned.1 && unpinned.1 < pinned.1,
        "{id:?} {status:?} {unpinned:?} {pinned:?}"
    );
    let kubo = connector(&daemon, |_| {});
    kubo.id().await.unwrap();
    pin(&kubo, cid, PinDepth::RECURSIVE).await.unwrap();
}
