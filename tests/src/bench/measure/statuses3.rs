//! The status of every pin on each of three peers, streamed by one of them.

use super::arrival;
use crate::bench::cluster::{BATCH, Blocks, Cluster, stop};
use crate::bench::figures::{Figure, Results, median};
use crate::bench::procfs;
use crate::bench::stage::{Stage, settle};
use crate::bench::stream::lines;
use anyhow::{Context, Result, bail};
use std::time::Duration;

const PEERS: usize = 3;
const CONNECTIONS: usize = 256;
const LIMIT: Duration = Duration::from_secs(900);
const REPEATS: usize = 3;

pub(super) async fn run(stage: &Stage<'_>, results: &mut Results) -> Result<()> {
    let side = stage.suite.side;
    let settings = stage.settings;
    let count = settings.held();
    let cluster = Cluster::new(stage, Blocks::Batched)?;
    let mut worlds = cluster.start(PEERS, settings.drain_delay).await?;
    arrival::fill(stage, &mut worlds[0], count, CONNECTIONS).await?;
    for world in &mut worlds {
        arrival::watch(&mut world.daemon, world.peer.api(), settings.seed, count).await?;
        settle(&mut world.daemon).await?;
        world.stub.set_delay(settings.delay).await?;
    }
    tokio::time::sleep(settings.rest()).await;
    let asked = &mut worlds[0];
    asked.daemon.check_alive()?;
    let id = asked.daemon.id();
    let idle = procfs::rss_mib(id)?;
    procfs::reset_peak(id)?;
    let (mut firsts, mut totals) = (Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        let (mut whole, mut other) = (0, None);
        let timing = lines(asked.peer.api(), "/pins", LIMIT, |line| {
            let pinned = memchr::memmem::find_iter(line, b"\"status\":\"pinned\"").count();
            if pinned == PEERS {
                whole += 1;
            } else {
                other.get_or_insert_with(|| String::from_utf8_lossy(line).into_owned());
            }
        })
        .await?;
        if (timing.lines, whole) != (count, count) {
            bail!(
                "GET /pins named {} of {count} pins, {whole} of them pinned on all peers; the first other one: {}",
                timing.lines,
                other.unwrap_or_default()
            );
        }
        firsts.push(timing.first_byte.as_secs_f64() * 1e3);
        totals.push(timing.total.as_secs_f64());
    }
    let peak = procfs::peak_mib(id)?;
    results.record(side, Figure::Statuses3First, median(&firsts).context("nothing was measured")?);
    results.record(side, Figure::Statuses3Total, median(&totals).context("nothing was measured")?);
    results.record(side, Figure::Statuses3Rss, peak);
    results.note(
        side,
        &format!(
            "GET /pins of {count} pins on {PEERS} peers, up to {BATCH} in a block, {REPEATS} times: RSS of the asked peer \
             {idle:.0} MiB before, peak {peak:.0} MiB"
        ),
    );
    stop(worlds).await
}
