use super::{DelayLine, Stub};
use crate::bench::cids;
use crate::bench::connection::{Connection, get, post};
use crate::bench::server::{listen, serve};
use std::sync::Arc;
use std::time::{Duration, Instant};

async fn stub(delay: Duration) -> Connection {
    let (listener, address) = listen(0).await.unwrap();
    let delay = DelayLine::start(delay).unwrap();
    tokio::spawn(serve(listener, Stub { state: Arc::default(), delay }));
    Connection::open(address, 4096).await.unwrap()
}

async fn call(connection: &mut Connection, path: &str) -> (u16, String) {
    let (status, body) = connection.fetch(&post(path)).await.unwrap();
    (status, String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn a_pin_is_listed_until_it_is_removed() {
    let mut stub = stub(Duration::ZERO).await;
    let cid = cids::text(1, 1);
    let cid = cids::as_str(&cid);
    let one = format!("/api/v0/pin/ls?stream=true&arg={cid}&type=recursive");

    let (status, body) = call(&mut stub, &one).await;
    assert_eq!(status, 500);
    assert!(body.contains("is not pinned\""), "{body}");

    let (status, body) =
        call(&mut stub, &format!("/api/v0/pin/add?arg={cid}&recursive=true&progress=true")).await;
    assert_eq!((status, body), (200, format!("{{\"Pins\":[\"{cid}\"]}}\n")));
    assert_eq!(call(&mut stub, &one).await, (200, format!("{{\"Cid\":\"{cid}\",\"Type\":\"recursive\"}}\n")));
    assert_eq!(call(&mut stub, &one.replace("recursive", "direct")).await.0, 500);

    assert_eq!(call(&mut stub, &format!("/api/v0/pin/rm?arg={cid}")).await.0, 200);
    let (status, body) = call(&mut stub, &format!("/api/v0/pin/rm?arg={cid}")).await;
    assert_eq!(status, 500);
    assert!(body.contains("not pinned or pinned indirectly"), "{body}");
}

#[tokio::test]
async fn the_list_holds_what_was_preloaded_and_the_counts_every_call() {
    let mut stub = stub(Duration::ZERO).await;
    call(&mut stub, "/preload?seed=3&first=10&count=2000").await;
    call(&mut stub, "/api/v0/pin/add?arg=QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn&recursive=false")
        .await;

    let (status, body) = call(&mut stub, "/api/v0/pin/ls?stream=true&type=recursive").await;
    let mut listed: Vec<&str> = body.lines().collect();
    let mut expected: Vec<String> = (10..2010)
        .map(|index| {
            format!("{{\"Cid\":\"{}\",\"Type\":\"recursive\"}}", cids::as_str(&cids::text(3, index)))
        })
        .collect();
    listed.sort_unstable();
    expected.sort_unstable();
    assert_eq!((status, listed), (200, expected.iter().map(String::as_str).collect()));

    let (_, direct) = call(&mut stub, "/api/v0/pin/ls?stream=true&type=direct").await;
    assert_eq!(direct, "{\"Cid\":\"QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn\",\"Type\":\"direct\"}\n");

    let (_, stats) = stub.fetch(&get("/stats")).await.unwrap();
    let stats: serde_json::Value = serde_json::from_slice(&stats).unwrap();
    assert_eq!(stats, serde_json::json!({"pins": 2001, "calls": {"pin/add": 1, "pin/ls": 2}}));
}

#[tokio::test]
async fn every_call_waits_and_none_waits_for_another() {
    const DELAY: Duration = Duration::from_millis(20);
    let mut first = stub(DELAY).await;
    let began = Instant::now();
    call(&mut first, "/api/v0/id").await;
    assert!(began.elapsed() >= DELAY);
    call(&mut first, "/delay?micros=0").await;
    assert_eq!(call(&mut first, "/api/v0/resolve?arg=%2Fipfs%2Fbafy").await.1, "{\"Path\":\"/ipfs/bafy\"}\n");
}

#[tokio::test]
async fn waiting_calls_leave_together() {
    let line = DelayLine::start(Duration::from_millis(50)).unwrap();
    let began = Instant::now();
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let line = line.clone();
            tokio::spawn(async move { line.pass().await })
        })
        .collect();
    for call in waiting {
        call.await.unwrap();
    }
    // One after the other they would take five seconds.
    assert!(began.elapsed() >= Duration::from_millis(50) && began.elapsed() < Duration::from_secs(2));
}
