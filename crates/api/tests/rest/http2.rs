//! HTTP/2 without TLS, frame by frame: what a client may cost that gives no room for answers.

use crate::{
    raw_client::{DEADLINE, connect},
    server::{TestServer, config},
};
use cluster_api::ConnectionLimits;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const SHORT: Duration = Duration::from_millis(200);

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const END_STREAM_AND_HEADERS: u8 = 5;

/// `:method GET`, `:scheme http`, `:path /`, from the static table.
const GET_NOTHING: &[u8] = b"\x82\x86\x84";
/// The same with `:path /events`.
const GET_EVENTS: &[u8] = b"\x82\x86\x04\x07/events";
/// `SETTINGS_INITIAL_WINDOW_SIZE` is 0.
const NO_WINDOW: &[u8] = &[0, 4, 0, 0, 0, 0];

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream][..], payload].concat()
}

async fn begin(server: &TestServer, settings: &[u8], request: &[u8]) -> TcpStream {
    let mut stream = connect(server.address).await;
    let request = frame(HEADERS, END_STREAM_AND_HEADERS, 1, request);
    let bytes =
        [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, settings), &request].concat();
    stream.write_all(&bytes).await.unwrap();
    stream
}

/// Reads until what comes contains `text`.
async fn read_until(stream: &mut TcpStream, text: &[u8]) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 1024]);
    while !bytes.windows(text.len()).any(|window| window == text) {
        let got = timeout(DEADLINE, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert_ne!(got, 0, "{bytes:?}");
        bytes.extend_from_slice(&buffer[..got]);
    }
}

/// Reads until the server closes, in whatever way.
async fn closed(stream: &mut TcpStream) {
    let _ = timeout(DEADLINE, stream.read_to_end(&mut Vec::new())).await.expect("closed in time");
}

#[tokio::test]
async fn a_client_that_gives_no_room_is_given_up() {
    let limits =
        ConnectionLimits { write_timeout: Some(SHORT), idle_timeout: None, ..ConnectionLimits::default() };
    let server = TestServer::with(config(), limits).await;
    closed(&mut begin(&server, NO_WINDOW, GET_NOTHING).await).await;
}

#[tokio::test]
async fn a_follower_to_whom_nothing_is_told_stays() {
    let limits = ConnectionLimits { write_timeout: Some(SHORT), ..ConnectionLimits::default() };
    let server = TestServer::with(config(), limits).await;
    server.api.let_events_last();
    let mut stream = begin(&server, &[], GET_EVENTS).await;
    read_until(&mut stream, b"\"quiet\"").await;
    // One that takes nothing is given up later than this one would have been.
    closed(&mut begin(&server, NO_WINDOW, GET_NOTHING).await).await;
    stream.write_all(&frame(PING, 0, 0, b"12345678")).await.unwrap();
    read_until(&mut stream, &frame(PING, 1, 0, b"12345678")).await;
}

#[tokio::test]
async fn pings_are_no_requests() {
    let limits = ConnectionLimits { idle_timeout: Some(SHORT), ..ConnectionLimits::default() };
    let server = TestServer::with(config(), limits).await;
    let mut stream = begin(&server, &[], GET_NOTHING).await;
    read_until(&mut stream, b"not found").await;
    let (mut reader, mut writer) = stream.into_split();
    let pinging = async {
        while writer.write_all(&frame(PING, 0, 0, b"12345678")).await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    let reading = async { drop(reader.read_to_end(&mut Vec::new()).await) };
    timeout(DEADLINE, async { tokio::join!(pinging, reading) }).await.expect("closed in time");
}

#[tokio::test]
async fn requests_of_a_connection_are_bounded() {
    let server = TestServer::start().await;
    let mut stream = begin(&server, &[], GET_NOTHING).await;
    // `SETTINGS_MAX_CONCURRENT_STREAMS` is 32.
    read_until(&mut stream, &[0, 3, 0, 0, 0, 32]).await;
}
