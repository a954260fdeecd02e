//! The load: a closed loop of pin requests over a fixed number of connections, each for a CID never seen before.

use super::cids;
use super::connection::{Connection, get};
use super::histogram::Histogram;
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A gap this long between any two answers is a stall.
const STALL: Duration = Duration::from_secs(1);
/// Without any answer for this long the load gives up.
const DEAD: Duration = Duration::from_secs(180);
/// Buffer of a connection: the head of an answer must fit.
const BUFFER: usize = 8 * 1024;

/// What to send.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// The peer's REST API.
    pub(crate) api: SocketAddr,
    /// Connections, each with one request in flight.
    pub(crate) connections: usize,
    /// Sequence of CIDs.
    pub(crate) seed: u64,
    /// Number of the first CID.
    pub(crate) first: u64,
    /// When it ends.
    pub(crate) until: Until,
    /// Time at the beginning that is not counted.
    pub(crate) warm_up: Duration,
    /// Keep the numbers of all acknowledged CIDs.
    pub(crate) remember: bool,
    /// Ask for every n-th CID, right after its acknowledgement, on another connection.
    pub(crate) check_every: Option<u64>,
}

/// When a load ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// After this time of counting.
    Time(Duration),
    /// After this many requests.
    Count(u64),
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Latencies of the counted acknowledgements.
    pub(crate) latency: Histogram,
    /// Time in which they were counted.
    pub(crate) elapsed: Duration,
    /// Requests without a success, connections lost included.
    pub(crate) errors: u64,
    /// The first of these errors.
    pub(crate) first_error: Option<String>,
    /// Gaps of more than a second without any answer.
    pub(crate) stalls: u64,
    /// The longest gap.
    pub(crate) longest_gap: Duration,
    /// Numbers of the acknowledged CIDs, if they were to be remembered.
    pub(crate) acked: Vec<u64>,
    /// One more than the greatest number sent.
    pub(crate) next: u64,
    /// CIDs asked for right after their acknowledgement.
    pub(crate) checked: u64,
    /// Those that were not found.
    pub(crate) unreadable: u64,
}

impl Outcome {
    /// Returns counted acknowledgements a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latency.len() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Describes the latencies and what went wrong.
    pub(crate) fn describe(&self) -> String {
        let mut text = format!(
            "{} acks in {:.1} s, p50 {:.2} p99 {:.2} p99.9 {:.2} max {:.1} ms, longest gap {:.0} ms, {} errors",
            self.latency.len(),
            self.elapsed.as_secs_f64(),
            self.latency.quantile_ms(0.5),
            self.latency.quantile_ms(0.99),
            self.latency.quantile_ms(0.999),
            self.latency.max_ms(),
            self.longest_gap.as_secs_f64() * 1e3,
            self.errors,
        );
        if let Some(error) = &self.first_error {
            text.push_str(&format!(" (first: {error})"));
        }
        text
    }
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    count_from: Instant,
    end: Option<Instant>,
    next: AtomicU64,
    past: u64,
    last_answer: AtomicU64,
    longest_gap: AtomicU64,
    stalls: AtomicU64,
}

impl Shared {
    fn note_answer(&self, now: Instant) {
        let now = micros(now.saturating_duration_since(self.began));
        let gap = now.saturating_sub(self.last_answer.swap(now, Ordering::Relaxed));
        self.longest_gap.fetch_max(gap, Ordering::Relaxed);
        if gap > micros(STALL) {
            self.stalls.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn idle(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_micros(self.last_answer.load(Ordering::Relaxed)))
    }
}

#[derive(Debug)]
struct Share {
    latency: Histogram,
    errors: u64,
    first_error: Option<String>,
    acked: Vec<u64>,
    checked: u64,
    unreadable: u64,
    last_counted: Option<Instant>,
}

/// A load that runs until its end or until its peer is gone.
#[derive(Debug)]
pub(crate) struct Running {
    shared: Arc<Shared>,
    workers: tokio::task::JoinSet<Share>,
}

impl Load {
    /// Connects and starts sending.
    pub(crate) async fn start(&self) -> Result<Running> {
        let mut connections = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            connections.push(Connection::open(self.api, BUFFER).await.context("connecting to the peer")?);
        }
        let began = Instant::now();
        let count_from = began + self.warm_up;
        let (end, past) = match self.until {
            Until::Time(time) => (Some(count_from + time), u64::MAX),
            Until::Count(count) => (None, self.first + count),
        };
        let shared = Arc::new(Shared {
            began,
            count_from,
            end,
            next: AtomicU64::new(self.first),
            past,
            last_answer: AtomicU64::new(0),
            longest_gap: AtomicU64::new(0),
            stalls: AtomicU64::new(0),
        });
        let mut workers = tokio::task::JoinSet::new();
        for connection in connections {
            workers.spawn(work(self.clone(), Arc::clone(&shared), connection));
        }
        Ok(Running { shared, workers })
    }

