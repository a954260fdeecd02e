//! What the kernel says about a process.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const MIB: f64 = 1024.0 * 1024.0;
/// Clock ticks a second in `/proc/<pid>/stat`; 100 on every Linux this runs on.
const TICKS: f64 = 100.0;

/// Returns the resident set size in MiB.
pub(crate) fn rss_mib(pid: u32) -> Result<f64> {
    kib_line(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// Returns the peak of the resident set since the start or the last [`reset_peak`], in MiB.
pub(crate) fn peak_mib(pid: u32) -> Result<f64> {
    kib_line(&format!("/proc/{pid}/status"), "VmHWM:")
}

/// Returns the proportional set size in MiB.
pub(crate) fn pss_mib(pid: u32) -> Result<f64> {
    kib_line(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// Makes the peak begin anew.
pub(crate) fn reset_peak(pid: u32) -> Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").context("resetting the memory peak")
}

/// Returns the bytes the process caused to be written to disk.
pub(crate) fn write_bytes(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).context("reading /proc/<pid>/io")?;
    let value = text.lines().find_map(|line| line.strip_prefix("write_bytes:")).context("no write_bytes")?;
    Ok(value.trim().parse()?)
}

/// Returns the CPU time used so far, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).context("reading /proc/<pid>/stat")?;
    let (_, after) = text.rsplit_once(')').context("no name in stat")?;
    let fields: Vec<&str> = after.split_ascii_whitespace().collect();
    let ticks = |at: usize| -> Result<f64> { Ok(fields.get(at).context("short stat")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) / TICKS)
}

/// Returns the bytes allocated on disk below a folder; a file that vanishes meanwhile counts nothing.
pub(crate) fn disk_bytes(folder: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut total = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let Ok(metadata) = fs::symlink_metadata(entry.path()) else { continue };
        total += metadata.blocks() * 512;
        if metadata.is_dir() {
            total += disk_bytes(&entry.path()).unwrap_or(0);
        }
    }
    Ok(total)
}

fn kib_line(file: &str, name: &str) -> Result<f64> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {file}"))?;
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = value.and_then(|value| value.split_ascii_whitespace().next());
    let kib: f64 = kib.with_context(|| format!("no {name} in {file}"))?.parse()?;
    Ok(kib * 1024.0 / MIB)
}

/// Watches the proportional set size of a process until dropped.
#[derive(Debug)]
pub(crate) struct PssWatch {
    peak_kib: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl PssWatch {
    /// Looks once a second: the kernel walks all pages for it.
    pub(crate) fn start(pid: u32) -> Self {
        let peak_kib = Arc::<AtomicU64>::default();
        let peak = Arc::clone(&peak_kib);
        let task = tokio::spawn(async move {
            let mut every = tokio::time::interval(Duration::from_secs(1));
            loop {
                every.tick().await;
                let Ok(pss) = pss_mib(pid) else { return };
                peak.fetch_max((pss * 1024.0) as u64, Ordering::Relaxed);
            }
        });
        Self { peak_kib, task }
    }

    /// Returns the peak seen so far in MiB.
    pub(crate) fn peak_mib(&self) -> f64 {
        self.peak_kib.load(Ordering::Relaxed) as f64 / 1024.0
    }
}

impl Drop for PssWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::{cpu_seconds, disk_bytes, peak_mib, reset_peak, rss_mib, write_bytes};

    #[test]
    fn this_process_can_be_read() {
        let pid = std::process::id();
        assert!(rss_mib(pid).unwrap() > 0.5);
        assert!(peak_mib(pid).unwrap() >= rss_mib(pid).unwrap() - 1.0);
        reset_peak(pid).unwrap();
        assert!(cpu_seconds(pid).unwrap() >= 0.0);
        write_bytes(pid).unwrap();
    }

    #[test]
    fn a_folder_weighs_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let before = disk_bytes(folder.path()).unwrap();
        std::fs::create_dir(folder.path().join("below")).unwrap();
        let mut file = std::fs::File::create(folder.path().join("below/file")).unwrap();
        std::io::Write::write_all(&mut file, &[7; 100_000]).unwrap();
        file.sync_all().unwrap();
        assert!(disk_bytes(folder.path()).unwrap() >= before + 100_000);
    }
}
