//! Clients that ask peers at random, and note what they asked for and were told.

use super::{
    change::{cid, number_of, options},
    doors::{Connections, Doors},
    schedule::{Slots, Wish},
    summary::Tally,
};
use crate::http::Response;
use anyhow::{Context as _, Result, bail};
use cluster_testkit::{
    powercut::Dice,
    raft_simulator::{Asked, History, If, Name, Told},
};
use serde_json::Value;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// How long a client waits for an answer: longer than a peer says to need for one.
const PATIENCE: Duration = Duration::from_secs(30);
/// Attempts at a change with an idempotency key.
const ATTEMPTS: usize = 60;
/// Milliseconds between requests of one client, at most.
const MOST_PAUSE: u64 = 30;

/// What all clients share.
#[derive(Debug)]
pub(super) struct Load<'a> {
    pub(super) seed: u64,
    pub(super) doors: &'a Doors,
    pub(super) history: History,
    pub(super) slots: Slots,
    pub(super) tally: Mutex<Tally>,
    pub(super) is_over: AtomicBool,
    numbers: AtomicU64,
}

/// An answer that was read whole.
struct Answer {
    told: Told,
    etag: Option<String>,
}

impl<'a> Load<'a> {
    pub(super) fn new(seed: u64, doors: &'a Doors) -> Self {
        Self {
            seed,
            doors,
            history: History::default(),
            slots: Slots::default(),
            tally: Mutex::default(),
            is_over: AtomicBool::new(false),
            numbers: AtomicU64::new(1),
        }
    }

    pub(super) fn count(&self, what: impl FnOnce(&mut Tally)) {
        what(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::SeqCst)
    }

    /// Asks until it is over.
    pub(super) fn work(&self, client: usize) {
        let dice = Dice::part(self.seed, 10 + client as u64);
        let mut worker = Worker { load: self, client, dice, connections: self.connections() };
        while !self.is_over.load(Ordering::SeqCst) {
            worker.one();
            std::thread::sleep(Duration::from_millis(worker.dice.below(MOST_PAUSE)));
        }
    }

    fn connections(&self) -> Connections<'a> {
        Connections::new(self.doors, PATIENCE)
    }
}

struct Worker<'l, 'a> {
    load: &'l Load<'a>,
    client: usize,
    dice: Dice,
    connections: Connections<'a>,
}

