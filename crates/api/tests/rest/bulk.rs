//! Many changes in one request.

use crate::{
    fake_api::{CID, RESOLVED},
    raw_client::{ask_with_body, connect, read_all, read_until},
    server::{TestServer, config},
};
use cluster_api::{ConnectionLimits, Credentials};
use cluster_core::{
    UnixSeconds,
    ports::{cluster_api::ApiError, consensus::Precondition},
};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

const CHUNKED: &[u8] = b"POST /pins HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
const WITH_LEAVE: &[u8] =
    b"POST /pins HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";

/// A line that pins, as a chunk.
fn chunk() -> Vec<u8> {
    let line = format!("{{\"cid\":\"{CID}\"}}\n");
    format!("{:x}\r\n{line}\r\n", line.len()).into_bytes()
}

fn outcomes(body: &str) -> Vec<(u64, u64, String)> {
    body.lines()
        .map(|line| {
            let outcome: serde_json::Value = serde_json::from_str(line).unwrap();
            let error = outcome["error"].as_str().unwrap_or_default().to_owned();
            (outcome["line"].as_u64().unwrap(), outcome["code"].as_u64().unwrap(), error)
        })
        .collect()
}

#[tokio::test]
async fn every_line_has_its_outcome() {
    let server = TestServer::start().await;
    let body = format!(
        "{{\"cid\":\"{CID}\",\"name\":\"a\",\"mode\":\"direct\",\"metadata\":{{\"k\":\"v\"}},\"replication_factor_min\":1,\"replication_factor_max\":2,\"expire_in\":\"1h\",\"if_absent\":true,\"idempotency_key\":\"i\"}}\n\
         \n\
         {{\"op\":\"unpin\",\"cid\":\"{CID}\",\"if_match\":\"{tag}\"}}\n\
         not json\n\
         {{\"cid\":\"nope\"}}\n\
         {{\"cid\":\"{RESOLVED}\",\"expire_in\":\"1ms\"}}\n\
         {{\"op\":\"unpin\",\"cid\":\"{RESOLVED}\"}}",
        tag = "0a".repeat(16),
    );
    let answer = ask_with_body(server.address, "POST /pins", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let found = outcomes(&answer.body);
    let codes: Vec<_> = found.iter().map(|(line, code, _)| (*line, *code)).collect();
    assert_eq!(codes, [(1, 200), (3, 200), (4, 400), (5, 400), (6, 400), (7, 200)]);
    assert!(found[2].2.starts_with("the line is no JSON object of a change: "));
    assert!(found[3].2.starts_with("error decoding Cid: "));
    assert_eq!(found[4].2, "expire-in duration too short");
    let calls = server.api.calls();
    assert_eq!(calls[0], format!("pin {CID}"));
    assert!(calls[1].starts_with(&format!("unpin {CID} IfMatch(")), "{calls:?}");
    assert_eq!(calls[2], format!("unpin {RESOLVED} None None"));
    let wish = server.api.wish();
    assert_eq!((wish.precondition, wish.request_id.unwrap().as_str()), (Precondition::IfAbsent, "i"));
    assert_eq!((wish.pin.options.name.as_str(), wish.pin.options.replication.max), ("a", 2));
    assert_eq!(wish.pin.depth, cluster_core::PinDepth::DIRECT);
    assert!(wish.pin.options.expire_at > Some(UnixSeconds(1_700_000_000)));

    server.api.fail_with(|| ApiError::NotPinned);
    let refused =
        ask_with_body(server.address, "POST /pins", &format!("{{\"op\":\"unpin\",\"cid\":\"{CID}\"}}\n"))
            .await;
    assert_eq!(outcomes(&refused.body), [(1, 404, "pin is not part of the pinset".to_owned())]);
    let nothing = ask_with_body(server.address, "POST /pins", "").await;
    assert_eq!((nothing.status, nothing.body.as_str()), (200, ""));
}

#[tokio::test]
async fn outcomes_come_while_the_request_goes_on() {
    let server = TestServer::start().await;
    let mut stream = connect(server.address).await;
    stream.write_all(CHUNKED).await.unwrap();
    for number in 1..=3 {
        stream.write_all(&chunk()).await.unwrap();
        read_until(&mut stream, &format!("{{\"line\":{number},\"cid\":\"{CID}\",\"code\":200,")).await;
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    read_until(&mut stream, "0\r\n").await;
    assert_eq!(server.api.calls().len(), 3);
}

#[tokio::test]
async fn an_endless_line_is_not_gathered() {
    let server = TestServer::start().await;
    let answer = ask_with_body(server.address, "POST /pins", &"x".repeat(3 << 20)).await;
    let found = outcomes(&answer.body);
    assert_eq!((found.len(), found[0].1), (1, 400));
    assert!(found[0].2.starts_with("the line is longer than 2097152 bytes"), "{found:?}");
}

#[tokio::test]
async fn who_falls_silent_is_told_so() {
    let limits =
        ConnectionLimits { read_timeout: Some(Duration::from_millis(300)), ..ConnectionLimits::default() };
    let server = TestServer::with(config(), limits).await;
    let mut stream = connect(server.address).await;
    stream.write_all(CHUNKED).await.unwrap();
    stream.write_all(&chunk()).await.unwrap();
    let text = String::from_utf8(read_all(&mut stream).await).unwrap();
    let silent = "{\"line\":2,\"cid\":null,\"code\":400,\"error\":\"the request broke off: the body of the request did not arrive in time;";
    assert!(text.contains(silent), "{text}");
    assert!(text.ends_with("X-Stream-Error: \r\n\r\n"), "{text}");
}

#[tokio::test]
async fn leave_to_send_comes_before_the_answer() {
    let server = TestServer::start().await;
    let mut stream = connect(server.address).await;
    stream.write_all(WITH_LEAVE).await.unwrap();
    let leave = read_until(&mut stream, "\r\n\r\n").await;
    assert_eq!(leave, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&chunk()).await.unwrap();
    let answer = read_until(&mut stream, "\"code\":200").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");

    // Whoever has leave and still waits for the head gets it.
    let mut stream = connect(server.address).await;
    stream.write_all(WITH_LEAVE).await.unwrap();
    read_until(&mut stream, "HTTP/1.1 200 OK\r\n").await;
    stream.write_all(&chunk()).await.unwrap();
    read_until(&mut stream, "\"code\":200").await;
}

#[tokio::test]
async fn refusals_reach_whoever_is_still_sending() {
    /// More than the system's buffers hold.
    const LARGE: usize = 12 << 20;
    let mut config = config();
    config.credentials = Some(Credentials::new([("ann".to_owned(), "secret".to_owned())]));
    let server = TestServer::with(config, ConnectionLimits::default()).await;
    let long = "x".repeat(LARGE);
    let refused = ask_with_body(server.address, "POST /pins", &long).await;
    refused.is_error(401, "unauthorized: no auth provided");
    // Also where the client would go on with the connection.
    let mut stream = connect(server.address).await;
    stream.write_all(CHUNKED).await.unwrap();
    let answer = read_until(&mut stream, "}\n").await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("\r\nConnection: close\r\n"), "{answer}");
    // Nothing is on its way from one that waits for leave.
    let mut stream = connect(server.address).await;
    stream.write_all(WITH_LEAVE).await.unwrap();
    let answer = String::from_utf8(read_all(&mut stream).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");

    let server = TestServer::start().await;
    let answer = ask_with_body(server.address, "POST /pins", &long).await;
    assert_eq!((answer.status, answer.body.lines().count()), (200, 1));
}
