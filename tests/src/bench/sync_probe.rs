//! How often a second the disk syncs a small append, probed beside the loads it explains.
//!
//! One probe says little: on a disk that others use too, the rate changes tenfold within seconds. So every probe is
//! kept, and a bar that scales with the rate is only applied while the probes agree.

use super::figures::median;
use super::settings::Settings;
use anyhow::{Context, Result};
use std::io::Write;
use std::time::{Duration, Instant};

/// Greatest spread of the probes, as a share of their median, at which the disk counts as steady.
const STEADY: f64 = 0.25;

/// Appends 256 B and syncs them, again and again for `time`; returns how often a second.
pub(crate) fn probe(settings: &Settings, time: Duration) -> Result<f64> {
    let mut file = match &settings.dir {
        Some(dir) => tempfile::tempfile_in(dir),
        None => tempfile::tempfile(),
    }
    .context("making a file to sync")?;
    let began = Instant::now();
    let mut count = 0u64;
    while began.elapsed() < time {
        file.write_all(&[count as u8; 256])?;
        file.sync_data()?;
        count += 1;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

/// All probes of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct SyncProbes(Vec<f64>);

impl SyncProbes {
    /// Keeps one more.
    pub(crate) fn add(&mut self, rate: f64) {
        self.0.push(rate);
    }

    /// Returns the rate bars are scaled by; `None` while the probes disagree, because then it would be arbitrary.
    pub(crate) fn steady_rate(&self) -> Option<f64> {
        let middle = median(&self.0)?;
        (self.greatest() - self.least() <= STEADY * middle).then_some(middle)
    }

    /// Describes the probes, and says what must not be concluded from them.
    pub(crate) fn describe(&self, acks_at_one: &[f64]) -> Vec<String> {
        let Some(middle) = median(&self.0) else { return Vec::new() };
        let mut lines = vec![format!(
            "append + fdatasync of 256 B, {} probes beside the loads: median {middle:.0}/s, {:.0} to {:.0}",
            self.0.len(),
            self.least(),
            self.greatest()
        )];
        if self.steady_rate().is_none() {
            lines.push(
                "DISK NOT STEADY: the probes differ too much to scale a bar by; the scaled bars are left out, and no \
                 figure that waits for the disk should be compared with another run's"
                    .to_owned(),
            );
        }
        if acks_at_one.iter().any(|rate| *rate > self.greatest()) {
            lines.push(
                "c = 1 WAS ACKNOWLEDGED FASTER THAN ANY PROBE SYNCED: either the disk changed meanwhile, or some \
                 acknowledgement did not wait for its flush; trace the daemon's fdatasync calls before using the figure"
                    .to_owned(),
            );
        }
        lines
    }

    fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn greatest(&self) -> f64 {
        self.0.iter().copied().fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::SyncProbes;

    fn probes(rates: &[f64]) -> SyncProbes {
        let mut probes = SyncProbes::default();
        rates.iter().for_each(|rate| probes.add(*rate));
        probes
    }

    #[test]
    fn only_a_steady_disk_scales_a_bar() {
        assert_eq!(probes(&[5_000.0, 5_100.0, 4_900.0]).steady_rate(), Some(5_000.0));
        assert_eq!(probes(&[278.0, 882.0, 240.0]).steady_rate(), None);
        assert_eq!(probes(&[]).steady_rate(), None);
    }

    #[test]
    fn acknowledgements_faster_than_the_disk_are_pointed_out() {
        let disk = probes(&[278.0, 280.0]);
        assert_eq!(disk.describe(&[250.0]).len(), 1);
        let lines = disk.describe(&[250.0, 2_220.0]);
        assert!(lines[1].starts_with("c = 1 WAS ACKNOWLEDGED FASTER"), "{lines:?}");
        assert!(probes(&[278.0, 882.0]).describe(&[])[1].starts_with("DISK NOT STEADY"));
    }
}
