//! Connections: keep-alive, pipelines, limits, time-outs, garbage, orderly stop.

use crate::{
    fake_api::{CID, FakeApi},
    raw_client::{DEADLINE, ask, connect, exchange, parse, read_all, read_until},
    server::{TestServer, config},
};
use cluster_api::{BindError, ConnectionLimits, HttpStreams, RestConfig, RestServer};
use cluster_core::{Pin, ports::cluster_api::ApiError};
use futures_util::{StreamExt, stream};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Mutex, mpsc, oneshot},
    time::timeout,
};

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn keep_alive_and_pipelines() {
    let server = TestServer::start().await;
    let mut stream = connect(server.address).await;
    for _ in 0..3 {
        stream.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        read_until(&mut stream, "}\n").await;
    }
    let one = format!("POST /pins/{CID} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
    let last = "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(format!("{one}{one}{one}{last}").as_bytes()).await.unwrap();
    let text = String::from_utf8(read_all(&mut stream).await).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3, "{text}");
    assert!(text.ends_with("{\"code\":404,\"message\":\"not found\"}\n"), "{text}");
}

#[tokio::test]
async fn http_1_0_closes_unless_asked() {
    let server = TestServer::start().await;
    let answer = exchange(server.address, b"GET /version HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK"), "{answer}");
    let mut stream = connect(server.address).await;
    for _ in 0..2 {
        stream.write_all(b"GET /version HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await.unwrap();
        read_until(&mut stream, "}\n").await;
    }
}

#[tokio::test]
async fn a_client_that_has_finished_sending_is_still_answered() {
    let server = TestServer::start().await;
    let mut stream = connect(server.address).await;
    stream.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    let text = String::from_utf8(read_all(&mut stream).await).unwrap();
    assert_eq!(parse(&text).status, 200);
}

#[tokio::test]
async fn http_2_without_tls() {
    let server = TestServer::start().await;
    let mut stream = connect(server.address).await;
    // Preface, empty SETTINGS, and one HEADERS frame: `:method GET`, `:scheme http`, `:path /`, from the static table.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    stream.write_all(b"\0\0\x03\x01\x05\0\0\0\x01\x82\x86\x84").await.unwrap();
    let text = "{\"code\":404,\"message\":\"not found\"}\n";
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    while !bytes.windows(text.len()).any(|w| w == text.as_bytes()) {
        let got = timeout(DEADLINE, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert_ne!(got, 0, "{bytes:?}");
        bytes.extend_from_slice(&buffer[..got]);
    }
}

#[tokio::test]
async fn heads_too_large_are_431_and_those_within_pass() {
    let server = TestServer::start().await;
    let line = |size: usize| {
        format!("GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: {}\r\n\r\n", "x".repeat(size))
    };
    assert_eq!(parse(&exchange(server.address, line(4000).as_bytes()).await).status, 200);
    let mut stream = connect(server.address).await;
    let _ = stream.write_all(line(9000).as_bytes()).await;
    let text = read_until(&mut stream, "\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 431 "), "{text}");
}

#[tokio::test]
async fn garbage_is_refused() {
    let server = TestServer::start().await;
    for bytes in [
        &b"\0\x01\x02\x03\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /id HTTP/9.9\r\n\r\n",
        b"GET /id HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /i\x7fd HTTP/1.1\r\n\r\n",
        b"GET /id HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot a frame at all, is it",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    ] {
        let mut stream = connect(server.address).await;
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // A reset is as good as a 400.
        let _ = timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("the server closes in time");
        let text = String::from_utf8_lossy(&answer);
        assert!(!text.contains(" 200 "), "{bytes:?} {text}");
    }
    for line in ["CONNECT x:80", "OPTIONS *", "GET *", "GET /%", "GET /pins/%zz", "GET /pins/%ff", "GET /a?%"]
    {
        let answer = server.ask(line, &[]).await;
        assert!((400..500).contains(&answer.status), "{line} {answer:?}");
    }
    assert_eq!(server.ask("GET /version", &[]).await.status, 200);
}

