//! A voter that was away while pins came: how long until it has them, also when it is killed again and again meanwhile.

use super::kills::Moments;
use crate::bench::cids;
use crate::bench::cluster::{Blocks, Cluster, stop};
use crate::bench::connection::{Connection, get};
use crate::bench::figures::{Figure, Results};
use crate::bench::load::Until;
use crate::bench::peer::Daemon;
use crate::bench::procfs;
use crate::bench::settings::Consensus;
use crate::bench::stage::{Stage, World, settle};
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

const PEERS: usize = 3;
/// Longest wait for all pins.
const LIMIT: Duration = Duration::from_secs(1_800);
/// Pause between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// Pins that are looked at, spread over those that it lacks.
const SAMPLE: u64 = 64;
const BUFFER: usize = 16 * 1024;

pub(super) async fn run(stage: &Stage<'_>, results: &mut Results) -> Result<()> {
    if stage.settings.consensus != Consensus::Raft {
        bail!("a voter is away with --consensus raft alone");
    }
    let side = stage.suite.side;
    let count = stage.settings.pins();
    let cluster = Cluster::new(stage, Blocks::AsSet)?;
    let mut worlds = cluster.start(PEERS, stage.settings.drain_delay).await?;

    let World { daemon, peer, stub } = worlds.pop().context("no peer")?;
    daemon.stop().await.context("who is to be away")?;
    fill(stage, results, &mut worlds, 0..count).await?;
    let mut daemon = peer.start()?;
    let mut half = 0;
    until_all(&mut daemon, peer.api(), stage, 0..count, LIMIT, &mut half)
        .await?
        .context("it never had all")?;
    let uninterrupted = daemon.age();
    results.record(side, Figure::BehindAll, uninterrupted.as_secs_f64());
    results.note(
        side,
        &format!(
            "a voter that was away for {count} pins: {:.1} s of its CPU time, RSS peak {:.0} MiB",
            procfs::cpu_seconds(daemon.id())?,
            procfs::peak_mib(daemon.id())?
        ),
    );
    settle(&mut daemon).await?;
    daemon.stop().await.context("after it had all")?;

    fill(stage, results, &mut worlds, count..2 * count).await?;
    let mut moments = Moments(stage.settings.seed);
    let (mut kills, mut running) = (0, Duration::ZERO);
    let last;
    let daemon = loop {
        let mut daemon = peer.start()?;
        let life = if kills < stage.settings.kills() {
            uninterrupted.mul_f64(0.05 + (moments.next() % 1000) as f64 / 1000.0 * 0.55)
        } else {
            LIMIT
        };
        let all = until_all(&mut daemon, peer.api(), stage, count..2 * count, life, &mut half).await?;
        let age = daemon.age();
        running += age;
        if all.is_some() {
            last = age;
            break daemon;
        }
        kills += 1;
        daemon.kill().await?;
    };
    results.record(side, Figure::BehindKilled, running.as_secs_f64());
    results.record(side, Figure::BehindHalf, half as f64);
    results.note(
        side,
        &format!(
            "killed {kills} times on its way to {count} pins more; the last run, from its start until it had all: {:.1} s",
            last.as_secs_f64()
        ),
    );
    worlds.push(World { daemon, peer, stub });
    stop(worlds).await
}

/// Loads pins while one is away, and waits until the others rest.
async fn fill(
    stage: &Stage<'_>,
    results: &mut Results,
    worlds: &mut [World],
    pins: Range<u64>,
) -> Result<()> {
    let mut load = stage.load(&worlds[0].peer, 256);
    load.first = pins.start;
    load.until = Until::Count(pins.end - pins.start);
    load.warm_up = Duration::ZERO;
    let outcome = load.run().await?;
    results.note(stage.suite.side, &format!("one of {PEERS} is away: {}", outcome.describe()));
    if outcome.latency.len() != pins.end - pins.start {
        bail!("filling a cluster: {}", outcome.describe());
    }
    for world in worlds {
        settle(&mut world.daemon).await?;
    }
    Ok(())
}

/// Waits until a sample of the pins is there, the latest first; `None` when that takes longer. Whoever shows a pin has to show
/// all that came before it: what does not counts as half.
async fn until_all(
    daemon: &mut Daemon,
    api: SocketAddr,
    stage: &Stage<'_>,
    pins: Range<u64>,
    limit: Duration,
    half: &mut u64,
) -> Result<Option<()>> {
    let began = Instant::now();
    let size = SAMPLE.min(pins.end - pins.start);
    let step = (pins.end - pins.start) / size;
    while began.elapsed() < limit {
        daemon.check_alive()?;
        let Ok(mut connection) = Connection::open(api, BUFFER).await else {
            tokio::time::sleep(LOOK_PAUSE).await;
            continue;
        };
        let mut found = 0;
        for number in 0..size {
            let cid = cids::text(stage.settings.seed, pins.end - 1 - number * step);
            let path = format!("/allocations/{}", cids::as_str(&cid));
            match connection.exchange(&get(&path)).await? {
                200 => found += 1,
                404 => *half += u64::from(found > 0),
                // Its pinset is not fit to be read.
                503 => break,
                status => bail!("GET {path}: status {status}"),
            }
        }
        if found == size {
            return Ok(Some(()));
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    Ok(None)
}
