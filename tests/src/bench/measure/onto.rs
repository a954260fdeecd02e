//! More pins onto the large pinset, compared with a short run on an empty peer.

use crate::bench::figures::{Figure, Results};
use crate::bench::load::Until;
use crate::bench::procfs;
use crate::bench::stage::Stage;
use anyhow::Result;
use std::time::Duration;

pub(super) async fn run(stage: &mut Stage<'_>, results: &mut Results) -> Result<()> {
    let side = stage.suite.side;
    let short = match results.median(side, Figure::Acks256) {
        Some(rate) => rate,
        None => {
            let world = stage.fresh().await?;
            let rate = stage.load(&world.peer, 256).run().await?.rate();
            world.daemon.stop().await?;
            rate
        }
    };
    let settings = stage.settings;
    let template = stage.load_template();
    let (daemon, large) = stage.start_large(results).await?;
    procfs::reset_peak(daemon.id())?;
    let mut load = template;
    load.api = large.peer.api();
    load.connections = 256;
    load.first = large.count;
    load.until = Until::Count(settings.more());
    load.warm_up = Duration::ZERO;
    let outcome = load.run().await?;
    results.note(
        side,
        &format!(
            "{} onto {}: {}, RSS peak {:.0} MiB, short run {short:.0}/s",
            settings.more(),
            large.count,
            outcome.describe(),
            procfs::peak_mib(daemon.id())?
        ),
    );
    results.record(side, Figure::OntoRate, outcome.rate());
    results.record(side, Figure::OntoRatio, outcome.rate() / short.max(1e-9));
    results.record(side, Figure::OntoP999, outcome.latency.quantile_ms(0.999));
    results.record(side, Figure::OntoStalls, outcome.stalls as f64);
    results.record(side, Figure::OntoErrors, outcome.errors as f64);
    daemon.kill().await?;
    // It is no longer the pinset the other measures speak of.
    stage.large = None;
    Ok(())
}
