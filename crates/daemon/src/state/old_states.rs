//! Old states that are kept for a while: those that a cleanup or an import of a Raft peer (api §12.5), or a change of the
//! consensus, took the place of.

use super::StateError;
use crate::command::Prepared;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// How many are kept where the configuration does not say (`consensus.raft.backups_rotate`).
const KEEP: u32 = 6;

/// Makes room for the state that is about to be replaced: older ones move up, and the oldest goes. Returns where the newest
/// belongs; nothing is there.
pub(super) fn make_room(prepared: &Prepared) -> Result<PathBuf, StateError> {
    let keep = prepared.config.consensus.raft().map_or(KEEP, |raft| raft.backups_rotate);
    let store = prepared.base.join(&prepared.config.datastore.folder);
    shift(&store, keep).map_err(|source| StateError::File {
        action: "move the kept states beside",
        path: store,
        source,
    })
}

/// Names a kept state; 0 is the newest.
fn place(store: &Path, number: u32) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(format!(".old.{number}"));
    name.into()
}

fn shift(store: &Path, keep: u32) -> io::Result<PathBuf> {
    let newest = place(store, 0);
    // Up to the first gap: what lies behind one need not move.
    let used = (0..).take_while(|number| place(store, *number).exists()).count();
    let used = u32::try_from(used).unwrap_or(u32::MAX);
    for number in keep.saturating_sub(1)..used {
        fs::remove_dir_all(place(store, number))?;
    }
    for number in (0..used.min(keep.saturating_sub(1))).rev() {
        fs::rename(place(store, number), place(store, number + 1))?;
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the folders of the kept states hold, newest first.
    fn kept(store: &Path) -> Vec<String> {
        let numbers = (0..).map_while(|number| fs::read_to_string(place(store, number).join("mark")).ok());
        numbers.collect()
    }

    fn keep(store: &Path, rotate: u32, mark: &str) {
        let place = shift(store, rotate).unwrap();
        assert!(!place.exists());
        fs::create_dir(&place).unwrap();
        fs::write(place.join("mark"), mark).unwrap();
    }

    #[test]
    fn the_newest_states_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        ["a", "b", "c", "d"].iter().for_each(|mark| keep(&store, 3, mark));
        assert_eq!(kept(&store), ["d", "c", "b"]);
        // Told to keep fewer from now on.
        keep(&store, 1, "e");
        assert_eq!(kept(&store), ["e"]);
        keep(&store, 2, "f");
        assert_eq!(kept(&store), ["f", "e"]);
    }
}
