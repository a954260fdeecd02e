//! A base folder made ready for work.

use super::CommandError;
use crate::{Config, Environment, ExecutionLock, Identity, config::ConfigFiles};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// A locked base folder with everything loaded that daemon and state commands need. Dropping it releases the lock.
#[derive(Debug)]
pub struct Prepared {
    /// Base folder.
    pub base: PathBuf,
    /// Configuration.
    pub config: Config,
    /// Identity.
    pub identity: Identity,
    /// Held as long as the work lasts.
    pub lock: ExecutionLock,
}

impl Prepared {
    /// Takes the lock, then loads configuration and identity (api §5.3).
    ///
    /// # Errors
    /// The first of the three that fails.
    pub fn load(base: &Path, environment: &Environment) -> Result<Self, CommandError> {
        let lock = ExecutionLock::acquire(base)?;
        let config = Config::load(base, environment)?;
        let identity = Identity::load(base, environment)?;
        let files = ConfigFiles::of(base);
        warn_if_readable(files.path(files.existing()?));
        warn_if_readable(&Identity::path(base));
        Ok(Self { base: base.to_owned(), config, identity, lock })
    }
}

/// Tells the operator when others on the machine can read what holds a secret. Not an error: files that were copied
/// often are.
fn warn_if_readable(path: &Path) {
    let mode = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        let mode = format!("{mode:04o}");
        tracing::warn!(target: "config", path = %path.display(), mode, "others can read this file; run chmod 0600 on it");
    }
}
