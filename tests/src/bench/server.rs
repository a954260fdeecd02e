//! The server side of HTTP/1.1 over keep-alive connections, as far as the stub and the empty handler need it.

use anyhow::{Context, Result, bail};
use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Most bytes of a request's head.
const HEAD_LIMIT: usize = 64 * 1024;

/// One request, without its body, which is read and dropped.
#[derive(Debug)]
pub(crate) struct Request {
    path: String,
    query: String,
}

impl Request {
    /// Returns the path before the question mark.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Returns the first value of a query parameter, `%2F` and `%3A` decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then(|| value.replace("%2F", "/").replace("%2f", "/").replace("%3A", ":"))
        })
    }
}

/// Answers requests.
pub(crate) trait Handler: Clone + Send + Sync + 'static {
    /// Writes the whole answer, head included, to `answer`.
    fn handle(&self, request: &Request, answer: &mut Answer) -> impl Future<Output = Result<()>> + Send;
}

/// Where an answer goes: buffered, and sent in one write unless it is streamed.
#[derive(Debug)]
pub(crate) struct Answer {
    stream: TcpStream,
    out: Vec<u8>,
}

impl Answer {
    /// Answers with a status and a JSON body.
    pub(crate) fn json(&mut self, status: &str, body: &[u8]) -> Result<()> {
        write!(
            self.out,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )?;
        self.out.extend_from_slice(body);
        Ok(())
    }

    /// Begins a streamed answer.
    pub(crate) fn begin_stream(&mut self) {
        self.out.extend_from_slice(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
    }

    /// Sends one chunk of a streamed answer.
    pub(crate) async fn chunk(&mut self, bytes: &[u8]) -> Result<()> {
        write!(self.out, "{:x}\r\n", bytes.len())?;
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
        self.flush().await
    }

    /// Ends a streamed answer.
    pub(crate) fn end_stream(&mut self) {
        self.out.extend_from_slice(b"0\r\n\r\n");
    }

    async fn flush(&mut self) -> Result<()> {
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        Ok(())
    }
}

/// Listens on a loopback port, 0 for a free one.
pub(crate) async fn listen(port: u16) -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.with_context(|| format!("port {port}"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Accepts connections for ever and answers their requests.
pub(crate) async fn serve(listener: TcpListener, handler: impl Handler) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await.context("accepting a connection")?;
        stream.set_nodelay(true)?;
        let handler = handler.clone();
        // A client that goes away in the middle is ordinary: its connection ends, nothing else.
        tokio::spawn(async move { drop(converse(stream, handler).await) });
    }
}

async fn converse(stream: TcpStream, handler: impl Handler) -> Result<()> {
    let mut answer = Answer { stream, out: Vec::with_capacity(512) };
    let mut input = Vec::with_capacity(2048);
    while let Some(request) = read_request(&mut answer.stream, &mut input).await? {
        handler.handle(&request, &mut answer).await?;
        answer.flush().await?;
    }
    Ok(())
}

async fn read_request(stream: &mut TcpStream, input: &mut Vec<u8>) -> Result<Option<Request>> {
    let head = loop {
        if let Some(end) = memchr::memmem::find(input, b"\r\n\r\n") {
            break end;
        }
        if input.len() > HEAD_LIMIT {
            bail!("a request's head exceeds {HEAD_LIMIT} bytes");
        }
        if stream.read_buf(input).await? == 0 {
            return Ok(None);
        }
    };
    let text = std::str::from_utf8(&input[..head])?;
    let (request, body) = parse(text)?;
    let mut left = body;
    input.drain(..head + 4);
    while left > input.len() {
        left -= input.len();
        input.clear();
        if stream.read_buf(input).await? == 0 {
            return Ok(None);
        }
    }
    input.drain(..left);
    Ok(Some(request))
}

fn parse(head: &str) -> Result<(Request, usize)> {
    let mut lines = head.split("\r\n");
    let target = lines.next().and_then(|first| first.split(' ').nth(1)).context("no request line")?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut body = 0;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            body = value.trim().parse().context("content-length")?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            bail!("chunked request bodies are not understood here");
        }
    }
    Ok((Request { path: path.to_owned(), query: query.to_owned() }, body))
}

/// Answers everything with a small JSON object at once: what the generator itself costs shows against it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EmptyHandler;

impl Handler for EmptyHandler {
    fn handle(&self, _request: &Request, answer: &mut Answer) -> impl Future<Output = Result<()>> + Send {
        // A pin answer of a real peer is about this long.
        const BODY: &[u8] = &[b' '; 420];
        std::future::ready(answer.json("200 OK", BODY))
    }
}
