//! Pages of searches over the large pinset, and the list of everything, also while it changes.

use crate::bench::connection::{Connection, get};
use crate::bench::figures::{Figure, Results};
use crate::bench::histogram::Histogram;
use crate::bench::import_file::DESCRIBED;
use crate::bench::load::{Load, Until};
use crate::bench::procfs;
use crate::bench::settings::SeedBy;
use crate::bench::stage::Stage;
use crate::bench::stream::lines;
use crate::bench::suite::Side;
use anyhow::{Context, Result, bail, ensure};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Entries of a page, the most there may be.
const PAGE: u64 = 1_000;
/// Pages of each kind; a search that ends begins anew.
const PAGES: u64 = 500;
/// Pins added while everything is listed.
const WRITES: u64 = 5_000;
const LIMIT: Duration = Duration::from_secs(900);
const BUFFER: usize = 64 * 1024;

pub(super) async fn run(stage: &mut Stage<'_>, results: &mut Results) -> Result<()> {
    let side = stage.suite.side;
    if side == Side::Go {
        results.note(side, "has no pages");
        return Ok(());
    }
    let (rest, template) = (stage.settings.rest(), stage.load_template());
    let described = stage.settings.seed_by == SeedBy::Import;
    let (daemon, large) = stage.start_large(results).await?;
    let (api, count) = (large.peer.api(), large.count);
    tokio::time::sleep(rest).await;
    let mut searches = vec![
        (Figure::PageStatus, "/pins?local=true&filter=pinned", count),
        (Figure::PageName, "/allocations?name-prefix=bench-0", count),
    ];
    if described {
        searches.push((Figure::PageMetadata, "/allocations?meta-group=bench", count.div_ceil(DESCRIBED)));
    }
    for (figure, path, found) in searches {
        let times = pages(api, path, found).await?;
        results.record(side, figure, times.quantile_ms(0.99));
        results.note(
            side,
            &format!(
                "GET {path}&limit={PAGE}: p50 {:.1}, max {:.1} ms",
                times.quantile_ms(0.5),
                times.max_ms()
            ),
        );
    }

    let timing = lines(api, "/allocations", LIMIT, |_| ()).await?;
    ensure!(timing.lines == count, "GET /allocations named {} of {count} pins", timing.lines);
    results.record(side, Figure::ListRate, count as f64 / timing.total.as_secs_f64());

    let idle = procfs::rss_mib(daemon.id())?;
    procfs::reset_peak(daemon.id())?;
    let load = Load {
        api,
        connections: 4,
        first: count,
        until: Until::Count(WRITES),
        warm_up: Duration::ZERO,
        ..template
    };
    let load = load.start().await?;
    let mut seen = vec![0u8; usize::try_from(count)?];
    let mut added = 0u64;
    let timing = lines(api, "/allocations", LIMIT, |line| match number_of(line) {
        Some(number) if number < count => seen[number as usize] = seen[number as usize].saturating_add(1),
        _ => added += 1,
    })
    .await?;
    results.record(side, Figure::ListGrowth, procfs::peak_mib(daemon.id())? - idle);
    let written = load.finish().await?;
    results.record(side, Figure::ListWrong, seen.iter().filter(|times| **times != 1).count() as f64);
    results.note(
        side,
        &format!(
            "listed in {:.2} s amid writes: {added} of {} that were added meanwhile; {}",
            timing.total.as_secs_f64(),
            written.latency.len(),
            written.describe()
        ),
    );
    ensure!(written.errors == 0, "pins failed: {}", written.describe());
    daemon.stop().await?;
    // It is no longer the pinset the other measures speak of.
    stage.large = None;
    Ok(())
}

/// Turns pages of a search that finds so many, one after the other on one connection.
async fn pages(api: SocketAddr, path: &str, found: u64) -> Result<Histogram> {
    let mut connection = Connection::open(api, BUFFER).await?;
    let mut times = Histogram::new();
    let (mut cursor, mut listed) = (None::<String>, 0);
    for _ in 0..PAGES {
        let request = match &cursor {
            Some(cursor) => format!("{path}&limit={PAGE}&cursor={cursor}"),
            None => format!("{path}&limit={PAGE}"),
        };
        let began = Instant::now();
        let (status, body) = connection.fetch(&get(&request)).await?;
        times.record(began.elapsed());
        if !matches!(status, 200 | 204) {
            bail!("GET {request}: status {status}: {}", String::from_utf8_lossy(&body));
        }
        listed += memchr::memchr_iter(b'\n', &body).count() as u64;
        cursor = connection.take_next_cursor();
        if cursor.is_none() {
            ensure!(listed == found, "GET {path} named {listed} of {found} in pages");
            listed = 0;
        }
    }
    Ok(times)
}

/// Finds the number in the name of a listed pin.
fn number_of(line: &[u8]) -> Option<u64> {
    const KEY: &[u8] = b"\"name\":\"bench-";
    let start = memchr::memmem::find(line, KEY)? + KEY.len();
    let length = memchr::memchr(b'"', &line[start..])?;
    std::str::from_utf8(&line[start..start + length]).context("a name").ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::number_of;

    #[test]
    fn a_line_gives_up_its_number() {
        assert_eq!(number_of(br#"{"name":"bench-0000000042","cid":"bafy"}"#), Some(42));
        assert_eq!(number_of(br#"{"name":"other","cid":"bafy"}"#), None);
    }
}
