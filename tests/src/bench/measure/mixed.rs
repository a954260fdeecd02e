//! Mixed requests, offered at a fixed rate whatever the answers take, on many connections, while some clients hardly
//! read what they asked for.

use super::kills::Moments;
use crate::bench::cids;
use crate::bench::connection::{Connection, get, post};
use crate::bench::figures::{Figure, Results};
use crate::bench::histogram::Histogram;
use crate::bench::procfs;
use crate::bench::stage::Stage;
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

const RATE: u32 = 5_000;
const CONNECTIONS: u32 = 2_000;
const SLOW: usize = 20;
const TIME: Duration = Duration::from_secs(60);
const QUICK: Duration = Duration::from_secs(5);
const BUFFER: usize = 8 * 1024;
/// A slow client's receive buffer: what it does not read stays with the peer.
const SLOW_BUFFER: u32 = 4 * 1024;

/// Requests of one kind.
#[derive(Debug)]
struct Kind {
    name: &'static str,
    /// So many of a hundred requests.
    share: u64,
}

const ALLOCATION: usize = 0;
const PIN: usize = 2;
const UNPIN: usize = 3;

const KINDS: [Kind; 7] = [
    Kind { name: "GET /allocations/{cid}", share: 60 },
    Kind { name: "GET /pins/{cid}?local=true", share: 15 },
    Kind { name: "POST /pins/ipfs/{cid}", share: 10 },
    Kind { name: "DELETE /pins/ipfs/{cid}", share: 5 },
    Kind { name: "GET /id", share: 4 },
    Kind { name: "GET /totals", share: 3 },
    Kind { name: "GET /allocations?name-prefix=bench-0&limit=20", share: 3 },
];

/// What came of the requests of one connection.
#[derive(Debug)]
struct Share {
    times: Vec<Histogram>,
    answered: u64,
    refused: u64,
    errors: u64,
    first_error: Option<String>,
}

impl Share {
    fn new() -> Self {
        let times = KINDS.iter().map(|_| Histogram::new()).collect();
        Self { times, answered: 0, refused: 0, errors: 0, first_error: None }
    }

    fn merge(&mut self, other: Self) {
        self.times.iter_mut().zip(&other.times).for_each(|(mine, theirs)| mine.merge(theirs));
        self.answered += other.answered;
        self.refused += other.refused;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

pub(super) async fn run(stage: &mut Stage<'_>, results: &mut Results) -> Result<()> {
    let side = stage.suite.side;
    let (seed, time) = (stage.settings.seed, if stage.settings.quick { QUICK } else { TIME });
    let (daemon, large) = stage.start_large(results).await?;
    let (api, count) = (large.peer.api(), large.count);
    let idle = procfs::rss_mib(daemon.id())?;
    procfs::reset_peak(daemon.id())?;
    let mut slow = JoinSet::new();
    for _ in 0..SLOW {
        slow.spawn(read_slowly(api));
    }
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Connection::open(api, BUFFER).await.context("connecting to the peer")?);
    }
    let began = Instant::now() + Duration::from_secs(1);
    let mut clients = JoinSet::new();
    for (number, connection) in (0..CONNECTIONS).zip(connections) {
        let client = Client { api, seed, count, number, began, end: began + time };
        clients.spawn(client.run(connection));
    }
    let mut all = Share::new();
    while let Some(share) = clients.join_next().await {
        all.merge(share.context("a client broke")?);
    }
    let mut cut_off = 0;
    while let Some(ended) = slow.try_join_next() {
        ended.context("a slow client broke")?.context("a slow client")?;
        cut_off += 1;
    }
    slow.shutdown().await;
    results.record(side, Figure::MixedRate, all.answered as f64 / time.as_secs_f64());
    results.record(side, Figure::MixedErrors, all.errors as f64);
    results.record(side, Figure::MixedP99, all.times[ALLOCATION].quantile_ms(0.99));
    results.record(side, Figure::MixedRss, procfs::peak_mib(daemon.id())?);
    let kinds = KINDS.iter().zip(&all.times).map(|(kind, times)| {
        format!("{} {:.1} / {:.1}", kind.name, times.quantile_ms(0.5), times.quantile_ms(0.99))
    });
    results.note(side, &format!("p50 / p99 in ms: {}", kinds.collect::<Vec<_>>().join(", ")));
    results.note(
        side,
        &format!(
            "{} answers, {} of them 429, {} errors{}; {cut_off} of {SLOW} slow clients cut off; RSS {idle:.0} MiB before",
            all.answered,
            all.refused,
            all.errors,
            all.first_error.map(|error| format!(" (first: {error})")).unwrap_or_default(),
        ),
    );
    daemon.stop().await?;
    // It is no longer the pinset the other measures speak of.
    stage.large = None;
    Ok(())
}

