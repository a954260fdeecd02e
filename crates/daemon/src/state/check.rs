//! `state check`: compares everything derived with a recount.

use super::{BesideGo, OpenedState, StateError};
use crate::command::Prepared;
use cluster_core::pinset::check;

pub(super) fn run(prepared: &Prepared) -> Result<(), StateError> {
    let opened = OpenedState::open(prepared, BesideGo::Refuse)?;
    let report = check::check(&*opened.store, &prepared.identity.id())?;
    println!("{report}");
    opened.store.close()?;
    match report.total_mismatches() {
        0 => Ok(()),
        mismatches => Err(StateError::Check { mismatches }),
    }
}
