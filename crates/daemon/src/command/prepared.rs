//! A base folder made ready for work.

use super::CommandError;
use crate::{Config, Environment, ExecutionLock, Identity};
use std::path::{Path, PathBuf};

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
        Ok(Self { base: base.to_owned(), config, identity, lock })
    }
}
