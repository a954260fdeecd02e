//! `state convert`: the same pins under the other consensus, and a configuration that says so.
//!
//! The new state is built beside the old one, which is kept; then the configuration changes. Between the two the peer refuses
//! to start and says why; the command, given again, does what is left.

use super::{
    BesideGo, StateError, go_store,
    import::{Chunk, fill},
    old_states,
    opened::{OpenedState, make_ready},
    progress::Progress,
};
use crate::{
    command::Prepared,
    config::{Config, ConsensusKind},
};
use cluster_core::{
    pinset::{counters::Counters, read},
    ports::datastore::{Cursor, Snapshot, Tree},
};
use cluster_datastore::BuildPurpose;

/// Pins read at a time.
const PAGE: usize = 256;

pub(super) fn run(prepared: &Prepared, wanted: ConsensusKind) -> Result<(), StateError> {
    if let Some(sourced) = &prepared.config.sourced {
        return Err(StateError::Sourced { url: sourced.url.to_string() });
    }
    let opened = OpenedState::open_any(prepared, BesideGo::Refuse)?;
    // One that holds nothing is kept by whom it will be.
    if opened.kept_by()?.is_none_or(|kept_by| kept_by == wanted) {
        opened.store.close()?;
    } else {
        convert(prepared, opened, wanted)?;
    }
    write_config(prepared, wanted)
}

fn convert(prepared: &Prepared, opened: OpenedState, wanted: ConsensusKind) -> Result<(), StateError> {
    let building = opened.generations.build(BuildPurpose::Convert { consensus: wanted.name().to_owned() })?;
    let store = building.store()?;
    make_ready(&*store, &opened.path, &prepared.identity.id())?;
    go_store::settle(&*store)?;
    let count = {
        let view = opened.store.long_snapshot()?;
        let total = Counters::load(&*view)?.pins();
        let progress = Progress::of_pins("converting", Some(total), None);
        fill(
            prepared,
            wanted,
            &store,
            pins(&*view).inspect(|page| {
                progress.advance(page.as_ref().map_or(0, |page| page.len() as u64));
            }),
        )?
    };
    drop(store);
    opened.store.close()?;
    let place = old_states::make_room(prepared)?;
    building.finish_keeping(&place)?;
    tracing::info!(
        target: "service", pins = count,
        "the pins are kept by {} now; the state before is in {}", wanted.name(), place.display()
    );
    Ok(())
}

/// Reads all pins, page by page.
fn pins(view: &dyn Snapshot) -> impl Iterator<Item = Chunk> {
    let mut cursor = Cursor::all(Tree::Pins);
    std::iter::from_fn(move || {
        if cursor.is_done() {
            return None;
        }
        let page = cursor.next_page_of(view, PAGE);
        Some(page.map(read::decode_pins).map_err(StateError::from))
    })
}

/// Makes the configuration say which consensus it is. The file before is kept beside it.
fn write_config(prepared: &Prepared, wanted: ConsensusKind) -> Result<(), StateError> {
    if prepared.config.consensus.kind() == wanted {
        return Ok(());
    }
    Config::change_consensus(&prepared.base, wanted).map_err(StateError::Configuration)
}
