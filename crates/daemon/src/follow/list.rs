//! `<name> list` of a follower that does not run (api §7.5).

use super::{FollowError, Follower};
use crate::{
    Environment, Identity,
    command::Prepared,
    config::Lookup,
    state::{BesideGo, OpenedState, StateError},
};
use cluster_core::{
    pinset::read,
    ports::datastore::{Cursor, Tree},
};
use std::io::Write;

/// Status of a pin whose peer does not run.
const OFFLINE: &str = "offline";

/// Rows read at a time.
const PAGE: usize = 4096;

/// Writes a line about one pin.
pub fn line(status: &str, cid: &str, name: &str, error: &str) -> String {
    let error = if error.is_empty() { String::new() } else { format!(" ({error})") };
    format!("{status:<20} {cid} {name}{error}\n")
}

/// Lists the pins that are stored in the folder of a follower. One that has never run has none, and gets no store by
/// this either.
///
/// # Errors
/// It runs, it is not initialised, or its store cannot be read.
pub fn list_stored(
    follower: &Follower,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), FollowError> {
    follower.check_initialized()?;
    let config = follower.load(environment, Lookup::CopyFirst)?;
    let base = follower.base().to_owned();
    if !base.join(&config.datastore.folder).exists() {
        return Ok(());
    }
    // Not before: whoever starts the peer waits for the lock for a moment only.
    let lock = follower.lock()?;
    let identity = Identity::load(&base, environment)?;
    let prepared = Prepared { base, config, identity, lock };
    let opened = OpenedState::open(&prepared, BesideGo::Ignore)?;
    let store = &*opened.store;
    let snapshot = store.long_snapshot().map_err(StateError::from)?;
    let mut cursor = Cursor::all(Tree::Pins);
    while !cursor.is_done() {
        let page = cursor.next_page_of(&*snapshot, PAGE).map_err(StateError::from)?;
        for pin in read::decode_pins(page) {
            let line = line(OFFLINE, &pin.cid.to_string(), &pin.options.name, "");
            out.write_all(line.as_bytes()).map_err(FollowError::Output)?;
        }
    }
    out.flush().map_err(FollowError::Output)?;
    drop(snapshot);
    store.close().map_err(StateError::from)?;
    Ok(())
}
