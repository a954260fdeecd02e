//! Long answers: read line by line, timed, never held whole.

use super::connection::{Connection, get};
use super::process::within;
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const BUFFER: usize = 256 * 1024;

/// How a long answer came.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timing {
    /// Time to the first byte of the body, or to the end when there is none.
    pub(crate) first_byte: Duration,
    /// Time to the end.
    pub(crate) total: Duration,
    /// Lines of the body.
    pub(crate) lines: u64,
}

/// Reads the lines of `GET path`; fails unless it is 200 or 204 and its error trailer is empty.
pub(crate) async fn lines(
    api: SocketAddr,
    path: &str,
    limit: Duration,
    on_line: impl FnMut(&[u8]),
) -> Result<Timing> {
    let what = format!("the end of the answer to GET {path}");
    within(limit, &what, read(api, path, on_line)).await?.with_context(|| format!("GET {path}"))
}

async fn read(api: SocketAddr, path: &str, mut on_line: impl FnMut(&[u8])) -> Result<Timing> {
    let mut connection = Connection::open(api, BUFFER).await?;
    let began = Instant::now();
    let status = connection.send(&get(path)).await?;
    let mut timing = Timing::default();
    let mut rest: Vec<u8> = Vec::new();
    let mut first = true;
    while let Some(piece) = connection.piece().await? {
        if first {
            timing.first_byte = began.elapsed();
            first = false;
        }
        let mut bytes = connection.bytes(piece);
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            timing.lines += 1;
            if rest.is_empty() {
                on_line(&bytes[..end]);
            } else {
                rest.extend_from_slice(&bytes[..end]);
                on_line(&rest);
                rest.clear();
            }
            bytes = &bytes[end + 1..];
        }
        rest.extend_from_slice(bytes);
    }
    timing.total = began.elapsed();
    if first {
        timing.first_byte = timing.total;
    }
    if !matches!(status, 200 | 204) {
        bail!("status {status}: {}", String::from_utf8_lossy(&rest));
    }
    if !rest.is_empty() {
        bail!("the last line has no end");
    }
    if let Some(error) = connection.take_stream_error() {
        bail!("the answer broke off: {error}");
    }
    Ok(timing)
}

/// Finds the CID in a line of `GET /allocations`.
pub(crate) fn cid_of_line(line: &[u8]) -> Option<&[u8]> {
    const KEY: &[u8] = b"\"cid\":\"";
    let start = memchr::memmem::find(line, KEY)? + KEY.len();
    let length = memchr::memchr(b'"', &line[start..])?;
    Some(&line[start..start + length])
}

#[cfg(test)]
mod tests {
    use super::{cid_of_line, lines};
    use crate::bench::server::{Answer, Handler, Request, listen, serve};
    use std::time::Duration;

    #[derive(Debug, Clone)]
    struct Pieces(&'static [&'static str]);

    impl Handler for Pieces {
        async fn handle(&self, _request: &Request, answer: &mut Answer) -> anyhow::Result<()> {
            answer.begin_stream();
            for piece in self.0 {
                answer.chunk(piece.as_bytes()).await?;
            }
            answer.end_stream();
            Ok(())
        }
    }

    async fn read(pieces: &'static [&'static str]) -> anyhow::Result<Vec<String>> {
        let (listener, api) = listen(0).await.unwrap();
        tokio::spawn(serve(listener, Pieces(pieces)));
        let mut found = Vec::new();
        let limit = Duration::from_secs(20);
        let timing =
            lines(api, "/pins", limit, |line| found.push(String::from_utf8_lossy(line).into_owned())).await?;
        assert_eq!(timing.lines, found.len() as u64);
        Ok(found)
    }

    #[tokio::test]
    async fn lines_are_joined_over_pieces() {
        assert_eq!(read(&["on", "e\ntwo\nth", "r", "ee\n"]).await.unwrap(), ["one", "two", "three"]);
        assert!(read(&["one\nhal"]).await.is_err());
    }

    #[test]
    fn a_line_gives_up_its_cid() {
        assert_eq!(cid_of_line(br#"{"name":"x","cid":"bafy","type":"pin"}"#), Some(b"bafy".as_slice()));
        assert_eq!(cid_of_line(b"{}"), None);
    }
}
