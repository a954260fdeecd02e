//! From the start of the daemon on the large pinset to its first correct answer.

use crate::bench::cids;
use crate::bench::figures::{Figure, Results, median};
use crate::bench::load::Until;
use crate::bench::procfs;
use crate::bench::stage::{Stage, settle};
use anyhow::{Context, Result};
use std::time::Duration;

pub(super) async fn run(stage: &mut Stage<'_>, results: &mut Results) -> Result<()> {
    let side = stage.suite.side;
    let settings = stage.settings;
    let template = stage.load_template();
    let (mut daemon, large) = stage.start_large(results).await?;
    let wanted = cids::text(settings.seed, large.count / 2);
    tokio::time::sleep(settings.rest()).await;
    daemon.check_alive()?;
    results.record(side, Figure::IdleRss, procfs::rss_mib(daemon.id())?);
    results.note(side, &format!("{} pins: idle PSS {:.0} MiB", large.count, procfs::pss_mib(daemon.id())?));

    let mut stops = Vec::new();
    for _ in 0..settings.slow_repeats() {
        // Not in the middle of its start: what is measured is what a stop in order leaves behind.
        settle(&mut daemon).await?;
        daemon.stop().await?;
        daemon = large.peer.start()?;
        stops.push(daemon.first_answer(&wanted, 200).await?.as_secs_f64());
    }
    results.record(side, Figure::RestartStop, median(&stops).context("nothing was measured")?);

    let mut kills = Vec::new();
    for round in 0..settings.slow_repeats() as u64 {
        let mut load = template.clone();
        load.api = large.peer.api();
        // Pins of another sequence, so that the large pinset's own numbers stay free.
        load.seed = settings.seed.wrapping_add(1_000_000 + round);
        load.until = Until::Time(Duration::from_secs(600));
        let running = load.start().await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        daemon.kill().await?;
        running.finish().await?;
        daemon = large.peer.start()?;
        kills.push(daemon.first_answer(&wanted, 200).await?.as_secs_f64());
    }
    results.record(side, Figure::RestartKill, median(&kills).context("nothing was measured")?);
    results.note(side, &format!("restarts, s: after stops {stops:.3?}, after kills under load {kills:.3?}"));
    settle(&mut daemon).await?;
    daemon.stop().await
}
