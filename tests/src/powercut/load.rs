//! Seeded pins and unpins from many connections at once.

use crate::http::Connection;
use anyhow::{Context as _, Result};
use cluster_testkit::powercut::{Answer, Dice, Effect, Operation};
use data_encoding::BASE32_NOPAD;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Connections that are busy at the same time.
pub(super) const CLIENTS: usize = 16;
/// CIDs that all connections work on, so that some operations meet.
const SHARED: u64 = 6;

/// A pin or an unpin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) cid: String,
    /// The name to pin it under; `None` unpins.
    pub(super) name: Option<String>,
}

/// What one connection asks for, without end.
#[derive(Debug)]
pub(super) struct Plan {
    dice: Dice,
    client: usize,
    seed: u64,
    made: u64,
    own: Vec<String>,
}

impl Plan {
    pub(super) fn new(seed: u64, client: usize) -> Self {
        Self { dice: Dice::part(seed, client as u64), client, seed, made: 0, own: Vec::new() }
    }

    pub(super) fn next_request(&mut self) -> Request {
        self.made += 1;
        let name = format!("n{:08x}-{}-{}", self.seed & 0xffff_ffff, self.client, self.made);
        let drawn = self.dice.below(100);
        if drawn < 8 {
            let key = self.dice.below(SHARED);
            let cid = cid_text(&Dice::part(self.seed, 1_000_000 + key).bytes());
            return Request { cid, name: self.dice.chance(60).then_some(name) };
        }
        if drawn < 35 && !self.own.is_empty() {
            let index = self.dice.index(self.own.len());
            if self.dice.chance(40) {
                return Request { cid: self.own[index].clone(), name: Some(name) };
            }
            return Request { cid: self.own.swap_remove(index), name: None };
        }
        let cid = cid_text(&self.dice.bytes());
        self.own.push(cid.clone());
        Request { cid, name: Some(name) }
    }
}

impl Request {
    fn parts(&self) -> (&'static str, String) {
        match &self.name {
            Some(name) => ("POST", format!("/pins/{}?name={name}", self.cid)),
            None => ("DELETE", format!("/pins/{}", self.cid)),
        }
    }

    /// Makes the operation of it.
    pub(super) fn operation(&self, requested: u64, answer: Answer) -> Result<Operation> {
        let mut needles = vec![digest_of(&self.cid).context("not a CID of ours")?];
        needles.extend(self.name.as_ref().map(|name| name.clone().into_bytes()));
        let effect = self.name.clone().map_or(Effect::Remove, Effect::Put);
        let label = if self.name.is_some() { "pin" } else { "unpin" }.to_owned();
        Ok(Operation { label, key: self.cid.clone(), effect, requested, answer, needles })
    }
}

/// Says what an answer to a pin or unpin means.
pub(super) fn answer_of(status: u16, at: u64) -> Answer {
    match status {
        200 => Answer::Done(at),
        // The peer says that nothing changed.
        400..=499 => Answer::Refused(at),
        _ => Answer::Unknown,
    }
}

/// Counts what happened while clients worked.
#[derive(Debug, Default)]
pub(super) struct Clock {
    now: AtomicU64,
    acknowledged: AtomicUsize,
}

impl Clock {
    pub(super) fn tick(&self) -> u64 {
        self.now.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// How many operations were acknowledged so far.
    pub(super) fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::SeqCst)
    }
}

/// What one client did, and the error that ended it, if one did.
pub(super) type Done = (Vec<Operation>, Option<anyhow::Error>);

/// Sends `count` requests of `plan` over one connection, or fewer when the connection breaks.
pub(super) fn work(port: u16, plan: &mut Plan, count: usize, clock: &Clock) -> Done {
    let mut operations = Vec::new();
    let mut connection = match Connection::open(port) {
        Ok(connection) => connection,
        Err(error) => return (operations, Some(error)),
    };
    for _ in 0..count {
        let request = plan.next_request();
        let requested = clock.tick();
        let outcome = exchange(&mut connection, &request, clock);
        let answer = *outcome.as_ref().unwrap_or(&Answer::Unknown);
        match request.operation(requested, answer) {
            Ok(operation) => operations.push(operation),
            Err(error) => return (operations, Some(error)),
        }
        if let Err(error) = outcome {
            return (operations, Some(error));
        }
    }
    (operations, None)
}

/// Sends requests from all clients at once, each to one of the peers at these ports, and waits until each was answered.
pub(super) fn put_load(ports: &[u16], requests: usize, seed: u64, clock: &Clock) -> Result<()> {
    let each = requests.div_ceil(CLIENTS);
    let done: Vec<Done> = std::thread::scope(|scope| {
        let start = |client: usize| {
            let port = ports[client % ports.len()];
            scope.spawn(move || work(port, &mut Plan::new(seed, client), each, clock))
        };
        let threads: Vec<_> = (0..CLIENTS).map(start).collect();
        threads.into_iter().map(|thread| thread.join()).collect::<Result<_, _>>()
    })
    .map_err(|_| anyhow::anyhow!("a client panicked"))?;
    done.into_iter().find_map(|(_, error)| error).map_or(Ok(()), Err).context("a request failed")
}

fn exchange(connection: &mut Connection, request: &Request, clock: &Clock) -> Result<Answer> {
    let (method, path) = request.parts();
    connection.send(method, &path)?;
    let status = connection.read_status()?;
    let answer = answer_of(status, clock.tick());
    if matches!(answer, Answer::Done(_)) {
        clock.acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    // The status counts even when the connection breaks in the middle of the rest.
    let rest = connection.read_rest(status);
    match (answer, rest) {
        (Answer::Unknown, Ok(response)) => {
            anyhow::bail!("{method} {path}: {status} {}", String::from_utf8_lossy(&response.body))
        }
        _ => Ok(answer),
    }
}

/// Writes a CID of version 1 (raw, sha2-256) as text.
pub(super) fn cid_text(digest: &[u8; 32]) -> String {
    let bytes = [&[0x01, 0x55, 0x12, 0x20], digest.as_slice()].concat();
    format!("b{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
}

fn digest_of(cid: &str) -> Option<Vec<u8>> {
    let text = cid.strip_prefix('b')?.to_ascii_uppercase();
    Some(BASE32_NOPAD.decode(text.as_bytes()).ok()?.get(4..)?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cids_can_be_read_back() {
        let text = cid_text(&[7; 32]);
        assert!(text.starts_with("bafkrei") && text.len() == 59, "{text}");
        assert_eq!(digest_of(&text), Some(vec![7; 32]));
    }

    #[test]
    fn a_seed_always_gives_the_same_requests() {
        let requests = |seed| {
            let mut plan = Plan::new(seed, 3);
            (0..100).map(|_| plan.next_request()).collect::<Vec<_>>()
        };
        assert_eq!(requests(5), requests(5));
        assert_ne!(requests(5), requests(6));
        assert!(requests(5).iter().any(|request| request.name.is_none()));
    }
}
