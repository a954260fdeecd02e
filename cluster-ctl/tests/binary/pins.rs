//! Commands that change the pinset, and what they wait for.

use super::{
    CID, PEER,
    fake_server::{FakeServer, ok},
    pin, pin_text, run, status, status_text,
};

const PIN_PATH: &str = "/pins/ipfs/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

async fn server(statuses: &[&str]) -> FakeServer {
    FakeServer::start([
        (leak(format!("POST {PIN_PATH}")), vec![ok(pin())]),
        (leak(format!("DELETE {PIN_PATH}")), vec![ok(pin())]),
        (leak(format!("GET /pins/{CID}")), statuses.iter().map(|s| ok(status(s))).collect()),
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
