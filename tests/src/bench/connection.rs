//! One keep-alive HTTP/1.1 connection that reads only what the benchmark needs: status, length, body, error trailer.

use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::ops::Range;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where in an answer's body the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Length(u64),
    ChunkSize,
    Chunk(u64),
    Trailers,
    Done,
}

/// A connection to one server.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
    unread: Range<usize>,
    body: Body,
    stream_error: Option<String>,
    etag: Option<String>,
    next_cursor: Option<String>,
    closing: bool,
}

impl Connection {
    /// Connects, with a buffer of `capacity` bytes: at least the size of an answer's head.
    pub(crate) async fn open(address: SocketAddr, capacity: usize) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; capacity].into_boxed_slice(),
            unread: 0..0,
            body: Body::Done,
            stream_error: None,
            etag: None,
            next_cursor: None,
            closing: false,
        })
    }

    /// Sends a request, reads the whole answer and returns its status.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<u16> {
        let status = self.send(request).await?;
        while self.piece().await?.is_some() {}
        Ok(status)
    }

    /// Sends a request and returns the answer's status and whole body.
    pub(crate) async fn fetch(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>)> {
        let status = self.send(request).await?;
        let mut body = Vec::new();
        while let Some(piece) = self.piece().await? {
            body.extend_from_slice(&self.buffer[piece]);
        }
        Ok((status, body))
    }

    /// Sends a request and reads the answer's head; the body follows through [`Self::piece`].
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<u16> {
        if self.closing {
            bail!("the server closed the connection after the previous answer");
        }
        self.stream.write_all(request).await.context("sending a request")?;
        self.head().await
    }

    /// Returns where the next piece of the body lies, `None` at its end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Range<usize>>> {
        loop {
            match self.body {
                Body::Done => return Ok(None),
                Body::Length(0) => self.body = Body::Done,
                Body::Length(left) => {
                    let piece = self.take(left).await?;
                    self.body = Body::Length(left - piece.len() as u64);
                    return Ok(Some(piece));
                }
                Body::Chunk(0) => {
                    self.line().await?;
                    self.body = Body::ChunkSize;
                }
                Body::Chunk(left) => {
                    let piece = self.take(left).await?;
                    self.body = Body::Chunk(left - piece.len() as u64);
                    return Ok(Some(piece));
                }
                Body::ChunkSize => {
                    let line = self.line().await?;
                    let text = std::str::from_utf8(&self.buffer[line]).context("chunk size is not text")?;
                    let digits = text.split(';').next().unwrap_or_default().trim();
                    let size =
                        u64::from_str_radix(digits, 16).with_context(|| format!("chunk size {digits:?}"))?;
                    self.body = if size == 0 { Body::Trailers } else { Body::Chunk(size) };
                }
                Body::Trailers => {
                    let line = self.line().await?;
                    if line.is_empty() {
                        self.body = Body::Done;
                    } else {
                        let line = self.buffer[line].to_vec();
                        self.note_trailer(&line);
                    }
                }
            }
        }
    }

    /// Borrows the bytes of a piece.
    pub(crate) fn bytes(&self, piece: Range<usize>) -> &[u8] {
        &self.buffer[piece]
    }

    /// Takes the text of the last answer's error trailer, if it had one.
    pub(crate) fn take_stream_error(&mut self) -> Option<String> {
        self.stream_error.take()
    }

    /// Takes the tag of the pin in the last answer, if it had one.
    pub(crate) fn take_etag(&mut self) -> Option<String> {
        self.etag.take()
    }

    /// Takes the place where the next page begins, if the last answer named one.
    pub(crate) fn take_next_cursor(&mut self) -> Option<String> {
        self.next_cursor.take()
    }

    async fn head(&mut self) -> Result<u16> {
        (self.stream_error, self.etag, self.next_cursor) = (None, None, None);
        let mut status = 0;
        while status < 200 {
            let first = self.line().await?;
            status = parse_status(&self.buffer[first])?;
            self.body = Body::Length(0);
            let mut length = None;
            let mut chunked = false;
            loop {
                let line = self.line().await?;
                if line.is_empty() {
                    break;
                }
                let line = &self.buffer[line];
                if let Some(value) = header(line, b"content-length") {
                    length = Some(std::str::from_utf8(value)?.trim().parse().context("content-length")?);
                } else if let Some(value) = header(line, b"transfer-encoding") {
                    chunked = value.trim_ascii().eq_ignore_ascii_case(b"chunked");
                } else if let Some(value) = header(line, b"connection") {
                    self.closing |= value.trim_ascii().eq_ignore_ascii_case(b"close");
                } else if let Some(value) = header(line, b"etag") {
                    self.etag = Some(text(value));
                } else if let Some(value) = header(line, b"x-next-cursor") {
                    self.next_cursor = Some(text(value));
                }
            }
            self.body = match (chunked, length) {
                (true, _) => Body::ChunkSize,
                (false, Some(length)) => Body::Length(length),
                (false, None) if status < 200 || status == 204 || status == 304 => Body::Done,
                (false, None) => bail!("an answer {status} without a length"),
            };
        }
        Ok(status)
    }

    fn note_trailer(&mut self, line: &[u8]) {
        if let Some(value) = header(line, b"x-stream-error") {
            self.stream_error = Some(text(value)).filter(|value| !value.is_empty());
        }
    }

    async fn take(&mut self, most: u64) -> Result<Range<usize>> {
        if self.unread.is_empty() {
            self.fill().await?;
        }
        let length = (self.unread.len() as u64).min(most) as usize;
        let piece = self.unread.start..self.unread.start + length;
        self.unread.start += length;
        Ok(piece)
    }

    async fn line(&mut self) -> Result<Range<usize>> {
        let mut searched = 0;
        loop {
            let unread = &self.buffer[self.unread.clone()];
            if let Some(found) = memchr::memchr(b'\n', &unread[searched..]) {
                let end = searched + found;
                let kept = end - usize::from(end > 0 && unread[end - 1] == b'\r');
                let start = self.unread.start;
                self.unread.start += end + 1;
                return Ok(start..start + kept);
            }
            searched = unread.len();
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<()> {
        if self.unread.is_empty() {
            self.unread = 0..0;
        } else if self.unread.end == self.buffer.len() {
            if self.unread.start == 0 {
                bail!("a line of more than {} bytes in an answer", self.buffer.len());
            }
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
        }
        let read =
            self.stream.read(&mut self.buffer[self.unread.end..]).await.context("reading an answer")?;
        if read == 0 {
            bail!("the server closed the connection in the middle of an answer");
        }
        self.unread.end += read;
        Ok(())
    }
}

/// Reads a header's value.
fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.trim_ascii()).into_owned()
}

/// Writes a GET request; the header asks for the error trailer.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTE: trailers\r\n\r\n").into_bytes()
}

/// Writes a POST request without a body.
pub(crate) fn post(path: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

fn parse_status(line: &[u8]) -> Result<u16> {
    let status = line.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5));
    status
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| digits.parse().ok())
        .with_context(|| format!("not a status line: {:?}", String::from_utf8_lossy(line)))
}

fn header<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, value) = line.split_at_checked(name.len())?;
    if found.eq_ignore_ascii_case(name) { value.strip_prefix(b":") } else { None }
}

#[cfg(test)]
mod tests;