#[tokio::test]
async fn bodies_are_bounded() {
    let server = TestServer::start().await;
    let body = vec![b'x'; 1 << 20];
    let mut stream = connect(server.address).await;
    let head = format!("POST /pins/{CID} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    read_until(&mut stream, "}\n").await;
    stream.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    read_until(&mut stream, "}\n").await;

    server.api.calls();
    let length = "Content-Length: 1048577";
    for (line, status) in [(format!("POST /pins/{CID}"), 413), ("POST /add".to_owned(), 501)] {
        let answer = server.ask(&line, &[length, "Expect: 100-continue"]).await;
        assert_eq!((answer.status, answer.header("connection")), (status, Some("close")), "{line}");
    }
    // Sent without asking, in chunks of unknown number.
    let mut stream = connect(server.address).await;
    let head = format!("POST /pins/{CID} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..3 {
        stream.write_all(format!("{:x}\r\n", body.len()).as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        stream.write_all(b"\r\n").await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let text = String::from_utf8(read_all(&mut stream).await).unwrap();
    assert_eq!(parse(&text).status, 413);
    assert!(server.api.calls().is_empty());
}

#[tokio::test]
async fn a_body_that_does_not_come_ends_the_connection() {
    let limits = ConnectionLimits { read_timeout: Some(SHORT), ..ConnectionLimits::default() };
    let server = TestServer::with(config(), limits).await;
    let head = format!("POST /pins/{CID} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    let answer = parse(&exchange(server.address, head.as_bytes()).await);
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert!(server.api.calls().is_empty());
}

#[tokio::test]
async fn slow_heads_and_idle_connections_are_closed() {
    let mut config = config();
    config.read_header_timeout = Some(SHORT);
    let limits = ConnectionLimits { idle_timeout: None, ..ConnectionLimits::default() };
    let server = TestServer::with(config, limits).await;
    for start in ["", "GET /ver", "GET /version HTTP/1.1\r\nHost: x\r\n"] {
        assert_eq!(exchange(server.address, start.as_bytes()).await, "", "{start}");
    }
    // Between requests the limit for heads does not count, but it does from the next first byte on.
    let mut stream = connect(server.address).await;
    stream.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    read_until(&mut stream, "}\n").await;
    let closed = timeout(3 * SHORT, stream.read_u8()).await;
    assert!(closed.is_err(), "an idle connection stays: {closed:?}");
    stream.write_all(b"GET").await.unwrap();
    assert!(read_all(&mut stream).await.is_empty());

    let limits = ConnectionLimits { idle_timeout: Some(SHORT), ..ConnectionLimits::default() };
    let server = TestServer::with(crate::server::config(), limits).await;
    let mut stream = connect(server.address).await;
    stream.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    read_until(&mut stream, "}\n").await;
    assert!(read_all(&mut stream).await.is_empty(), "closed when idle for too long");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_given_up() {
    let limits = ConnectionLimits { write_timeout: Some(SHORT), ..ConnectionLimits::default() };
    let server = TestServer::with(config(), limits).await;
    let (given_up, noticed) = oneshot::channel::<()>();
    let endless = stream::unfold(given_up, |held| async move {
        Some((Ok::<_, ApiError>(vec![Pin::new(CID.parse().unwrap()); 1000]), held))
    });
    server.api.stream_pins(endless);
    let mut stream = connect(server.address).await;
    stream.write_all(b"GET /allocations HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    // The stream is dropped, and with it its end of the channel.
    assert!(timeout(DEADLINE, noticed).await.expect("given up in time").is_err());
}

#[tokio::test]
async fn two_thousand_idle_connections_do_no_harm() {
    let server = TestServer::start().await;
    let mut idle = Vec::new();
    for _ in 0..2000 {
        idle.push(connect(server.address).await);
    }
    for _ in 0..20 {
        assert_eq!(server.ask(&format!("POST /pins/{CID}"), &[]).await.status, 200);
    }
    for mut stream in idle.into_iter().step_by(500) {
        stream.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        read_until(&mut stream, "}\n").await;
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_their_turn() {
    let limits = ConnectionLimits { max_connections: 2, ..ConnectionLimits::default() };
    let server = TestServer::with(config(), limits).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(server.address).await;
        stream.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        read_until(&mut stream, "}\n").await;
        held.push(stream);
    }
    let mut third = connect(server.address).await;
    third.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let early = timeout(SHORT, third.read_u8()).await;
    assert!(early.is_err(), "the third waits: {early:?}");
    drop(held.pop());
    read_until(&mut third, "}\n").await;
}

#[tokio::test]
async fn each_listener_has_places_of_its_own() {
    let limits = ConnectionLimits { max_connections: 1, ..ConnectionLimits::default() };
    let mut two = config();
    two.listen.push("/ip4/127.0.0.1/tcp/0".parse().unwrap());
    let server = RestServer::bind(two, Arc::new(FakeApi::default())).await.unwrap().with_limits(limits);
    let addresses = server.local_addrs();
    tokio::spawn(server.serve(std::future::pending()));
    let mut first = connect(addresses[0]).await;
    first.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    read_until(&mut first, "}\n").await;
    assert_eq!(ask(addresses[1], "GET /version", &[]).await.status, 200);
}

#[tokio::test]
async fn the_end_of_an_answer_is_not_cut_when_its_reader_is_slow() {
    let limits = ConnectionLimits { idle_timeout: Some(SHORT), ..ConnectionLimits::default() };
    let api = Arc::new(FakeApi::default());
    // Less than the HTTP layer's buffer takes at once, more than the connection does.
    api.stream_pins(stream::iter([Ok(vec![Pin::new(CID.parse().unwrap()); 5])]));
    let (connections, incoming) = mpsc::channel(1);
    let streams = HttpStreams { name: "test".to_owned(), incoming: Mutex::new(incoming) };
    let server = RestServer::bind(RestConfig { listen: Vec::new(), ..config() }, api).await.unwrap();
    tokio::spawn(server.with_limits(limits).with_streams(streams).serve(std::future::pending()));
    let (mut client, served) = tokio::io::duplex(64);
    connections.send(Box::new(served)).await.unwrap();
    client.write_all(b"GET /allocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    // One that is idle is closed later than this one would have been.
    let (mut idle, served) = tokio::io::duplex(64);
    connections.send(Box::new(served)).await.unwrap();
    idle.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let closed = timeout(DEADLINE, idle.read_to_end(&mut Vec::new())).await;
    assert!(closed.expect("closed in time").unwrap() > 0);
    let mut text = String::new();
    timeout(DEADLINE, client.read_to_string(&mut text)).await.unwrap().unwrap();
    assert!(text.ends_with("0\r\nX-Stream-Error: \r\n\r\n"), "{text}");
    assert_eq!(parse(&text).body.lines().count(), 5);
}

#[tokio::test]
async fn an_orderly_stop_finishes_running_streams() {
    let server = TestServer::start().await;
    let (go_on, wait) = oneshot::channel::<()>();
    let pins = || Ok(vec![Pin::new(CID.parse().unwrap())]);
    let late = stream::once(async move {
        wait.await.unwrap();
        pins()
    });
    server.api.stream_pins(stream::iter([pins()]).chain(late));
    let mut idle = connect(server.address).await;
    idle.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    read_until(&mut idle, "}\n").await;
    let mut stream = connect(server.address).await;
    stream.write_all(b"GET /allocations HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n").await.unwrap();
    let mut text = read_until(&mut stream, "}\n\r\n").await;
    let address = server.address;
    let stopped = server.stop();
    assert!(read_all(&mut idle).await.is_empty(), "an idle connection is closed at once");
    assert!(!stopped.is_finished(), "the stream is still running");
    go_on.send(()).unwrap();
    text.push_str(&String::from_utf8(read_all(&mut stream).await).unwrap());
    let answer = parse(&text);
    assert_eq!((answer.body.lines().count(), answer.trailer("x-stream-error")), (2, vec![""]));
    timeout(DEADLINE, stopped).await.expect("stops in time").unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "the port is free");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let server = TestServer::start().await;
    let pins = || Ok(vec![Pin::new(CID.parse().unwrap())]);
    server.api.stream_pins(stream::iter([pins()]).chain(stream::pending()));
    let mut stream = connect(server.address).await;
    stream.write_all(b"GET /allocations HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    read_until(&mut stream, "}\n\r\n").await;
    timeout(DEADLINE, server.stop()).await.expect("stops in time").unwrap();
    let mut rest = Vec::new();
    let _ = timeout(DEADLINE, stream.read_to_end(&mut rest)).await.expect("the connection is closed");
}

#[tokio::test]
async fn several_addresses_and_those_that_cannot_be_had() {
    let api = Arc::new(FakeApi::default());
    let mut two = config();
    two.listen.push("/ip4/127.0.0.1/tcp/0/http".parse().unwrap());
    let server = RestServer::bind(two, api.clone()).await.unwrap();
    let addresses = server.local_addrs();
    assert_eq!(addresses.len(), 2);
    let bind = |text: String| {
        let mut config = config();
        config.listen.push(text.parse().unwrap());
        RestServer::bind(config, api.clone())
    };
    let taken = bind(format!("/ip4/127.0.0.1/tcp/{}", addresses[1].port())).await.unwrap_err();
    assert!(matches!(taken, BindError::Taken { .. }));
    let text = taken.to_string();
    assert!(text.contains(&addresses[1].port().to_string()) && text.contains("another process"), "{text}");
    for kind in ["/ip4/127.0.0.1/udp/1", "/dns4/example.org/tcp/1", "/ip4/127.0.0.1/tcp/1/ws"] {
        assert!(matches!(bind(kind.to_owned()).await, Err(BindError::Kind { .. })), "{kind}");
    }
    assert!(matches!(bind("/ip4/192.0.2.1/tcp/0".to_owned()).await, Err(BindError::Io { .. })));
    drop(server);
    bind(format!("/ip4/127.0.0.1/tcp/{}", addresses[1].port())).await.expect("free again");
}
