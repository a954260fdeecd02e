//! A peer without pins.

use crate::bench::cids;
use crate::bench::control::Server;
use crate::bench::figures::{Figure, Results, median};
use crate::bench::peer::Peer;
use crate::bench::procfs;
use crate::bench::stage::Stage;
use anyhow::{Context, Result};
use std::time::Instant;

pub(super) async fn run(stage: &mut Stage<'_>, results: &mut Results) -> Result<()> {
    let side = stage.suite.side;
    // Both suites ask the IPFS daemon who it is for every `id`: its own time is not what is measured here.
    let stub = Server::stub(0.0)?;
    let nobody = cids::text(u64::MAX, 0);
    let (mut inits, mut firsts, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    let mut last = None;
    for _ in 0..stage.settings.repeats() {
        let (peer, init) = Peer::create(stage.suite, stub.address(), stage.settings, &[]).await?;
        inits.push(init.as_secs_f64() * 1e3);
        // The second start of the same folder: the first one also makes the store.
        peer.start_and_wait().await?.stop().await?;
        let mut daemon = peer.start()?;
        firsts.push(daemon.first_answer(&nobody, 404).await?.as_secs_f64() * 1e3);
        last = Some((daemon, peer));
    }
    let (mut daemon, peer) = last.context("nothing was repeated")?;
    tokio::time::sleep(stage.settings.rest()).await;
    daemon.check_alive()?;
    let rss = procfs::rss_mib(daemon.id())?;
    let pss = procfs::pss_mib(daemon.id())?;
    for _ in 0..2 * stage.settings.repeats() {
        let began = Instant::now();
        peer.ctl(&["id"]).await?;
        ids.push(began.elapsed().as_secs_f64() * 1e3);
    }
    for (figure, values) in [(Figure::Init, &inits), (Figure::EmptyFirst, &firsts), (Figure::CtlId, &ids)] {
        results.record(side, figure, median(values).context("nothing was measured")?);
    }
    results.record(side, Figure::EmptyRss, rss);
    results.note(side, &format!("empty: idle PSS {pss:.1} MiB; medians of {} runs", inits.len()));
    daemon.stop().await
}
