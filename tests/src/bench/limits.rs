//! What the machine itself can do, in the same run: the figures mean little without it.

use super::control::Server;
use super::load::{Load, Until};
use super::procfs;
use super::settings::Settings;
use super::sync_probe;
use anyhow::{Context, Result};
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The machine and its limits.
#[derive(Debug)]
pub(crate) struct Limits {
    /// Appends of 256 B with fdatasync a second, before the loads.
    pub(crate) sync_rate: f64,
    lines: Vec<String>,
}

impl Limits {
    /// Describes the machine, a line for each thing.
    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }
}

/// Measures the disk and the generator.
pub(crate) async fn measure(settings: &Settings) -> Result<Limits> {
    let time = Duration::from_secs_f64(if settings.quick { 0.7 } else { 3.0 });
    let sync_rate = sync_probe::probe(settings, time)?;
    let mut lines = vec![
        machine(settings)?,
        format!(
            "append + fdatasync of 256 B before the loads: {sync_rate:.0}/s ({:.3} ms)",
            1e3 / sync_rate.max(1e-9)
        ),
    ];
    let server = Server::empty()?;
    for connections in [1, 16, 256] {
        let load = Load {
            api: server.address(),
            connections,
            seed: settings.seed,
            first: 0,
            until: Until::Time(time),
            warm_up: Duration::from_millis(200),
            remember: false,
            check_every: None,
        };
        let (mine, theirs) = (procfs::cpu_seconds(std::process::id())?, procfs::cpu_seconds(server.id())?);
        let outcome = load.run().await?;
        let requests = outcome.next.max(1) as f64;
        lines.push(format!(
            "generator against an empty handler (one loopback round trip), c = {connections}: {:.0}/s, p50 {:.3} ms; \
             CPU {:.1} µs a request, of the handler {:.1} µs",
            outcome.rate(),
            outcome.latency.quantile_ms(0.5),
            (procfs::cpu_seconds(std::process::id())? - mine) / requests * 1e6,
            (procfs::cpu_seconds(server.id())? - theirs) / requests * 1e6,
        ));
    }
    Ok(Limits { sync_rate, lines })
}

fn machine(settings: &Settings) -> Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("?");
    let model = model.trim_start_matches([' ', '\t', ':']);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or("?").trim();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    let folder = settings.dir.clone().unwrap_or_else(std::env::temp_dir);
    let kind = rustix::fs::statfs(&folder).context("looking at the disk")?.f_type;
    let disk = match u64::try_from(kind).unwrap_or(0) {
        0xEF53 => "ext4".to_owned(),
        0x9123_683E => "btrfs".to_owned(),
        0x5846_5342 => "xfs".to_owned(),
        0x0102_1994 => "tmpfs: NOT A DISK, figures of writes mean nothing".to_owned(),
        0x794c_7630 => "overlayfs".to_owned(),
        other => format!("file system {other:#x}"),
    };
    Ok(format!(
        "{}; {model}, {cores} cores, memory {memory}, kernel {}, {disk}, load average before the run {load}",
        today()?,
        kernel.trim()
    ))
}

/// Returns today's date, UTC.
fn today() -> Result<String> {
    let days = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?.as_secs() / 86_400;
    Ok(date_of(days))
}

/// Turns days since 1970 into a date: counts from March, in eras of 400 years.
fn date_of(days: u64) -> String {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let in_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * in_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{:02}", in_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::date_of;

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(date_of(0), "1970-01-01");
        assert_eq!(date_of(11_016), "2000-02-29");
        assert_eq!(date_of(11_017), "2000-03-01");
        assert_eq!(date_of(20_453), "2025-12-31");
        assert_eq!(date_of(20_454), "2026-01-01");
    }
}
