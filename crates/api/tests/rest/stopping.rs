//! An orderly stop, and what would last without an end.

use crate::{
    fake_api::CID,
    raw_client::{DEADLINE, connect, parse, read_all, read_until},
    server::TestServer,
};
use std::time::{Duration, Instant};
use tokio::{io::AsyncWriteExt, time::timeout};

/// Well below the time that requests under way have.
const SOON: Duration = Duration::from_secs(4);

#[tokio::test]
async fn followed_changes_end_whole() {
    let server = TestServer::start().await;
    server.api.let_events_last();
    let mut stream = connect(server.address).await;
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n").await.unwrap();
    let mut text = read_until(&mut stream, "\"quiet\"").await;
    let begin = Instant::now();
    let stopped = server.stop();
    text.push_str(&String::from_utf8(read_all(&mut stream).await).unwrap());
    let answer = parse(&text);
    assert_eq!((answer.body.lines().count(), answer.trailer("x-stream-error")), (4, vec![""]), "{text}");
    timeout(DEADLINE, stopped).await.expect("stops in time").unwrap();
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn changes_that_are_not_followed_are_not_cut_short_unseen() {
    let server = TestServer::start().await;
    server.api.let_events_last();
    let mut stream = connect(server.address).await;
    stream.write_all(b"GET /events?follow=false HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    read_until(&mut stream, "\"quiet\"").await;
    timeout(DEADLINE, server.stop()).await.expect("stops in time").unwrap();
    let rest = String::from_utf8(read_all(&mut stream).await).unwrap();
    assert!(!rest.contains("0\r\n"), "the end looks like that of all changes: {rest}");
}

#[tokio::test]
async fn a_request_that_waits_for_its_next_line_ends_with_an_outcome() {
    let server = TestServer::start().await;
    let mut stream = connect(server.address).await;
    stream.write_all(b"POST /pins HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    let line = format!("{{\"cid\":\"{CID}\"}}\n");
    stream.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes()).await.unwrap();
    let mut text = read_until(&mut stream, "\"code\":200").await;
    let begin = Instant::now();
    let stopped = server.stop();
    if !text.ends_with("X-Stream-Error: \r\n\r\n") {
        text.push_str(&read_until(&mut stream, "X-Stream-Error: \r\n\r\n").await);
    }
    let last = parse(&text).body.lines().last().unwrap().to_owned();
    assert_eq!(
        last,
        "{\"line\":2,\"cid\":null,\"code\":503,\"error\":\"the peer is stopping; nothing after this was read\"}"
    );
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    assert!(read_all(&mut stream).await.is_empty());
    timeout(DEADLINE, stopped).await.expect("stops in time").unwrap();
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn half_a_head_does_not_hold_up_the_stop() {
    let server = TestServer::start().await;
    let mut stream = connect(server.address).await;
    stream.write_all(b"GET /ver").await.unwrap();
    // Nothing tells when it was read; unread it would not hold up anything either.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begin = Instant::now();
    timeout(DEADLINE, server.stop()).await.expect("stops in time").unwrap();
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
}
