//! Commands that change the pinset, and what they wait for.

use super::{
    CID, PEER, SECOND, THIRD,
    fake_server::{FakeServer, ok},
    pin, pin_text, run, status, status_on, status_text,
};

const PIN_PATH: &str = "/pins/ipfs/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

async fn server(statuses: &[&str]) -> FakeServer {
    server_of(&pin(), statuses.iter().map(|s| status(s)).collect()).await
}

async fn server_of(pin: &str, statuses: Vec<String>) -> FakeServer {
    FakeServer::start([
        (leak(format!("POST {PIN_PATH}")), vec![ok(pin)]),
        (leak(format!("DELETE {PIN_PATH}")), vec![ok(pin)]),
        (leak(format!("GET /pins/{CID}")), statuses.into_iter().map(ok).collect()),
    ])
    .await
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

#[tokio::test]
async fn all_options_reach_the_server() {
    let server = server(&["pinned"]).await;
    let run = run(&format!(
        "--host {} pin add {CID} --rmin 1 --rmax=2 -n a&b --mode direct --metadata k=v=w --allocs {PEER},{PEER} --ns",
        server.host
    ))
    .await;
    assert_eq!((run.code, run.out), (0, pin_text()), "{}", run.err);
    assert_eq!(
        server.asked(),
        [format!(
            "POST {PIN_PATH}?replication-min=1&replication-max=2&name=a%26b&mode=direct&user-allocations={PEER}%2C{PEER}&meta-k=v%3Dw"
        )]
    );
}

#[tokio::test]
async fn replication_overrides_both_and_expiry_is_absolute() {
    let server = server(&["pinned"]).await;
    let run =
        run(&format!("--host {} pin add --ns -r -1 -rmin 3 --expire-in 1h /ipfs/{CID}", server.host)).await;
    assert_eq!(run.code, 0, "{run:?}");
    let asked = server.asked().remove(0);
    let prefix = format!("POST {PIN_PATH}?replication-min=-1&replication-max=-1&mode=recursive&expire-at=2");
    assert!(asked.starts_with(&prefix), "{asked}");
}

#[tokio::test]
async fn without_waiting_the_status_settles_for_a_moment() {
    let server = server(&["pin_queued", "pinning", "pinned", "pinning"]).await;
    let run = run(&format!("--host {} pin add {CID}", server.host)).await;
    assert_eq!((run.code, run.out), (0, status_text("PINNED")), "{}", run.err);
}

#[tokio::test]
async fn waiting_succeeds_for_pin_and_unpin() {
    let server1 = server(&["pin_queued", "pin_error", "pinning", "pinned"]).await;
    let add = run(&format!("--host {} pin add {CID} --wait --wait-timeout 60s", server1.host)).await;
    assert_eq!((add.code, add.out), (0, status_text("PINNED")), "{}", add.err);
    let server2 = server(&["unpinning", "unpinned"]).await;
    let rm = run(&format!("--host {} pin rm -w {CID}", server2.host)).await;
    assert_eq!((rm.code, rm.out), (0, status_text("UNPINNED")), "{}", rm.err);
    let server3 = server(&["pinned"]).await;
    let ns = run(&format!("--host {} pin add -w -ns {CID}", server3.host)).await;
    assert_eq!((ns.code, ns.out), (0, pin_text()), "{}", ns.err);
}

/// What three peers say in turn; the last for ever.
fn three(steps: &[[&str; 3]]) -> Vec<String> {
    let of = |[a, b, c]: &[&str; 3]| status_on(&[(PEER, a), (SECOND, b), (THIRD, c)]);
    steps.iter().map(of).collect()
}

/// How often the status was asked for.
fn polls(server: &FakeServer) -> usize {
    server.asked().iter().filter(|line| line.starts_with("GET ")).count()
}

#[tokio::test]
async fn of_several_peers_as_many_are_waited_for_as_asked() {
    let steps = three(&[
        ["pin_queued", "pinning", "pinning"],
        ["pinning", "pinned", "pinning"],
        ["pinned", "pinned", "pin_queued"],
        ["pinned", "pinned", "pinned"],
    ]);
    let factors = |min: i32, max: i32| {
        pin()
            .replace("\"replication_factor_min\":-1", &format!("\"replication_factor_min\":{min}"))
            .replace("\"replication_factor_max\":-1", &format!("\"replication_factor_max\":{max}"))
    };
    for (pin, flags, expected) in [
        (factors(-1, -1), "", 4),
        (factors(2, 3), "", 3),
        (factors(1, 3), "", 2),
        (factors(1, 3), "--wait-limit 3", 4),
        (factors(-1, -1), "--wl 2", 3),
        (factors(-1, -1), "--wl 1", 2),
        (factors(2, 3), "--wl 99", 4),
        (factors(2, 3), "--wl=-1", 4),
    ] {
        let server = server_of(&pin, steps.clone()).await;
        let run = run(&format!("--host {} pin add {CID} --wait --wt 60s {flags}", server.host)).await;
        assert_eq!((run.code, polls(&server)), (0, expected), "{flags} {pin} {run:?}");
        assert_eq!(run.out.matches(" : PINNED | ").count(), expected - 1, "{}", run.out);
    }
}

#[tokio::test]
async fn peers_that_need_not_pin_are_not_waited_for() {
    let steps = three(&[["pinned", "pinning", "remote"], ["pinned", "pinned", "remote"]]);
    let server = server_of(&pin(), steps).await;
    let run = run(&format!("--host {} pin add {CID} --wait --wt 60s", server.host)).await;
    assert_eq!((run.code, polls(&server)), (0, 2), "{run:?}");
}

#[tokio::test]
async fn an_unpin_waits_for_every_peer() {
    let steps = three(&[
        ["unpinned", "unpinning", "pinned"],
        ["unpinned", "unpinned", "unpin_queued"],
        ["unpinned", "unpinned", "unpinned"],
    ]);
    for (flags, expected) in [("", 3), ("--wl 2", 2), ("--wl 1", 1)] {
        let server = server_of(&pin(), steps.clone()).await;
        let run = run(&format!("--host {} pin rm {CID} --wait --wt 60s {flags}", server.host)).await;
        assert_eq!((run.code, polls(&server)), (0, expected), "{flags} {run:?}");
    }
}

#[tokio::test]
async fn waiting_too_long_exits_62() {
    let server = server(&["pinning"]).await;
    let run = run(&format!("--host {} pin add {CID} --wait --wt 300ms", server.host)).await;
    assert_eq!(run.code, 62);
    assert_eq!(run.err, "error waiting for pin status: context deadline exceeded\n");
    assert_eq!(run.out, "");
}

#[tokio::test]
async fn an_update_names_its_source() {
    let server = server(&["pinned"]).await;
    let run = run(&format!("--host {} pin update bafkqaaa {CID} --name x --no-status", server.host)).await;
    assert_eq!((run.code, run.out), (0, pin_text()), "{}", run.err);
    assert_eq!(server.asked(), [format!("POST {PIN_PATH}?name=x&mode=recursive&pin-update=bafkqaaa")]);
}
