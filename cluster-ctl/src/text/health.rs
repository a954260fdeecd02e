//! Metrics, alerts, traffic and garbage collection.

use super::{Text, cid};
use crate::relative_time::relative;
use cluster_client::api_types::{Alert, BandwidthByProtocol, CrdtHealth, GlobalRepoGc, Metric, RaftHealth};
use std::{
    io::{self, Write},
    time::{SystemTime, UNIX_EPOCH},
};

const NANOS: i64 = 1_000_000_000;

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

impl Text for Metric {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let value = if self.name == "freespace" && self.weight > 0 {
            si_size(self.weight.unsigned_abs())
        } else {
            self.value.clone()
        };
        let expires = relative(self.expire / NANOS, now());
        writeln!(out, "{} | {}: {value} | Expires in: {expires}", self.peer, self.name)
    }
}

impl Text for Alert {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let expired = relative(self.metric.expire / NANOS, now());
        let triggered = relative(self.triggered_at.unix_seconds(), now());
        let Metric { peer, name, .. } = &self.metric;
        writeln!(out, "{peer}: {name}. Expired at: {expired}. Triggered at: {triggered}")
    }
}

impl Text for CrdtHealth {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Heads: {} | Height: {} | Dirty: {}", self.heads.len(), self.height, self.dirty)?;
        self.heads.iter().try_for_each(|head| writeln!(out, "  - {head}"))?;
        writeln!(
            out,
            "Blocks: {} known, {} merged, {} missing | Open walks: {}",
            self.blocks_known, self.blocks_merged, self.blocks_missing, self.open_walks
        )?;
        writeln!(
            out,
            "Elements: {} | Tombstones: {} | Pending operations: {}",
            self.elements, self.tombstones, self.pending_operations
        )?;
        writeln!(out, "Fingerprint: {}", self.fingerprint)
    }
}

impl Text for RaftHealth {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let index = |index: Option<u64>| index.map_or_else(|| "none".to_owned(), |index| index.to_string());
        let leader = self.leader.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
        writeln!(
            out,
            "State: {} | Ready: {} | Term: {} | Leader: {leader}",
            self.state, self.ready, self.term
        )?;
        writeln!(
            out,
            "Log: last {}, committed {}, applied {}, snapshot {}, purged {} | Entries: {} | Lag: {}",
            index(self.last_index),
            index(self.committed_index),
            index(self.applied_index),
            index(self.snapshot_index),
            index(self.purged_index),
            self.log_entries,
            self.lag
        )?;
        for member in &self.members {
            write!(out, "  - {} | {}", member.peer, member.role)?;
            if let Some(lag) = member.lag {
                write!(out, " | Lag: {lag}")?;
            }
            if let Some(heard) = member.heard_ms_ago {
                write!(out, " | Heard {heard} ms ago")?;
            }
            writeln!(out)?;
        }
        if self.error.is_empty() { Ok(()) } else { writeln!(out, "Error: {}", self.error) }
    }
}

impl Text for BandwidthByProtocol {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        self.iter().flatten().try_for_each(|(protocol, traffic)| {
            writeln!(
                out,
                "{protocol:>25}: In: {:>7}. Out: {:>7}. RateIn: {:.2}B/s. RateOut: {:.2}B/s",
                si_size(traffic.total_in.unsigned_abs()),
                si_size(traffic.total_out.unsigned_abs()),
                traffic.rate_in,
                traffic.rate_out
            )
        })
    }
}

impl Text for GlobalRepoGc {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        for (peer, gc) in self.peer_map.iter().flatten() {
            let name = if gc.peername.is_empty() { peer } else { gc.peername.as_str() };
            if !gc.error.is_empty() {
                writeln!(out, "{name:<15} | ERROR: {}", gc.error)?;
            } else {
                writeln!(out, "{name:<15}")?;
            }
            writeln!(out, "  > CIDs:")?;
            for key in gc.keys.iter().flatten() {
                if key.error.is_empty() {
                    writeln!(out, "    - {}", cid(&key.key))?;
                } else {
                    writeln!(out, "    - ERROR: {}", key.error)?;
                }
            }
        }
        Ok(())
    }
}

/// Writes a size in units of 1000, with one decimal below ten of a unit.
pub(super) fn si_size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    let mut divisor = 1u64;
    while bytes / divisor >= 1000 && unit + 1 < UNITS.len() {
        divisor *= 1000;
        unit += 1;
    }
    // Rounded to one decimal, half up.
    let tenths = (u128::from(bytes) * 10 + u128::from(divisor) / 2) / u128::from(divisor);
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if tenths < 100 {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    } else {
        format!("{:.0} {name}", tenths as f64 / 10.0)
    }
}