    /// Sends everything and returns what came of it.
    pub(crate) async fn run(&self) -> Result<Outcome> {
        self.start().await?.finish().await
    }
}

impl Running {
    /// Waits for the end of the load; fails when nothing is answered any more.
    pub(crate) async fn finish(mut self) -> Result<Outcome> {
        let mut shares = Vec::new();
        loop {
            match tokio::time::timeout(Duration::from_secs(1), self.workers.join_next()).await {
                Ok(Some(share)) => shares.push(share.context("a worker of the load broke")?),
                Ok(None) => break,
                Err(_) if self.shared.idle() > DEAD => {
                    bail!("waited {} s in vain: an answer to a pin request", DEAD.as_secs())
                }
                Err(_) => {}
            }
        }
        // Silence until the end is a gap like any other.
        let end = self.shared.end.unwrap_or_else(Instant::now).min(Instant::now());
        self.shared.note_answer(end);
        Ok(gather(&self.shared, shares))
    }
}

fn gather(shared: &Shared, shares: Vec<Share>) -> Outcome {
    let mut latency = Histogram::new();
    let mut acked = Vec::new();
    let (mut errors, mut checked, mut unreadable) = (0, 0, 0);
    let mut first_error = None;
    let mut last = shared.count_from;
    for share in shares {
        latency.merge(&share.latency);
        acked.extend(share.acked);
        errors += share.errors;
        checked += share.checked;
        unreadable += share.unreadable;
        first_error = first_error.or(share.first_error);
        last = last.max(share.last_counted.unwrap_or(last));
    }
    let end = shared.end.unwrap_or(last);
    Outcome {
        latency,
        elapsed: end.saturating_duration_since(shared.count_from),
        errors,
        first_error,
        stalls: shared.stalls.load(Ordering::Relaxed),
        longest_gap: Duration::from_micros(shared.longest_gap.load(Ordering::Relaxed)),
        acked,
        next: shared.next.load(Ordering::Relaxed).min(shared.past),
        checked,
        unreadable,
    }
}

async fn work(load: Load, shared: Arc<Shared>, mut connection: Connection) -> Share {
    let mut share = Share {
        latency: Histogram::new(),
        errors: 0,
        first_error: None,
        acked: Vec::new(),
        checked: 0,
        unreadable: 0,
        last_counted: None,
    };
    let mut request = PinRequest::new();
    let mut reader = None;
    loop {
        let sent = Instant::now();
        if shared.end.is_some_and(|end| sent >= end) {
            break;
        }
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        if index >= shared.past {
            break;
        }
        request.set(load.seed, index);
        let answer = connection.exchange(&request.bytes).await;
        let now = Instant::now();
        match answer {
            Ok(200) => {
                shared.note_answer(now);
                if load.remember {
                    share.acked.push(index);
                }
                if now >= shared.count_from && shared.end.is_none_or(|end| now <= end) {
                    share.latency.record(now - sent);
                    share.last_counted = Some(now);
                }
                if load.check_every.is_some_and(|every| index.is_multiple_of(every)) {
                    share.checked += 1;
                    if !readable(load.api, &mut reader, request.cid()).await {
                        share.unreadable += 1;
                    }
                }
            }
            Ok(status) => share.note_error(format!("status {status}")),
            Err(error) => {
                share.note_error(format!("{error:#}"));
                match Connection::open(load.api, BUFFER).await {
                    Ok(fresh) => connection = fresh,
                    // The peer is gone: there is nobody left to send to.
                    Err(_) => break,
                }
            }
        }
    }
    share
}

impl Share {
    fn note_error(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }
}

