//! An HTTP/1 client that hides nothing.

use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longest wait for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// Without its chunks.
    pub(crate) body: String,
    /// After the last chunk.
    pub(crate) trailers: Vec<(String, String)>,
}

impl Answer {
    /// Returns the values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        values(&self.headers, name)
    }

    /// Returns the only value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name}: {all:?}");
        all.first().copied()
    }

    /// Returns the values of a trailer.
    pub(crate) fn trailer(&self, name: &str) -> Vec<&str> {
        values(&self.trailers, name)
    }

    /// Asserts an error object with the status of the answer.
    #[track_caller]
    pub(crate) fn is_error(&self, status: u16, message: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let text = serde_json::to_string(message).unwrap();
        assert_eq!(self.body, format!("{{\"code\":{status},\"message\":{text}}}\n"));
        assert_eq!(self.header("content-type"), Some("application/json"));
    }

    /// Parses the body.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

fn values<'a>(pairs: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    pairs.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect()
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    timeout(DEADLINE, TcpStream::connect(address)).await.unwrap().unwrap()
}

/// Reads until the other side closes.
pub(crate) async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("the server closes in time").unwrap();
    bytes
}

/// Reads until what has come contains `text`.
pub(crate) async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&bytes).contains(text) {
        let got = timeout(DEADLINE, stream.read(&mut buffer)).await.expect("an answer in time").unwrap();
        assert_ne!(got, 0, "closed after {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&buffer[..got]);
    }
    String::from_utf8(bytes).unwrap()
}

/// Sends bytes and reads until the server closes.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(address).await;
    stream.write_all(bytes).await.unwrap();
    String::from_utf8(read_all(&mut stream).await).unwrap()
}

pub(crate) async fn ask(address: SocketAddr, line: &str, headers: &[&str]) -> Answer {
    let mut request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    headers.iter().for_each(|h| request.push_str(&format!("{h}\r\n")));
    request.push_str("\r\n");
    parse(&exchange(address, request.as_bytes()).await)
}

/// Asks with a body.
pub(crate) async fn ask_with_body(address: SocketAddr, line: &str, body: &str) -> Answer {
    let head =
        format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    parse(&exchange(address, (head + body).as_bytes()).await)
}

/// Parses one whole answer.
#[track_caller]
pub(crate) fn parse(text: &str) -> Answer {
    let (head, rest) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let (status_line, lines) = head.split_once("\r\n").unwrap_or((head, ""));
    let headers = pairs(lines);
    let status = status_line.split(' ').nth(1).unwrap().parse().unwrap();
    if values(&headers, "transfer-encoding") != ["chunked"] {
        return Answer { status, headers, body: rest.to_owned(), trailers: Vec::new() };
    }
    let (mut rest, mut body) = (rest, String::new());
    loop {
        let (size, after) = rest.split_once("\r\n").expect("a whole chunk");
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            let trailers = pairs(after.trim_end_matches("\r\n"));
            return Answer { status, headers, body, trailers };
        }
        body.push_str(&after[..size]);
        rest = after[size..].strip_prefix("\r\n").unwrap();
    }
}

fn pairs(lines: &str) -> Vec<(String, String)> {
    lines
        .split("\r\n")
        .filter(|line| !line.is_empty())
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect()
}
