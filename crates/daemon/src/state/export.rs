//! `state export`: one JSON object a line, in key order (api §13).

use super::{
    BesideGo, OpenedState, StateError,
    output::{self, Output},
    progress::Progress,
};
use crate::command::{Prepared, StateExport};
use cluster_api_types::{Pin, TextCache, json};
use cluster_core::{
    pinset::{counters::Counters, read},
    ports::datastore::{Cursor, Tree},
};
use std::path::Path;

/// Rows read at a time.
const PAGE: usize = 4096;

pub(super) fn run(prepared: &Prepared, options: &StateExport) -> Result<(), StateError> {
    let opened = OpenedState::open(prepared, BesideGo::Refuse)?;
    let file = options.file.as_deref();
    let mut count = 0;
    output::write(file, |out| {
        count = write_pins(&opened, out, file)?;
        Ok(())
    })?;
    opened.store.close()?;
    tracing::info!(target: "service", pins = count, "state exported");
    Ok(())
}

/// Returns how many there are.
pub(super) fn write_pins(
    opened: &OpenedState,
    out: &mut Output<'_>,
    file: Option<&Path>,
) -> Result<u64, StateError> {
    let snapshot = opened.store.long_snapshot()?;
    let progress = Progress::of_pins("exporting", Some(Counters::load(&*snapshot)?.pins()), file);
    let mut cursor = Cursor::all(Tree::Pins);
    let mut cache = TextCache::default();
    let mut lines = Vec::new();
    let mut count = 0u64;
    while !cursor.is_done() {
        lines.clear();
        for pin in read::decode_pins(cursor.next_page_of(&*snapshot, PAGE)?) {
            count += 1;
            progress.advance(1);
            json::to_line(&Pin::from_core(&pin, &mut cache), &mut lines).map_err(|e| out.failed(e.into()))?;
        }
        out.write(&lines)?;
    }
    Ok(count)
}