/// One of the connections; together they offer the rate.
#[derive(Debug, Clone, Copy)]
struct Client {
    api: SocketAddr,
    seed: u64,
    count: u64,
    number: u32,
    began: Instant,
    end: Instant,
}

impl Client {
    /// Sends a request at each of its moments. An answer counts from the moment, not from a sending that an earlier
    /// answer held up.
    async fn run(self, mut connection: Connection) -> Share {
        let pause = Duration::from_secs(1) * CONNECTIONS / RATE;
        let mut due = self.began + pause * self.number / CONNECTIONS;
        let mut random = Moments(self.seed ^ (u64::from(self.number) << 32));
        let mut share = Share::new();
        let mut added = Vec::new();
        let mut next = self.count + u64::from(self.number) * 1_000_000;
        while due < self.end {
            sleep_until(due).await;
            let mut kind = pick(random.next());
            if kind == UNPIN && added.is_empty() {
                kind = PIN;
            }
            let present = cids::text(self.seed, random.next() % self.count);
            let request = match kind {
                ALLOCATION => get(&format!("/allocations/{}", cids::as_str(&present))),
                1 => get(&format!("/pins/{}?local=true", cids::as_str(&present))),
                PIN => {
                    next += 1;
                    added.push(next);
                    post(&format!("/pins/ipfs/{}?name=mixed", cids::as_str(&cids::text(self.seed, next))))
                }
                UNPIN => {
                    let gone = cids::text(self.seed, added.pop().unwrap_or(next));
                    delete(&format!("/pins/ipfs/{}", cids::as_str(&gone)))
                }
                4 => get("/id"),
                5 => get("/totals"),
                _ => get("/allocations?name-prefix=bench-0&limit=20"),
            };
            match connection.exchange(&request).await {
                Ok(200 | 204) => share.answered += 1,
                Ok(429) => {
                    share.answered += 1;
                    share.refused += 1;
                }
                Ok(status) => share.fail(format!("{}: status {status}", KINDS[kind].name)),
                Err(error) => {
                    share.fail(format!("{}: {error:#}", KINDS[kind].name));
                    match Connection::open(self.api, BUFFER).await {
                        Ok(fresh) => connection = fresh,
                        Err(_) => break,
                    }
                }
            }
            share.times[kind].record(due.elapsed());
            due += pause;
        }
        share
    }
}

impl Share {
    fn fail(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }
}

fn pick(random: u64) -> usize {
    let mut left = random % 100;
    for (kind, Kind { share, .. }) in KINDS.iter().enumerate() {
        match left.checked_sub(*share) {
            Some(rest) => left = rest,
            None => return kind,
        }
    }
    ALLOCATION
}

fn delete(path: &str) -> Vec<u8> {
    format!("DELETE {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").into_bytes()
}

/// Asks for everything and reads a byte a second, until it is cut off.
async fn read_slowly(api: SocketAddr) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(SLOW_BUFFER)?;
    let mut stream = socket.connect(api).await?;
    stream.write_all(&get("/allocations")).await?;
    let mut byte = [0];
    while matches!(stream.read(&mut byte).await, Ok(1)) {
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{ALLOCATION, KINDS, pick};

    #[test]
    fn shares_are_of_a_hundred() {
        assert_eq!(KINDS.iter().map(|kind| kind.share).sum::<u64>(), 100);
        assert_eq!((pick(0), pick(59), pick(60), pick(99)), (ALLOCATION, ALLOCATION, 1, KINDS.len() - 1));
    }
}
