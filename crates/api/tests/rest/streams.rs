//! Streamed answers (api §3.2): lines, chunks, trailers.

use crate::{
    fake_api::{CID, FAILING, RESOLVED, status_of},
    raw_client::{connect, exchange, parse, read_all, read_until},
    server::TestServer,
};
use cluster_core::{Pin, ports::cluster_api::ApiError};
use futures_util::{StreamExt, stream};
use tokio::{io::AsyncWriteExt, sync::oneshot};

const TE: &str = "TE: trailers";

fn pins(count: usize) -> Vec<Pin> {
    vec![Pin::new(CID.parse().unwrap()); count]
}

#[tokio::test]
async fn success_ends_with_one_empty_value() {
    let server = TestServer::start().await;
    server.api.stream_pins(stream::iter([Ok(Vec::new()), Ok(pins(2)), Ok(Vec::new()), Ok(pins(1))]));
    let answer = server.ask("GET /allocations", &[TE]).await;
    assert_eq!((answer.status, answer.body.lines().count()), (200, 3));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("trailer"), Some("X-Stream-Error"));
    assert_eq!(answer.trailer("x-stream-error"), [""]);
    for line in answer.body.lines() {
        assert_eq!(serde_json::from_str::<serde_json::Value>(line).unwrap()["cid"], CID);
    }
}

#[tokio::test]
async fn an_error_after_items_goes_into_the_trailer() {
    let server = TestServer::start().await;
    server
        .api
        .stream_pins(stream::iter([Ok(pins(2)), Err(ApiError::Unsupported { what: "line\r\nbreak é" })]));
    let answer = server.ask("GET /allocations", &[TE]).await;
    assert_eq!((answer.status, answer.body.lines().count()), (200, 2));
    assert_eq!(answer.trailer("x-stream-error"), ["line  break é is not supported by this version"]);
}

