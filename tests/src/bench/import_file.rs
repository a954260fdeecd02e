//! A pinset in the export format (api §13), made of the generator's sequence.

use super::cids;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Every so many pins have metadata.
pub(crate) const DESCRIBED: u64 = 10;

/// Writes pins 0 to `count` of the sequence `seed`, one JSON object a line; every tenth is in the group `bench`.
pub(crate) fn write(path: &Path, seed: u64, count: u64) -> Result<()> {
    let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    for index in 0..count {
        let metadata = if index.is_multiple_of(DESCRIBED) { "{\"group\":\"bench\"}" } else { "null" };
        writeln!(
            out,
            "{{\"replication_factor_min\":-1,\"replication_factor_max\":-1,\"name\":\"bench-{index:010}\",\
             \"mode\":\"recursive\",\"shard_size\":0,\"user_allocations\":null,\
             \"expire_at\":\"0001-01-01T00:00:00Z\",\"metadata\":{metadata},\"pin_update\":null,\"origins\":[],\
             \"cid\":\"{}\",\"type\":\"pin\",\"allocations\":[],\"max_depth\":-1,\"reference\":null,\
             \"timestamp\":\"2026-01-01T00:00:00Z\"}}",
            cids::as_str(&cids::text(seed, index))
        )?;
    }
    out.into_inner().context("writing the import file")?.sync_all().context("writing the import file")
}

#[cfg(test)]
mod tests {
    use crate::bench::cids;

    #[test]
    fn every_line_is_a_pin() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pins");
        super::write(&path, 9, 3).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let pins: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(pins.len(), 3);
        assert_eq!(pins[2]["cid"], cids::as_str(&cids::text(9, 2)));
        assert_eq!((&pins[2]["max_depth"], &pins[2]["type"]), (&(-1).into(), &"pin".into()));
    }
}
