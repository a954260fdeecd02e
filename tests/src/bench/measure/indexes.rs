//! The search indexes made anew on the large pinset while it is used, by a daemon that is killed again and again.

use super::kills::Moments;
use crate::bench::cids;
use crate::bench::figures::{Figure, Results};
use crate::bench::load::{Load, Until};
use crate::bench::peer::Daemon;
use crate::bench::stage::Stage;
use crate::bench::suite::Side;
use anyhow::{Context, Result, bail, ensure};
use cluster_testkit::stored::forget_search_indexes;
use std::time::{Duration, Instant};

/// A search that the last of the indexes leads.
const SEARCH: &str = "/allocations?created-from=2000-01-01T00:00:00Z&limit=1";
const KILLS: u64 = 6;
/// Pause between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(20);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(900);
/// Connections that pin meanwhile.
const CONNECTIONS: usize = 4;

/// How far the indexes are: the name of the one that is being made, and pins in it.
type Place = Option<(String, u64)>;

pub(super) async fn run(stage: &mut Stage<'_>, results: &mut Results) -> Result<()> {
    let side = stage.suite.side;
    if side == Side::Go {
        results.note(side, "has no search indexes");
        return Ok(());
    }
    let (seed, quick) = (stage.settings.seed, stage.settings.quick);
    let template = stage.load_template();
    let (daemon, large) = stage.start_large(results).await?;
    daemon.stop().await?;
    forget_search_indexes(&large.peer.data())?;

    let mut moments = Moments(seed);
    let wanted = cids::text(seed, large.count / 2);
    let (mut up, mut before, mut kills, mut went_back) = (Duration::ZERO, None, 0, 0);
    let acks = loop {
        let mut daemon = large.peer.start()?;
        daemon.first_answer(&wanted, 200).await?;
        let began = Instant::now();
        let load = Load {
            api: large.peer.api(),
            connections: CONNECTIONS,
            // Pins of another sequence, so that the large pinset's own numbers stay free.
            seed: seed.wrapping_add(2_000_000 + kills),
            until: Until::Time(Duration::from_secs(600)),
            warm_up: Duration::ZERO,
            ..template.clone()
        };
        let load = load.start().await?;
        let found = place(&daemon).await?;
        went_back += u64::from(is_behind(&found, &before));
        let longest = if quick { 100 } else { 2_500 };
        let dies = (kills < KILLS).then(|| began + Duration::from_millis(20 + moments.next() % longest));
        before = watch(&daemon, dies).await?;
        up += began.elapsed();
        // Also in the end: nothing else ends the load.
        daemon.kill().await?;
        let pinned = load.finish().await?;
        if before.is_none() {
            break pinned.describe();
        }
        kills += 1;
    };
    results.record(side, Figure::IndexTime, up.as_secs_f64());
    results.record(side, Figure::IndexBack, went_back as f64);
    results.note(
        side,
        &format!("{kills} kills while the indexes were made; pins meanwhile, in the last run: {acks}"),
    );
    // It is no longer the pinset the other measures speak of.
    stage.large = None;
    Ok(())
}

/// Waits until all indexes are ready, or until the daemon is to die; returns how far they were seen.
async fn watch(daemon: &Daemon, dies: Option<Instant>) -> Result<Place> {
    let began = Instant::now();
    loop {
        let found = place(daemon).await?;
        if found.is_none() || dies.is_some_and(|moment| Instant::now() >= moment) {
            return Ok(found);
        }
        ensure!(began.elapsed() < LIMIT, "the indexes are not ready after {} s", LIMIT.as_secs());
        tokio::time::sleep(LOOK).await;
    }
}

/// Asks how far they are.
async fn place(daemon: &Daemon) -> Result<Place> {
    for (index, search) in [
        ("name", "/allocations?name-prefix=bench&limit=1"),
        ("metadata", "/allocations?meta-group=bench&limit=1"),
        ("created", SEARCH),
    ] {
        let (status, body) = daemon.fetch(search, ANSWER_LIMIT).await?;
        match status {
            200 | 204 => {}
            429 => return Ok(Some((index.to_owned(), done(&body)?))),
            other => bail!("GET {search}: status {other}: {}", String::from_utf8_lossy(&body)),
        }
    }
    Ok(None)
}

/// Reads how many pins are in an index: "…: 4096 of 1000000 pins are in it…".
fn done(body: &[u8]) -> Result<u64> {
    let text = String::from_utf8_lossy(body);
    let number = text.split(" of ").next().and_then(|text| text.rsplit(' ').next());
    number.and_then(|number| number.parse().ok()).with_context(|| format!("no number of pins in {text}"))
}

/// Says whether the indexes are not where they were seen before.
fn is_behind(found: &Place, before: &Place) -> bool {
    match (found, before) {
        (Some((index, done)), Some((seen, pins))) if index == seen => done < pins,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{done, is_behind};

    #[test]
    fn the_number_is_found() {
        let body = br#"{"code":429,"message":"the index by name is being made: 4096 of 1000000 pins are in it; try again later"}"#;
        assert_eq!(done(body).unwrap(), 4096);
        assert!(done(b"busy").is_err());
    }

    #[test]
    fn only_the_same_index_can_be_behind() {
        let place = |index: &str, pins| Some((index.to_owned(), pins));
        assert!(is_behind(&place("name", 3), &place("name", 4)));
        assert!(!is_behind(&place("name", 4), &place("name", 4)));
        assert!(!is_behind(&place("metadata", 0), &place("name", 4)));
        assert!(!is_behind(&None, &place("name", 4)));
    }
}