#[tokio::test]
async fn who_asks_for_no_trailers_gets_them_as_from_the_reference() {
    let server = TestServer::start().await;
    let fails = || stream::iter([Ok(pins(2)), Err(ApiError::Stopping), Err(ApiError::NotPinned)]);
    for asked in [&[][..], &["TE: gzip"], &["TE: gzip, Trailers"]] {
        server.api.stream_pins(fails());
        let answer = server.ask("GET /allocations", asked).await;
        assert_eq!((answer.status, answer.body.lines().count()), (200, 2));
        let errors = ["the peer is stopping", "pin is not part of the pinset"];
        assert_eq!(answer.trailer("x-stream-error"), errors, "{asked:?}");
    }
    // Several answers on one connection: whole, and with nothing left over from the one before.
    server.api.stream_pins(fails());
    let mut stream = connect(server.address).await;
    stream.write_all(b"GET /allocations HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let first = read_until(&mut stream, "0\r\nX-Stream-Error: the peer is stopping\r\n").await;
    assert!(first.ends_with("pinset\r\n\r\n"), "{first}");
    server.api.stream_pins(stream::iter([Ok(pins(1))]));
    let rest = b"GET /allocations HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n\
        GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(rest).await.unwrap();
    let rest = String::from_utf8(read_all(&mut stream).await).unwrap();
    assert_eq!(rest.matches("HTTP/1.1 ").count(), 3, "{rest}");
    assert_eq!(rest.matches("0\r\nX-Stream-Error: \r\n\r\nHTTP/1.1 204").count(), 1, "{rest}");
    assert!(rest.ends_with("{\"code\":404,\"message\":\"not found\"}\n"), "{rest}");
}

#[tokio::test]
async fn long_answers_to_slow_readers_end_with_trailers() {
    let server = TestServer::start().await;
    server.api.stream_pins(
        stream::iter((0..40).map(|_| Ok(pins(1000)))).chain(stream::iter([Err(ApiError::Stopping)])),
    );
    let mut stream = connect(server.address).await;
    stream.write_all(b"GET /allocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    // By the time anything is read, both sides' buffers are full.
    read_until(&mut stream, "HTTP/1.1 200 OK").await;
    tokio::task::yield_now().await;
    let rest = String::from_utf8(read_all(&mut stream).await).unwrap();
    assert!(
        rest.ends_with("\r\n0\r\nX-Stream-Error: the peer is stopping\r\n\r\n"),
        "{}",
        &rest[rest.len() - 200..]
    );
}

#[tokio::test]
async fn names_of_headers_look_as_in_the_reference() {
    let server = TestServer::start().await;
    server.api.stream_pins(stream::iter([Ok(pins(1))]));
    for line in ["GET /allocations", "GET /id"] {
        let text = exchange(
            server.address,
            format!("{line} HTTP/1.1\r\nHost: x\r\nOrigin: http://a\r\nConnection: close\r\n\r\n").as_bytes(),
        )
        .await;
        for name in
            ["Content-Type: application/json", "Vary: Origin", "Access-Control-Allow-Origin: *", "Date: "]
        {
            assert!(text.contains(&format!("\r\n{name}")), "{name}: {text}");
        }
    }
}

#[tokio::test]
async fn an_error_alone_is_the_answer() {
    let server = TestServer::start().await;
    server.api.stream_pins(stream::iter([
        Ok(Vec::new()),
        Err(ApiError::FollowerMode),
        Err(ApiError::Stopping),
    ]));
    let answer = server.ask("GET /allocations", &[TE]).await;
    answer.is_error(500, "this peer is configured to be in follower mode. Write operations are disabled");
}

#[tokio::test]
async fn single_failures_of_cids_do_not_hide_the_others() {
    let server = TestServer::start().await;
    for cids in [format!("{FAILING},{CID},{RESOLVED}"), format!("{CID},{FAILING},{RESOLVED}")] {
        let answer = server.ask(&format!("GET /pins?cids={cids}&filter=ignored"), &[TE]).await;
        assert_eq!((answer.status, answer.body.lines().count()), (200, 2), "{cids}");
        assert_eq!(answer.trailer("x-stream-error"), ["the peer is stopping"]);
    }
    let both = server.ask(&format!("GET /pins?cids={FAILING},{FAILING},{CID}"), &[TE]).await;
    assert_eq!(both.trailer("x-stream-error"), ["the peer is stopping"; 2]);
    let local = format!("GET /pins?local=true&cids={CID}");
    server.api.calls();
    assert_eq!(server.ask(&local, &[]).await.status, 200);
    assert_eq!(server.api.calls(), [format!("status {CID} Local")]);
    server.ask(&format!("GET /pins?cids={FAILING}"), &[TE]).await.is_error(503, "the peer is stopping");
    let bad = server.ask(&format!("GET /pins?cids={CID},"), &[]).await;
    assert_eq!(bad.status, 400, "nothing between two commas is no CID");
}

#[tokio::test]
async fn an_endless_row_of_errors_ends() {
    let server = TestServer::start().await;
    server
        .api
        .stream_pins(stream::iter([Ok(pins(1))]).chain(stream::repeat_with(|| Err(ApiError::Stopping))));
    let answer = server.ask("GET /allocations", &[TE]).await;
    assert_eq!(answer.trailer("x-stream-error").len(), 16);
}

#[tokio::test]
async fn the_first_lines_do_not_wait_for_the_last() {
    let server = TestServer::start().await;
    let (go_on, wait) = oneshot::channel::<()>();
    let late = stream::once(async move {
        wait.await.unwrap();
        Ok(pins(1))
    });
    server.api.stream_pins(stream::iter([Ok(pins(1))]).chain(late));
    let mut stream = connect(server.address).await;
    stream.write_all(b"GET /allocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut text = read_until(&mut stream, "}\n\r\n").await;
    go_on.send(()).unwrap();
    text.push_str(&String::from_utf8(read_all(&mut stream).await).unwrap());
    assert_eq!(parse(&text).body.lines().count(), 2);
}

#[tokio::test]
async fn large_pages_come_whole_and_in_order() {
    let server = TestServer::start().await;
    let named = |i: usize| {
        let mut pin = pins(1).remove(0);
        pin.options.name = format!("n{i}");
        pin
    };
    server
        .api
        .stream_pins(stream::iter((0..5).map(move |p| Ok((p * 1000..(p + 1) * 1000).map(named).collect()))));
    let answer = server.ask("GET /allocations", &[TE]).await;
    for (i, line) in answer.body.lines().enumerate() {
        assert!(line.contains(&format!("\"name\":\"n{i}\"")), "{i}: {line}");
    }
    assert_eq!((answer.body.lines().count(), answer.trailer("x-stream-error")), (5000, vec![""]));
}

#[tokio::test]
async fn http_1_0_gets_the_lines_raw() {
    let server = TestServer::start().await;
    server.api.stream_pins(stream::iter([Ok(pins(2))]));
    let answer = exchange(server.address, b"GET /allocations HTTP/1.0\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 OK"), "{head}");
    assert!(!head.contains("chunked"), "{head}");
    assert_eq!(body.lines().count(), 2);
    assert!(body.starts_with('{') && body.ends_with("}\n"), "{body}");
}

#[tokio::test]
async fn one_status_is_one_plain_document() {
    let server = TestServer::start().await;
    server.api.stream_statuses(vec![Ok(vec![status_of(CID.parse().unwrap())])]);
    let answer = server.ask("GET /pins", &[]).await;
    assert_eq!(answer.json()["cid"], CID);
}
