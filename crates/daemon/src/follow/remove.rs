//! `<name> remove`: the folder of a follower that does not run goes away.

use super::{FollowError, Follower};
use crate::init::confirm_on_terminal;
use std::fs;

/// What became of the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoveAnswer {
    /// It is gone.
    Removed,
    /// The person said no.
    Kept,
}

/// Removes the folder with identity, configuration and pinset. What the IPFS daemon has pinned stays pinned.
///
/// # Errors
/// It is not initialised, its peer runs, nobody answers the question, or something cannot be removed.
pub fn remove(follower: &Follower, force: bool) -> Result<RemoveAnswer, FollowError> {
    follower.check_initialized()?;
    let base = follower.base();
    let _lock = follower.lock()?;
    let question = format!(
        "The follower peer for \"{}\" will be removed with its identity: everything in {}. What it pinned in IPFS stays \
         pinned. Continue? [y/n]:",
        follower.name(),
        base.display()
    );
    if !force && !confirm_on_terminal(&question)? {
        return Ok(RemoveAnswer::Kept);
    }
    fs::remove_dir_all(base).map_err(|source| FollowError::Folder { path: base.to_owned(), source })?;
    Ok(RemoveAnswer::Removed)
}
