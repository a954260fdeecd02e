//! From a pin on one of three peers to its sight on another, one pin at a time on an idle cluster.

use crate::bench::cids::{self, CidText};
use crate::bench::cluster::{Blocks, Cluster, stop};
use crate::bench::connection::{Connection, get, post};
use crate::bench::figures::{Figure, Results};
use crate::bench::histogram::Histogram;
use crate::bench::stage::{Stage, settle};
use anyhow::{Context, Result, bail};
use std::time::{Duration, Instant};

const PEERS: usize = 3;
/// Pins before the counted ones, until everything has been used once.
const WARM_UP: u64 = 20;
/// Longest wait for one pin: Go's peers may tell their heads again only after 2.6 min.
const LIMIT: Duration = Duration::from_secs(300);
/// Pause between two looks. It is slept by the thread: the runtime's timer is coarser, and nothing else runs meanwhile.
const LOOK_PAUSE: Duration = Duration::from_micros(500);
/// Pause between two pins.
const PIN_PAUSE: Duration = Duration::from_millis(50);
/// Buffer of a connection: the head of an answer must fit.
const BUFFER: usize = 16 * 1024;

pub(super) async fn run(stage: &Stage<'_>, results: &mut Results) -> Result<()> {
    let side = stage.suite.side;
    let settings = stage.settings;
    let cluster = Cluster::new(stage, Blocks::AsSet)?;
    let mut worlds = cluster.start(PEERS, settings.delay).await?;
    let mut path = Path {
        from: Connection::open(worlds[0].peer.api(), BUFFER).await.context("connecting to the first peer")?,
        to: Connection::open(worlds[PEERS - 1].peer.api(), BUFFER)
            .await
            .context("connecting to the last peer")?,
    };
    for index in 0..WARM_UP {
        path.pin(&cids::text(settings.seed, index)).await.context("warming up")?;
    }
    for world in &mut worlds {
        settle(&mut world.daemon).await?;
    }
    let (mut seen, mut acked) = (Histogram::new(), Histogram::new());
    for index in WARM_UP..WARM_UP + settings.replicated() {
        tokio::time::sleep(PIN_PAUSE).await;
        let times = path.pin(&cids::text(settings.seed, index)).await?;
        acked.record(times.acked);
        seen.record(times.seen);
    }
    results.record(side, Figure::ReplicateP50, seen.quantile_ms(0.5));
    results.record(side, Figure::ReplicateP99, seen.quantile_ms(0.99));
    results.note(
        side,
        &format!(
            "{} pins from the sending of the request to the sight on another peer: max {:.1} ms; the acknowledgement \
             came after p50 {:.2}, p99 {:.2} ms",
            seen.len(),
            seen.max_ms(),
            acked.quantile_ms(0.5),
            acked.quantile_ms(0.99),
        ),
    );
    stop(worlds).await
}

/// From one peer to another.
struct Path {
    from: Connection,
    to: Connection,
}

/// Times since a pin was sent.
struct Times {
    acked: Duration,
    seen: Duration,
}

impl Path {
    async fn pin(&mut self, cid: &CidText) -> Result<Times> {
        let cid = cids::as_str(cid);
        let (pin, look) = (post(&format!("/pins/ipfs/{cid}")), get(&format!("/allocations/{cid}")));
        let began = Instant::now();
        match self.from.exchange(&pin).await? {
            200 => {}
            status => bail!("POST /pins/ipfs/{cid}: status {status}"),
        }
        let acked = began.elapsed();
        while began.elapsed() < LIMIT {
            match self.to.exchange(&look).await? {
                200 => return Ok(Times { acked, seen: began.elapsed() }),
                404 => std::thread::sleep(LOOK_PAUSE),
                status => bail!("GET /allocations/{cid}: status {status}"),
            }
        }
        bail!("waited {} s in vain: a pin on another peer", LIMIT.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::{BUFFER, Path};
    use crate::bench::cids;
    use crate::bench::connection::Connection;
    use crate::bench::server::{Answer, EmptyHandler, Handler, Request, listen, serve};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Answers with each status in turn, the last one for ever.
    #[derive(Debug, Clone)]
    struct InTurn(&'static [&'static str], Arc<AtomicU32>);

    impl Handler for InTurn {
        async fn handle(&self, _request: &Request, answer: &mut Answer) -> anyhow::Result<()> {
            let asked = self.1.fetch_add(1, Ordering::Relaxed) as usize;
            answer.json(self.0[asked.min(self.0.len() - 1)], b"{}")
        }
    }

    async fn pin_seen(by: InTurn) -> anyhow::Result<super::Times> {
        let (listener, from) = listen(0).await?;
        tokio::spawn(serve(listener, EmptyHandler));
        let (listener, to) = listen(0).await?;
        tokio::spawn(serve(listener, by));
        let mut path =
            Path { from: Connection::open(from, BUFFER).await?, to: Connection::open(to, BUFFER).await? };
        path.pin(&cids::text(1, 1)).await
    }

    #[tokio::test]
    async fn a_pin_is_looked_for_until_it_is_there() {
        let looks = Arc::new(AtomicU32::new(0));
        let there = InTurn(&["404 Not Found", "404 Not Found", "200 OK"], Arc::clone(&looks));
        let times = pin_seen(there).await.unwrap();
        assert!(times.acked <= times.seen);
        assert_eq!(looks.load(Ordering::Relaxed), 3);
        let broken = InTurn(&["404 Not Found", "500 Internal Server Error"], Arc::default());
        let error = pin_seen(broken).await.err().unwrap().to_string();
        assert!(error.ends_with("status 500"), "{error}");
    }
}
