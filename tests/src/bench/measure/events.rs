//! Events of a peer under load, read by clients that are cut off and go on where they were.

use super::kills::Moments;
use crate::bench::cids;
use crate::bench::connection::{Connection, get, post};
use crate::bench::figures::{Figure, Results};
use crate::bench::histogram::Histogram;
use crate::bench::load::Until;
use crate::bench::process::within;
use crate::bench::stage::Stage;
use crate::bench::suite::Side;
use anyhow::{Context, Result, bail};
use cluster_client::api_types::Event;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;
use tokio::time::Instant;

const READERS: u64 = 3;
const CONNECTIONS: usize = 256;
const TIME: Duration = Duration::from_secs(30);
const QUICK: Duration = Duration::from_secs(3);
/// Longest that a reader may take to have everything after the load.
const LIMIT: Duration = Duration::from_secs(120);
const BUFFER: usize = 256 * 1024;
/// The shortest and the longest that a reader reads before it is cut off, in milliseconds.
const CUT_OFF: (u64, u64) = (300, 2_500);

pub(super) async fn run(stage: &mut Stage<'_>, results: &mut Results) -> Result<()> {
    let side = stage.suite.side;
    if side == Side::Go {
        results.note(side, "has no events");
        return Ok(());
    }
    let seed = stage.settings.seed;
    let world = stage.fresh().await?;
    let api = world.peer.api();
    let mut readers = JoinSet::new();
    for number in 0..READERS {
        let mut seen = Seen::new(cids::digest(seed, CHANGED), cids::digest(seed, LAST));
        let mut moments = Moments(seed.wrapping_add(number));
        readers.spawn(async move {
            let read = read_all(api, &mut seen, &mut moments);
            within(TIME + LIMIT, "a reader has every event", read).await??;
            anyhow::Ok(seen)
        });
    }
    let mut load = stage.load(&world.peer, CONNECTIONS);
    load.until = Until::Time(if stage.settings.quick { QUICK } else { TIME });
    load.warm_up = Duration::ZERO;
    load.remember = true;
    let stop = Arc::new(AtomicBool::new(false));
    let changes = tokio::spawn(change_one(api, seed, Arc::clone(&stop)));
    let outcome = load.run().await?;
    stop.store(true, Ordering::Relaxed);
    let tags = changes.await.context("changes of one pin broke")??;
    pin(&mut Connection::open(api, BUFFER).await?, seed, LAST, "last").await?;

    let (mut latency, mut wrong, mut cuts) = (Histogram::new(), 0, 0);
    while let Some(seen) = readers.join_next().await {
        let seen = seen.context("a reader broke")??;
        latency.merge(&seen.latency);
        cuts += seen.cuts;
        let missed = outcome
            .acked
            .iter()
            .filter(|index| !seen.pins.contains_key(&cids::digest(seed, **index)))
            .count();
        let others = u64::from(seen.tags != tags);
        if seen.wrong + others > 0 || missed > 0 {
            results.note(
                side,
                &format!(
                    "a reader missed {missed} pins, saw {} events twice or out of order, and the changes of one pin {}",
                    seen.wrong,
                    if others == 0 { "rightly" } else { "wrongly" }
                ),
            );
        }
        wrong += seen.wrong + others + missed as u64;
    }
    results.record(side, Figure::EventRate, outcome.rate());
    results.record(side, Figure::EventP99, latency.quantile_ms(0.99));
    results.record(side, Figure::EventWrong, wrong as f64);
    results.note(
        side,
        &format!(
            "{READERS} readers, cut off {cuts} times, {} events read; p50 {:.1}, max {:.0} ms; one pin changed {} times; {}",
            latency.len(),
            latency.quantile_ms(0.5),
            latency.max_ms(),
            tags.len(),
            outcome.describe()
        ),
    );
    world.daemon.stop().await
}

/// Numbers of a pin that is changed all the time, and of the one that comes last.
const CHANGED: u64 = u64::MAX - 1;
const LAST: u64 = u64::MAX;

