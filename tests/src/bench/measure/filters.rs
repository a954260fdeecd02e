//! Every status that few pins of the large pinset have, asked of this peer and of all.

use crate::bench::figures::{Figure, Results, median};
use crate::bench::stage::Stage;
use crate::bench::stream::lines;
use anyhow::{Context, Result};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(900);
/// An answer this slow is not repeated.
const SLOW: Duration = Duration::from_secs(1);

const FILTERS: [&str; 13] = [
    "cluster_error",
    "pin_error",
    "unpin_error",
    "error",
    "pinning",
    "unpinning",
    "unpinned",
    "pin_queued",
    "unpin_queued",
    "queued",
    "remote",
    "sharded",
    "unexpectedly_unpinned",
];

pub(super) async fn run(stage: &mut Stage<'_>, results: &mut Results) -> Result<()> {
    let side = stage.suite.side;
    let repeats = stage.settings.slow_repeats();
    let (daemon, large) = stage.start_large(results).await?;
    let mut slowest: f64 = 0.0;
    for (scope, local) in [("local", "local=true&"), ("all peers", "")] {
        let mut texts = Vec::new();
        for filter in FILTERS {
            let path = format!("/pins?{local}filter={filter}");
            let mut times = Vec::new();
            let mut matches = 0;
            for _ in 0..repeats {
                let timing = lines(large.peer.api(), &path, LIMIT, |_| ()).await?;
                matches = timing.lines;
                times.push(timing.total.as_secs_f64() * 1e3);
                if timing.total > SLOW {
                    break;
                }
            }
            let time = median(&times).context("nothing was measured")?;
            slowest = slowest.max(time);
            let matches = if matches > 0 { format!(" ({matches} matches)") } else { String::new() };
            texts.push(format!("{filter} {time:.1}{matches}"));
        }
        results.note(side, &format!("filters, {scope}, ms: {}", texts.join(", ")));
    }
    results.record(side, Figure::Filter, slowest);
    daemon.stop().await
}
