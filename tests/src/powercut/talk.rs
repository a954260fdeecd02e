//! Operations read out of recorded HTTP/1.1 talk.

use super::load::{Request, answer_of};
use anyhow::Result;
use cluster_testkit::powercut::{Answer, Direction, Operation, Position, Recording, StreamIo};
use std::collections::HashMap;

/// What is known about one connection.
#[derive(Debug, Default)]
struct Exchange {
    heard: Vec<u8>,
    began: Position,
    waiting: Option<(Request, Position)>,
}

/// Finds all pins and unpins a recorded peer was asked for. An operation is answered where the write of its
/// answer began.
pub(super) fn operations(recording: &Recording) -> Result<Vec<Operation>> {
    let mut operations = Vec::new();
    let mut exchanges: HashMap<&str, Exchange> = HashMap::new();
    for io in recording.streams() {
        let exchange = exchanges.entry(&io.channel).or_default();
        match io.direction {
            Direction::Read => hear(exchange, io),
            Direction::Written => {
                let Some(status) = status_of(&io.data) else { continue };
                if let Some((request, requested)) = exchange.waiting.take() {
                    operations.push(request.operation(requested, answer_of(status, io.start))?);
                }
            }
        }
    }
    for (request, requested) in exchanges.into_values().filter_map(|exchange| exchange.waiting) {
        operations.push(request.operation(requested, Answer::Unknown)?);
    }
    operations.sort_by_key(|operation| operation.requested);
    Ok(operations)
}

fn hear(exchange: &mut Exchange, io: &StreamIo) {
    if exchange.heard.is_empty() {
        exchange.began = io.start;
    }
    exchange.heard.extend(&io.data);
    // Peers talk with each other, too, and not by HTTP.
    if ![b"POST /pins/".as_slice(), b"DELETE /pins"].iter().any(|start| is_beginning(&exchange.heard, start))
    {
        exchange.heard.clear();
        return;
    }
    let Some(end) = exchange.heard.windows(4).position(|window| window == b"\r\n\r\n") else { return };
    let request = parse(&exchange.heard[..end]);
    exchange.waiting = request.map(|request| (request, exchange.began));
    exchange.heard.clear();
}

/// Says whether one of the two begins with the other.
fn is_beginning(heard: &[u8], start: &[u8]) -> bool {
    heard.iter().zip(start).all(|(one, other)| one == other)
}

fn parse(head: &[u8]) -> Option<Request> {
    let head = std::str::from_utf8(head).ok()?;
    let mut words = head.lines().next()?.split(' ');
    let (method, target) = (words.next()?, words.next()?.strip_prefix("/pins/")?);
    let (cid, name) = match target.split_once("?name=") {
        Some((cid, name)) => (cid, Some(name.to_owned())),
        None => (target, None),
    };
    let is_ours = matches!((method, &name), ("POST", Some(_)) | ("DELETE", None));
    is_ours.then(|| Request { cid: cid.to_owned(), name })
}

fn status_of(data: &[u8]) -> Option<u16> {
    let status = data.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    std::str::from_utf8(status).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_from_other_talk() {
        let request = parse(b"POST /pins/bafy?name=n1 HTTP/1.1\r\nHost: x").unwrap();
        assert_eq!(request, Request { cid: "bafy".to_owned(), name: Some("n1".to_owned()) });
        assert_eq!(parse(b"DELETE /pins/bafy HTTP/1.1").unwrap().name, None);
        assert_eq!(parse(b"GET /pins/bafy HTTP/1.1"), None);
        assert_eq!(parse(b"POST /api/v0/id HTTP/1.1"), None);
        assert_eq!(status_of(b"HTTP/1.1 404 Not Found\r\n"), Some(404));
        assert_eq!(status_of(b"{\"cid\""), None);
    }
}