/// Changes one pin again and again; returns the tags of its values in their order.
async fn change_one(api: SocketAddr, seed: u64, stop: Arc<AtomicBool>) -> Result<Vec<String>> {
    let mut connection = Connection::open(api, BUFFER).await?;
    let mut tags = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        tags.push(pin(&mut connection, seed, CHANGED, &format!("change-{}", tags.len())).await?);
    }
    Ok(tags)
}

/// Pins and returns the tag of the value, without quotation marks.
async fn pin(connection: &mut Connection, seed: u64, index: u64, name: &str) -> Result<String> {
    let path = format!("/pins/ipfs/{}?name={name}", cids::as_str(&cids::text(seed, index)));
    let (status, body) = connection.fetch(&post(&path)).await?;
    if status != 200 {
        bail!("POST {path}: status {status}: {}", String::from_utf8_lossy(&body));
    }
    let tag = connection.take_etag().context("a pin without a tag")?;
    Ok(tag.trim_matches('"').to_owned())
}

/// What a reader saw.
#[derive(Debug)]
struct Seen {
    /// The last event of each pin of the load was that it is pinned (false) or has a status (true).
    pins: HashMap<[u8; 32], bool>,
    /// Which pin changes, and its tags.
    changed: [u8; 32],
    tags: Vec<String>,
    /// Which one comes last.
    last: [u8; 32],
    wrong: u64,
    cuts: u64,
    latency: Histogram,
    cursor: Option<String>,
}

impl Seen {
    fn new(changed: [u8; 32], last: [u8; 32]) -> Self {
        Self {
            pins: HashMap::new(),
            changed,
            tags: Vec::new(),
            last,
            wrong: 0,
            cuts: 0,
            latency: Histogram::new(),
            cursor: None,
        }
    }

    /// Takes an event; says whether it is the last one.
    fn take(&mut self, line: &[u8]) -> Result<bool> {
        let event: Event =
            serde_json::from_slice(line).with_context(|| String::from_utf8_lossy(line).into_owned())?;
        self.cursor = Some(event.cursor);
        let Some(digest) = event.cid.as_ref().and_then(|cid| cids::parse(cid.as_str().as_bytes())) else {
            return Ok(false);
        };
        let written = Duration::new(
            u64::try_from(event.time.unix_seconds()).unwrap_or_default(),
            event.time.subsec_nanos(),
        );
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.latency.record(now.saturating_sub(written));
        let is_pinned = event.kind == "pinned";
        if digest == self.changed {
            self.tags.extend(event.etag);
        } else if digest == self.last {
            return Ok(is_pinned);
        } else if is_pinned {
            self.wrong += u64::from(self.pins.insert(digest, false).is_some());
        } else {
            // A status is none before the pin.
            self.wrong += u64::from(self.pins.insert(digest, true).is_none());
        }
        Ok(false)
    }
}

/// Reads from the beginning to the last event, cut off again and again.
async fn read_all(api: SocketAddr, seen: &mut Seen, moments: &mut Moments) -> Result<()> {
    loop {
        let (least, most) = CUT_OFF;
        let end = Instant::now() + Duration::from_millis(least + moments.next() % (most - least));
        if read_until(api, seen, end).await? {
            return Ok(());
        }
        seen.cuts += 1;
    }
}

/// Reads until the last event (true) or the moment.
async fn read_until(api: SocketAddr, seen: &mut Seen, end: Instant) -> Result<bool> {
    let mut connection = Connection::open(api, BUFFER).await?;
    let cursor = seen.cursor.as_deref().unwrap_or("oldest");
    let status = connection.send(&get(&format!("/events?cursor={cursor}"))).await?;
    if status != 200 {
        bail!("GET /events?cursor={cursor}: status {status}");
    }
    let mut rest = Vec::new();
    while let Ok(piece) = tokio::time::timeout_at(end, connection.piece()).await {
        let piece = piece?.context("the events ended")?;
        rest.extend_from_slice(connection.bytes(piece));
        let mut taken = 0;
        while let Some(length) = memchr::memchr(b'\n', &rest[taken..]) {
            if seen.take(&rest[taken..taken + length])? {
                return Ok(true);
            }
            taken += length + 1;
        }
        rest.drain(..taken);
    }
    Ok(false)
}