async fn readable(api: SocketAddr, reader: &mut Option<Connection>, cid: &str) -> bool {
    if reader.is_none() {
        *reader = Connection::open(api, BUFFER).await.ok();
    }
    let Some(connection) = reader else { return false };
    let answer = connection.exchange(&get(&format!("/allocations/{cid}"))).await;
    if answer.is_err() {
        *reader = None;
    }
    matches!(answer, Ok(200))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The request, built once; each time only the CID and the name are written over.
struct PinRequest {
    bytes: Vec<u8>,
    cid_at: usize,
    name_at: usize,
}

const NAME_DIGITS: usize = 10;

impl PinRequest {
    fn new() -> Self {
        let path = "POST /pins/ipfs/";
        let between = "?name=bench-";
        let cid = "x".repeat(cids::CID_LENGTH);
        let name = "0".repeat(NAME_DIGITS);
        let rest = " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n";
        let name_at = path.len() + cid.len() + between.len();
        Self { bytes: format!("{path}{cid}{between}{name}{rest}").into_bytes(), cid_at: path.len(), name_at }
    }

    fn set(&mut self, seed: u64, index: u64) {
        self.bytes[self.cid_at..self.cid_at + cids::CID_LENGTH].copy_from_slice(&cids::text(seed, index));
        let mut rest = index;
        for place in self.bytes[self.name_at..self.name_at + NAME_DIGITS].iter_mut().rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }

    fn cid(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.cid_at..self.cid_at + cids::CID_LENGTH]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Load, PinRequest, Until};
    use crate::bench::cids;
    use crate::bench::server::{Answer, EmptyHandler, Handler, Request, listen, serve};
    use std::time::Duration;

    fn load(api: std::net::SocketAddr, until: Until) -> Load {
        Load {
            api,
            connections: 4,
            seed: 1,
            first: 5,
            until,
            warm_up: Duration::ZERO,
            remember: true,
            check_every: None,
        }
    }

    #[test]
    fn a_request_names_the_cid_and_the_number() {
        let mut request = PinRequest::new();
        request.set(3, 42);
        let text = String::from_utf8(request.bytes.clone()).unwrap();
        let cid = cids::text(3, 42);
        let cid = cids::as_str(&cid);
        assert!(
            text.starts_with(&format!("POST /pins/ipfs/{cid}?name=bench-0000000042 HTTP/1.1\r\n")),
            "{text}"
        );
        assert_eq!(request.cid(), cid);
    }

    #[tokio::test]
    async fn a_counted_load_sends_exactly_that_many() {
        let (listener, api) = listen(0).await.unwrap();
        tokio::spawn(serve(listener, EmptyHandler));
        let mut outcome = load(api, Until::Count(1000)).run().await.unwrap();
        outcome.acked.sort_unstable();
        assert_eq!(outcome.acked, (5..1005).collect::<Vec<_>>());
        assert_eq!((outcome.latency.len(), outcome.errors, outcome.next), (1000, 0, 1005));
    }

    /// Refuses pins whose number ends in 7, and knows no pin when asked for it.
    #[derive(Debug, Clone)]
    struct Forgetful;

    impl Handler for Forgetful {
        fn handle(
            &self,
            request: &Request,
            answer: &mut Answer,
        ) -> impl Future<Output = anyhow::Result<()>> + Send {
            let refused = request.parameter("name").is_some_and(|name| name.ends_with('7'));
            let status = match (request.path().starts_with("/allocations/"), refused) {
                (true, _) => "404 Not Found",
                (false, true) => "429 Too Many Requests",
                (false, false) => "200 OK",
            };
            std::future::ready(answer.json(status, b"{}"))
        }
    }

    #[tokio::test]
    async fn refused_and_unreadable_pins_are_counted() {
        let (listener, api) = listen(0).await.unwrap();
        tokio::spawn(serve(listener, Forgetful));
        let mut load = load(api, Until::Count(100));
        load.check_every = Some(10);
        let outcome = load.run().await.unwrap();
        assert_eq!((outcome.latency.len(), outcome.errors), (90, 10));
        assert_eq!((outcome.checked, outcome.unreadable), (10, 10));
        assert_eq!(outcome.first_error.as_deref(), Some("status 429"));
    }

    #[tokio::test]
    async fn a_peer_that_goes_away_ends_the_load() {
        let (listener, api) = listen(0).await.unwrap();
        let server = tokio::spawn(async move {
            for _ in 0..4 {
                drop(listener.accept().await);
            }
        });
        let outcome = load(api, Until::Time(Duration::from_secs(60))).run().await.unwrap();
        server.await.unwrap();
        assert_eq!(outcome.latency.len(), 0);
        assert!(outcome.errors >= 4);
    }
}
