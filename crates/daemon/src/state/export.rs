//! `state export`: one JSON object a line, in key order (api §13).

use super::{
    BesideGo, OpenedState, StateError,
    output::{self, Output},
};
use crate::command::{Prepared, StateExport};
use cluster_api_types::{Pin, TextCache, json};
use cluster_core::{
    pinset::read,
    ports::datastore::{Cursor, Tree},
};

/// Rows read at a time.
const PAGE: usize = 4096;

pub(super) fn run(prepared: &Prepared, options: &StateExport) -> Result<(), StateError> {
    let opened = OpenedState::open(prepared, BesideGo::Refuse)?;
    output::write(options.file.as_deref(), |out| write_pins(&opened, out))?;
    opened.store.close()?;
    Ok(())
}

fn write_pins(opened: &OpenedState, out: &mut Output<'_>) -> Result<(), StateError> {
    let snapshot = opened.store.long_snapshot()?;
    let mut cursor = Cursor::all(Tree::Pins);
    let mut cache = TextCache::default();
    let mut lines = Vec::new();
    let mut count = 0u64;
    while !cursor.is_done() {
        lines.clear();
        for pin in read::decode_pins(cursor.next_page_of(&*snapshot, PAGE)?) {
            count += 1;
            json::to_line(&Pin::from_core(&pin, &mut cache), &mut lines).map_err(|e| out.failed(e.into()))?;
        }
        out.write(&lines)?;
    }
    tracing::info!(target: "service", pins = count, "state exported");
    Ok(())
}
