//! The status of every pin of the large pinset, streamed.

use crate::bench::figures::{Figure, Results, median};
use crate::bench::procfs;
use crate::bench::stage::Stage;
use crate::bench::stream::lines;
use anyhow::{Context, Result, bail};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(900);
const REPEATS: usize = 3;

pub(super) async fn run(stage: &mut Stage<'_>, results: &mut Results) -> Result<()> {
    let side = stage.suite.side;
    let rest = stage.settings.rest();
    let (mut daemon, large) = stage.start_large(results).await?;
    tokio::time::sleep(rest).await;
    daemon.check_alive()?;
    let idle = procfs::rss_mib(daemon.id())?;
    let mut peak: f64 = 0.0;
    for (path, recorded) in [("/pins?local=true", true), ("/pins", false)] {
        let (mut firsts, mut totals) = (Vec::new(), Vec::new());
        for _ in 0..REPEATS {
            procfs::reset_peak(daemon.id())?;
            let timing = lines(large.peer.api(), path, LIMIT, |_| ()).await?;
            if timing.lines != large.count {
                bail!("GET {path} named {} of {} pins", timing.lines, large.count);
            }
            firsts.push(timing.first_byte.as_secs_f64() * 1e3);
            totals.push(timing.total.as_secs_f64());
            peak = peak.max(procfs::peak_mib(daemon.id())? - idle);
        }
        let first = median(&firsts).context("nothing was measured")?;
        let total = median(&totals).context("nothing was measured")?;
        if recorded {
            results.record(side, Figure::StatusFirst, first);
            results.record(side, Figure::StatusTotal, total);
            results.record(side, Figure::StatusPeak, peak);
        } else {
            results.note(
                side,
                &format!("GET {path} (all peers): first byte {first:.1} ms, total {total:.2} s, peak {peak:.0} MiB over idle {idle:.0} MiB"),
            );
        }
    }
    daemon.stop().await
}
