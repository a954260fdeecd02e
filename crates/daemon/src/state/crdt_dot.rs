//! `state crdt dot`: the history as a drawing (api §12.4).

use super::{BesideGo, OpenedState, StateError, output};
use crate::command::{Prepared, StateCrdtDot};
use cluster_consensus::crdt::draw;

pub(super) fn run(prepared: &Prepared, options: &StateCrdtDot) -> Result<(), StateError> {
    let opened = OpenedState::open(prepared, BesideGo::Refuse)?;
    output::write(options.file.as_deref(), |out| {
        draw(&*opened.store.long_snapshot()?, |text| out.write(text.as_bytes()))
    })?;
    opened.store.close()?;
    Ok(())
}
