//! The requests of one lane to one peer: those that wait, and those that the peer has.

use super::{
    MAX_IN_FLIGHT, WRITE_SIZE,
    frame::{Kind, write_frame},
    max_in_flight_bytes,
    pause::Pause,
};
use cluster_core::ports::raft::{RaftCallError, RaftLane};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

/// Requests that wait because the peer takes no more; further ones are not sent.
const MAX_WAITING: usize = 16 * 1024;

/// Bytes of these requests.
const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

pub(super) type CallResult = Result<Vec<u8>, RaftCallError>;

pub(super) fn not_sent(cause: impl ToString) -> RaftCallError {
    RaftCallError::NotSent { cause: cause.to_string() }
}

/// One lane to one peer. A call stays in the order in which it came.
#[derive(Debug)]
pub(super) struct Lane {
    queue: Mutex<Queue>,
    max_in_flight_bytes: usize,
    /// A request came, or the peer may get one more.
    pub(super) news: Notify,
    /// The peer is connected no more. A stream whose connection this side closed says nothing.
    pub(super) gone: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    /// Number of the request that came last.
    last: u64,
    /// By number, so in order.
    waiting: BTreeMap<u64, Waiting>,
    waiting_bytes: usize,
    in_flight: HashMap<u64, InFlight>,
    in_flight_bytes: usize,
    /// Whether a task opens or has the stream.
    running: bool,
    /// Whether an answer came over the stream.
    answered: bool,
    pause: Pause,
    /// Why the last stream was not opened, or ended.
    trouble: String,
}

#[derive(Debug)]
struct Waiting {
    request: Vec<u8>,
    reply: oneshot::Sender<CallResult>,
}

#[derive(Debug)]
struct InFlight {
    bytes: usize,
    reply: oneshot::Sender<CallResult>,
}

/// A request that was taken in.
pub(super) struct Entered {
    pub(super) number: u64,
    pub(super) answer: oneshot::Receiver<CallResult>,
    /// Whether a task is to be started for the stream.
    pub(super) start: bool,
}

impl Lane {
    pub(super) fn new(lane: RaftLane) -> Self {
        let max_in_flight_bytes = max_in_flight_bytes(lane);
        Self { queue: Mutex::default(), max_in_flight_bytes, news: Notify::new(), gone: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing under the lock leaves it half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request in, behind all others.
    ///
    /// # Errors
    /// [`RaftCallError::NotSent`] while the peer is left alone for a moment, or when too much waits.
    pub(super) fn enter(&self, request: Vec<u8>, now: Instant) -> Result<Entered, RaftCallError> {
        let mut queue = self.lock();
        if !queue.running && queue.pause.holds(now) {
            return Err(not_sent(&queue.trouble));
        }
        if queue.waiting.len() >= MAX_WAITING || queue.waiting_bytes + request.len() > MAX_WAITING_BYTES {
            return Err(not_sent("too many requests wait for the peer"));
        }
        queue.last += 1;
        let number = queue.last;
        let (reply, answer) = oneshot::channel();
        queue.waiting_bytes += request.len();
        queue.waiting.insert(number, Waiting { request, reply });
        let start = !std::mem::replace(&mut queue.running, true);
        drop(queue);
        self.news.notify_one();
        Ok(Entered { number, answer, start })
    }

    /// Takes a request back, if it still waits.
    pub(super) fn withdraw(&self, number: u64) {
        let mut queue = self.lock();
        if let Some(waiting) = queue.waiting.remove(&number) {
            queue.waiting_bytes -= waiting.request.len();
        }
    }

    /// Moves requests in order to those that the peer has, and appends their frames, until these are long enough, nothing
    /// waits, or the peer has all that it takes.
    pub(super) fn fill(&self, frames: &mut Vec<u8>) {
        let mut queue = self.lock();
        while frames.len() < WRITE_SIZE && queue.in_flight.len() < MAX_IN_FLIGHT {
            let Some(first) = queue.waiting.first_entry() else { return };
            let (number, bytes) = (*first.key(), first.get().request.len());
            if queue.in_flight_bytes + bytes > self.max_in_flight_bytes {
                return;
            }
            let Some(Waiting { request, reply }) = queue.waiting.remove(&number) else { return };
            queue.waiting_bytes -= bytes;
            queue.in_flight_bytes += bytes;
            queue.in_flight.insert(number, InFlight { bytes, reply });
            write_frame(frames, number, Kind::Request, &request);
        }
    }

    /// Says whether the peer has a request and did not answer it.
    pub(super) fn has(&self, number: u64) -> bool {
        self.lock().in_flight.contains_key(&number)
    }

    /// Hands an answer over to whoever waits for it; `false` when the peer does not have such a request.
    pub(super) fn answer(&self, number: u64, result: CallResult) -> bool {
        let mut queue = self.lock();
        let Some(InFlight { bytes, reply }) = queue.in_flight.remove(&number) else { return false };
        queue.in_flight_bytes -= bytes;
        queue.answered = true;
        queue.pause.end();
        drop(queue);
        self.news.notify_one();
        // Whoever asked may have gone.
        let _ = reply.send(result);
        true
    }

    /// Notes that the stream was not opened, or ended. What the peer has is lost; what waits was not sent. The next request
    /// starts another task.
    pub(super) fn ended(&self, trouble: String, now: Instant) {
        let mut queue = self.lock();
        if !std::mem::take(&mut queue.answered) {
            queue.pause.grow(now);
        }
        let (waiting, in_flight) = (std::mem::take(&mut queue.waiting), std::mem::take(&mut queue.in_flight));
        (queue.waiting_bytes, queue.in_flight_bytes, queue.running) = (0, 0, false);
        queue.trouble.clone_from(&trouble);
        drop(queue);
        for lost in in_flight.into_values() {
            let _ = lost.reply.send(Err(RaftCallError::NotAnswered { cause: trouble.clone() }));
        }
        for unsent in waiting.into_values() {
            let _ = unsent.reply.send(Err(not_sent(&trouble)));
        }
    }

    /// Notes that the peer is connected: it may be tried at once.
    pub(super) fn connected(&self) {
        self.lock().pause.end();
    }
}

#[cfg(test)]
mod tests;