impl Worker<'_, '_> {
    /// Asks for one change, again if its outcome is not known and that does no harm, or reads a pin.
    fn one(&mut self) {
        let load = self.load;
        let (key, known) = load.slots.choose(self.client, &mut self.dice);
        let wish = Wish::draw(&mut self.dice, known.as_ref().map(|(name, _)| *name));
        let number = load.number();
        let asked = wish.asked(number);
        let id = wish.has_id.then_some(number);
        let tag = known.map(|(_, tag)| tag);
        let mut was_unknown = false;
        for _ in 0..ATTEMPTS {
            let peer = self.dice.index(load.doors.count());
            let Some(answer) = self.ask(peer, key, asked, tag.as_deref(), was_unknown) else {
                // Nobody listens there.
                std::thread::sleep(Duration::from_millis(5));
                continue;
            };
            load.slots.told(key, asked, answer.told, answer.etag.as_deref());
            match answer.told {
                Told::Nothing if id.is_some() && asked != Asked::Read => was_unknown = true,
                Told::NotDone if id.is_some() => {}
                Told::Done { .. } if id.is_some() && self.dice.chance(10) => {
                    return self.once_more(key, asked, tag.as_deref(), &answer);
                }
                _ => return,
            }
            std::thread::sleep(Duration::from_millis(self.dice.below(200)));
            if load.is_over.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    /// Repeats what was done: the answer must be the same.
    fn once_more(&mut self, key: usize, asked: Asked, tag: Option<&str>, first: &Answer) {
        let peer = self.dice.index(self.load.doors.count());
        let Some(answer) = self.ask(peer, key, asked, tag, true) else { return };
        let is_same = match (first.told, answer.told) {
            (Told::Done { name: one, .. }, Told::Done { name: other, .. }) => {
                one == other && first.etag == answer.etag
            }
            (_, told) => matches!(told, Told::Nothing | Told::NotDone),
        };
        self.load.count(|tally| {
            tally.repeated += 1;
            if !is_same {
                let was = (first.told, &first.etag);
                let now = (answer.told, &answer.etag);
                tally.failures.push(format!("{asked:?} of pin {key}: told {was:?}, then {now:?}"));
            }
        });
    }

    /// Asks one peer; `None` when it was certainly not reached.
    fn ask(
        &mut self,
        peer: usize,
        key: usize,
        asked: Asked,
        tag: Option<&str>,
        is_repeated: bool,
    ) -> Option<Answer> {
        let load = self.load;
        let (kills, mut connection) = self.connections.to(peer).ok()?;
        let cid = cid(load.seed, key);
        let (method, path) = match asked {
            Asked::Pin(number, ..) => ("POST", format!("/pins/{cid}?{}", options(number))),
            Asked::Unpin(..) => ("DELETE", format!("/pins/{cid}")),
            Asked::Read => ("GET", format!("/allocations/{cid}?consistency=strong")),
        };
        let headers = headers(asked, tag);
        let call = load.history.ask(self.client, peer, key, asked);
        let answer = match connection.ask_as(method, &path, &headers, &[]) {
            Ok(response) => {
                self.connections.keep(peer, (kills, connection));
                let understood = understand(asked, &response, is_repeated);
                load.count(|tally| tally.answered(method, &response));
                understood.unwrap_or_else(|error| {
                    load.count(|tally| {
                        let place = format!("peer {peer}, pin {key}, {asked:?}");
                        tally.failures.push(format!("{place}: {error:#}"));
                    });
                    Answer { told: Told::Nothing, etag: None }
                })
            }
            Err(_) => Answer { told: Told::Nothing, etag: None },
        };
        load.history.tell(call, answer.told);
        load.count(|tally| tally.told(asked, answer.told));
        Some(answer)
    }
}

fn headers(asked: Asked, tag: Option<&str>) -> Vec<(&'static str, String)> {
    let (condition, id) = match asked {
        Asked::Pin(_, condition, id) | Asked::Unpin(condition, id) => (condition, id),
        Asked::Read => (If::Always, None),
    };
    let mut headers = Vec::new();
    match (condition, tag) {
        (If::Absent, _) => headers.push(("If-None-Match", "*".to_owned())),
        (If::Is(_), Some(tag)) => headers.push(("If-Match", tag.to_owned())),
        _ => {}
    }
    headers.extend(id.map(|id| ("Idempotency-Key", format!("storm-{id}"))));
    headers
}

/// Says what an answer tells.
///
/// # Errors
/// When no answer may be like that.
fn understand(asked: Asked, response: &Response, repeated: bool) -> Result<Answer> {
    let etag = response.headers.iter().find(|(name, _)| name == "etag").map(|(_, value)| value.clone());
    let text = String::from_utf8_lossy(&response.body);
    let name = || -> Result<Name> {
        let pin: Value = serde_json::from_slice(&response.body).context("an answer that is no pin")?;
        number_of(&pin)
    };
    let told = match (response.status, asked) {
        (200, Asked::Read) => Told::Is(Some(name()?)),
        (404, Asked::Read) => Told::Is(None),
        (_, Asked::Read) => Told::Nothing,
        (200, Asked::Pin(number, ..)) => {
            let name = name()?;
            if name != number {
                bail!("a pin of {number} is answered with {text}");
            }
            Told::Done { name, repeated }
        }
        (200, Asked::Unpin(..)) => Told::Done { name: name()?, repeated },
        (404, Asked::Unpin(..)) => Told::NotPinned,
        (412, _) => Told::Differs,
        (429 | 503 | 504, _) => Told::NotDone,
        (500, _) if text.contains("the outcome is not known") => Told::Nothing,
        // A rule of the pinset.
        (500, _) => Told::NotDone,
        (status, _) => bail!("refused for no reason: {status} {text}"),
    };
    Ok(Answer { told, etag })
}
