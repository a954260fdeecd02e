//! Pins a second that reach the IPFS daemon while the queue is not empty and no new pins arrive.

use crate::bench::figures::{Figure, Results};
use crate::bench::load::Until;
use crate::bench::stage::Stage;
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// Without a single further pin for this long the queue is stuck.
const STUCK: Duration = Duration::from_secs(120);

pub(super) async fn run(stage: &mut Stage<'_>, results: &mut Results) -> Result<()> {
    let side = stage.suite.side;
    let world = stage.fresh().await?;
    let count = stage.settings.queued();
    let mut load = stage.load(&world.peer, 16);
    load.warm_up = Duration::ZERO;
    load.until = Until::Count(count);
    let outcome = load.run().await?;
    if outcome.errors > 0 {
        bail!("filling the queue: {}", outcome.describe());
    }
    let began = Instant::now();
    let start = world.stub.calls("pin/add").await?;
    // The last twentieth is left out: there the queue no longer feeds all workers.
    let enough = count - count / 20;
    if start >= enough {
        bail!("the queue was empty before it could be watched ({start} of {count}): use a larger --queued");
    }
    let (mut done, mut moved) = (start, Instant::now());
    while done < enough {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = world.stub.calls("pin/add").await?;
        if now > done {
            (done, moved) = (now, Instant::now());
        } else if moved.elapsed() > STUCK {
            bail!("waited {} s in vain: a call of pin/add, {done} of {count} came", STUCK.as_secs());
        }
    }
    let rate = (done - start) as f64 / began.elapsed().as_secs_f64();
    let (lists, adds) = (world.stub.calls("pin/ls").await?, world.stub.calls("pin/add").await?);
    results.record(side, Figure::Tracked, rate);
    results.note(
        side,
        &format!(
            "tracked {} pins after the load ended, stub delay {} ms; so far {adds} pin/add and {lists} pin/ls calls",
            done - start,
            stage.settings.delay
        ),
    );
    world.daemon.kill().await
}
