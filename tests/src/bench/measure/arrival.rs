//! How the pins of the generator's sequence arrive at a peer.
//!
//! A whole listing costs the peer much, so it is only asked for once a sample of the pins is there: the first and the
//! last ones of the sequence, whichever the peer learns last, and some between them.

use crate::bench::cids;
use crate::bench::cluster::Cluster;
use crate::bench::connection::{Connection, get};
use crate::bench::load::Until;
use crate::bench::peer::Daemon;
use crate::bench::process::within;
use crate::bench::stage::{Stage, World, settle};
use crate::bench::stream::lines;
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Longest wait for all pins. Go's peers may tell their heads again only after 2.6 min, and then walk 50 blocks a second.
const LIMIT: Duration = Duration::from_secs(1_800);
/// Pause between two looks for the first pin, or for a pin of the sample: long enough to cost the peer little.
const LOOK_PAUSE: Duration = Duration::from_millis(10);
/// Pause between two whole listings.
const LIST_PAUSE: Duration = Duration::from_millis(100);
/// Pins in the sample.
const SAMPLE: u64 = 64;
/// Buffer of a connection: the head of an answer must fit.
const BUFFER: usize = 16 * 1024;

/// Ages of a daemon at which pins were there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    /// `GET /allocations` had a line.
    pub(super) first: Duration,
    /// All pins of the sample were found.
    pub(super) sample: Duration,
    /// The end of the first `GET /allocations` with all pins.
    pub(super) all: Duration,
}

/// Watches a daemon until it lists pins 0 to `count` of the sequence `seed`, and nothing else.
pub(super) async fn watch(daemon: &mut Daemon, api: SocketAddr, seed: u64, count: u64) -> Result<Arrival> {
    let deadline = Instant::now() + LIMIT;
    let check = |daemon: &mut Daemon, what: &str| {
        daemon.check_alive()?;
        if Instant::now() > deadline { bail!("waited {} s in vain: {what}", LIMIT.as_secs()) } else { Ok(()) }
    };
    while !within(LIMIT, "an answer to GET /allocations", any(api)).await?.unwrap_or(false) {
        check(daemon, "the first pin")?;
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    let first = daemon.age();
    let mut connection = Connection::open(api, BUFFER).await.context("connecting to the peer")?;
    for index in sample(count) {
        let cid = cids::text(seed, index);
        let request = get(&format!("/allocations/{}", cids::as_str(&cid)));
        loop {
            match within(LIMIT, "an answer to GET /allocations/{cid}", connection.exchange(&request))
                .await??
            {
                200 => break,
                404 => check(daemon, &format!("pin {index}"))?,
                status => bail!("GET /allocations/{}: status {status}", cids::as_str(&cid)),
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }
    let sample = daemon.age();
    loop {
        let found = lines(api, "/allocations", LIMIT, |_| ()).await?.lines;
        if found == count {
            return Ok(Arrival { first, sample, all: daemon.age() });
        }
        if found > count {
            bail!("GET /allocations named {found} of {count} pins");
        }
        check(daemon, &format!("{count} pins; {found} are there"))?;
        tokio::time::sleep(LIST_PAUSE).await;
    }
}

/// Returns the numbers of the sample out of 0 to `count`.
fn sample(count: u64) -> impl Iterator<Item = u64> {
    let size = SAMPLE.min(count);
    (0..size).map(move |number| number * (count - 1) / (size - 1).max(1))
}

/// Tells whether `GET /allocations` has anything; the rest of the answer is not read.
async fn any(api: SocketAddr) -> Result<bool> {
    let mut connection = Connection::open(api, BUFFER).await?;
    let status = connection.send(&get("/allocations")).await?;
    Ok(status == 200 && connection.piece().await?.is_some())
}

/// Loads pins 0 to `count` onto an empty peer and waits until it lists them: a batch is written after its
/// acknowledgements.
pub(super) async fn fill(stage: &Stage<'_>, world: &mut World, count: u64, connections: usize) -> Result<()> {
    let mut load = stage.load(&world.peer, connections);
    load.until = Until::Count(count);
    load.warm_up = Duration::ZERO;
    let outcome = load.run().await?;
    if outcome.latency.len() != count {
        bail!("filling a peer: {}", outcome.describe());
    }
    watch(&mut world.daemon, world.peer.api(), stage.settings.seed, count).await.map(drop)
}

/// Makes a peer that holds pins 0 to `count`, was started anew since, and waits for others to join it.
pub(super) async fn holder(
    stage: &Stage<'_>,
    cluster: &Cluster<'_>,
    count: u64,
    connections: usize,
) -> Result<World> {
    let settings = stage.settings;
    let (peer, stub) = cluster.peer(&[], settings.drain_delay).await?;
    let daemon = peer.start_and_wait().await?;
    let mut holder = World { daemon, peer, stub };
    fill(stage, &mut holder, count, connections).await?;
    settle(&mut holder.daemon).await?;
    holder.daemon.stop().await?;
    holder.stub.set_delay(settings.delay).await?;
    let mut daemon = holder.peer.start()?;
    daemon.first_answer(&cids::text(settings.seed, 0), 200).await?;
    holder.daemon = daemon;
    Ok(holder)
}

#[cfg(test)]
mod tests {
    use super::{SAMPLE, any, sample};
    use crate::bench::server::{Answer, Handler, Request, listen, serve};

    #[test]
    fn a_sample_has_both_ends_and_nothing_twice() {
        for count in [1, 2, 63, 64, 65, 100_000] {
            let numbers: Vec<u64> = sample(count).collect();
            assert_eq!(numbers.len() as u64, SAMPLE.min(count));
            assert_eq!((numbers[0], numbers[numbers.len() - 1]), (0, count - 1));
            assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        }
    }

    #[derive(Debug, Clone)]
    struct Listing(&'static str);

    impl Handler for Listing {
        async fn handle(&self, _request: &Request, answer: &mut Answer) -> anyhow::Result<()> {
            answer.begin_stream();
            if !self.0.is_empty() {
                answer.chunk(self.0.as_bytes()).await?;
            }
            answer.end_stream();
            Ok(())
        }
    }

    #[tokio::test]
    async fn only_a_listing_with_a_line_has_a_pin() {
        for (listing, expected) in [("", false), ("{}\n", true)] {
            let (listener, api) = listen(0).await.unwrap();
            tokio::spawn(serve(listener, Listing(listing)));
            assert_eq!(any(api).await.unwrap(), expected);
        }
    }
}
