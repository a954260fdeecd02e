//! The least of an HTTP/1.1 client: one connection, one request at a time, independent of the client under test.

use anyhow::{Context as _, Result, bail, ensure};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// One connection to a peer's REST API.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// The body, of whatever form.
    pub body: Vec<u8>,
    /// Names, in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// What the `X-Stream-Error` trailer says, if anything.
    pub stream_error: Option<String>,
}

impl Connection {
    /// Connects to a port of this machine.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn open(port: u16) -> Result<Self> {
        Self::open_to(("127.0.0.1", port))
    }

    /// Connects to any address.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn open_to(address: impl ToSocketAddrs) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Waits so long for an answer, and no longer.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn set_patience(&self, patience: Duration) -> Result<()> {
        Ok(self.stream.get_ref().set_read_timeout(Some(patience))?)
    }

    /// Sends a request without a body.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, method: &str, path: &str) -> Result<()> {
        self.send_with(method, path, &[])
    }

    /// Sends a request with a body.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send_with(&mut self, method: &str, path: &str, body: &[u8]) -> Result<()> {
        self.send_as(method, path, &[], body)
    }

    fn send_as(&mut self, method: &str, path: &str, headers: &[(&str, String)], body: &[u8]) -> Result<()> {
        let length = body.len();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        Ok(self.stream.get_mut().write_all(&[head.as_bytes(), body].concat())?)
    }

    /// Reads the status of an answer; [`Connection::read_rest`] must follow.
    ///
    /// # Errors
    /// When the answer is not HTTP or late.
    pub fn read_status(&mut self) -> Result<u16> {
        let line = self.line()?;
        let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        status.and_then(|status| status.parse().ok()).with_context(|| format!("no status line: {line:?}"))
    }

    /// Reads the rest of an answer.
    ///
    /// # Errors
    /// As [`Connection::read_status`].
    pub fn read_rest(&mut self, status: u16) -> Result<Response> {
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').context("a header without a colon")?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let value =
            |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        let length = value("content-length").map_or(Ok(0), |length| length.parse())?;
        let is_chunked = value("transfer-encoding").is_some_and(|coding| coding == "chunked");
        let (mut body, mut stream_error) = (Vec::new(), None);
        if is_chunked {
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).context("size of a chunk")?;
                if size == 0 {
                    break;
                }
                self.read_exact(&mut body, size)?;
                ensure!(self.line()?.is_empty(), "a chunk is longer than it says");
            }
            loop {
                let line = self.line()?;
                let Some((name, value)) = line.split_once(':') else { break };
                let is_error = name.eq_ignore_ascii_case("x-stream-error") && !value.trim().is_empty();
                stream_error = stream_error.or(is_error.then(|| value.trim().to_owned()));
            }
        } else {
            self.read_exact(&mut body, length)?;
        }
        Ok(Response { status, body, headers, stream_error })
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// As [`Connection::send`] and [`Connection::read_status`].
    pub fn ask(&mut self, method: &str, path: &str) -> Result<Response> {
        self.ask_with(method, path, &[])
    }

    /// Sends a request with a body and reads the whole answer.
    ///
    /// # Errors
    /// When the connection breaks or the answer is no HTTP.
    pub fn ask_with(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Response> {
        self.ask_as(method, path, &[], body)
    }

    /// As [`Connection::ask_with`], with further headers.
    ///
    /// # Errors
    /// As there.
    pub fn ask_as(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: &[u8],
    ) -> Result<Response> {
        self.send_as(method, path, headers, body)?;
        let status = self.read_status()?;
        self.read_rest(status)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            bail!("the connection ended");
        }
        Ok(String::from_utf8(line)?.trim_end().to_owned())
    }

    fn read_exact(&mut self, body: &mut Vec<u8>, len: usize) -> Result<()> {
        let start = body.len();
        body.resize(start + len, 0);
        Ok(self.stream.read_exact(&mut body[start..])?)
    }
}
