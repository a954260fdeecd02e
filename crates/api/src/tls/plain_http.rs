//! Who speaks plain HTTP to a port of HTTPS is told so.

use cluster_api_types::{Error, json};
use http::StatusCode;
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// First byte of every TLS connection: a record of the handshake.
const HANDSHAKE: u8 = 0x16;

const MESSAGE: &str = "this port speaks HTTPS and was asked in plain HTTP: use https (cluster-ctl --https)";

/// How long, and how much of, a request is read on, so that its sender lives to read the answer.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 64 * 1024;

/// Looks at the first byte of a connection; when it is not TLS the connection is answered, and not handed back.
pub(crate) async fn refuse_plain_http(stream: TcpStream) -> io::Result<Option<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Ok(None);
    }
    if first[0] == HANDSHAKE {
        return Ok(Some(stream));
    }
    // Every method of HTTP begins with a capital letter; anything else gets no answer at all.
    if first[0].is_ascii_uppercase() {
        answer(stream).await?;
    }
    Ok(None)
}

async fn answer(mut stream: TcpStream) -> io::Result<()> {
    let status = StatusCode::BAD_REQUEST;
    let mut body = Vec::new();
    // Writing this to memory cannot fail; an empty body would say less.
    let _ =
        json::to_line(&Error { code: i32::from(status.as_u16()), message: MESSAGE.to_owned() }, &mut body);
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(LINGER_BYTES);
    // The answer is out, whatever becomes of the rest.
    let _ = timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
    Ok(())
}
