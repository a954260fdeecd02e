//! Followers: peers that go by a configuration which somebody else publishes, and change nothing (api §7).
//!
//! Each cluster that is followed has a folder of its own, named after it, below one that is common to all.

mod error;
mod figures;
mod first_sync;
mod gateway;
mod info;
mod init;
mod list;
mod remove;
mod run;
mod stop;
mod time_left;

pub use error::FollowError;
pub use figures::SyncFigures;
pub use gateway::DEFAULT_GATEWAY;
pub use info::{Info, SourceState, info};
pub use init::{InitFollower, init};
pub use list::{line, list_stored};
pub use remove::{RemoveAnswer, remove};
pub use run::run;
pub use stop::{StopAnswer, stop};

use crate::{
    Config, Environment, ExecutionLock, LockError,
    config::{ConfigFiles, HttpApiConfig, Lookup},
    lock::LockCause,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// File name of the REST API's socket.
const SOCKET: &str = "api-socket";

/// A follower by its name, initialised or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower {
    program: &'static str,
    name: String,
    base: PathBuf,
}

impl Follower {
    /// Names the follower of a cluster in the folder of all. Of `program`, the name of the one at work, people are told
    /// what to run next.
    ///
    /// # Errors
    /// The name cannot be that of a folder.
    pub fn new(program: &'static str, folder: &Path, name: &str) -> Result<Self, FollowError> {
        let is_good = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
        if !is_good {
            return Err(FollowError::Name { name: name.to_owned() });
        }
        let folder = std::path::absolute(folder)
            .map_err(|source| FollowError::Folder { path: folder.to_owned(), source })?;
        Ok(Self { program, name: name.to_owned(), base: folder.join(name) })
    }

    /// Returns the name of the program, of which people are told.
    pub fn program(&self) -> &'static str {
        self.program
    }

    /// Returns the name of the cluster.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the folder.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Returns where the REST API's socket is, unless the environment moves the API elsewhere.
    pub fn socket(&self) -> PathBuf {
        self.base.join(SOCKET)
    }

    /// Checks that `init` has been here.
    ///
    /// # Errors
    /// It has not.
    pub fn check_initialized(&self) -> Result<(), FollowError> {
        if has_configuration(&self.base) {
            return Ok(());
        }
        Err(FollowError::NotInitialized { program: self.program, name: self.name.clone() })
    }

    /// Loads the configuration.
    fn load(&self, environment: &Environment, lookup: Lookup) -> Result<Config, FollowError> {
        Config::load_follower(&self.base, &self.socket_text()?, environment, lookup)
            .map_err(|source| FollowError::Config { path: self.base.clone(), source })
    }

    /// Takes the lock of the folder, or fails at once.
    fn lock(&self) -> Result<ExecutionLock, FollowError> {
        let (program, name) = (self.program, self.name.clone());
        ExecutionLock::acquire(&self.base).map_err(|LockError { path, cause }| match cause {
            LockCause::Held => FollowError::Held { path, program, name },
            cause => FollowError::Lock { path, cause, program },
        })
    }

    /// Returns how the REST API of this follower is reached: by the socket, if the environment does not move it.
    ///
    /// # Errors
    /// A variable is not good.
    pub fn api(&self, environment: &Environment) -> Result<Option<HttpApiConfig>, FollowError> {
        Ok(self.defaults(environment)?.restapi)
    }

    /// Makes what it goes by while nothing is known of its cluster.
    fn defaults(&self, environment: &Environment) -> Result<Config, FollowError> {
        Config::initial_follower(&self.base, &self.socket_text()?, environment)
            .map_err(FollowError::Environment)
    }

    fn socket_text(&self) -> Result<String, FollowError> {
        let socket = self.socket();
        let text = socket.to_str().map(str::to_owned);
        text.ok_or(FollowError::PathText { path: socket })
    }
}

/// Names the followers that are initialised in a folder, in their alphabet's order.
///
/// # Errors
/// The folder cannot be read. One that does not exist holds none.
pub fn find_all(folder: &Path) -> Result<Vec<String>, FollowError> {
    let failed = |source| FollowError::Folder { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().into_string();
        if let Ok(name) = name
            && !name.starts_with('.')
            && has_configuration(&entry.path())
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Says whether a folder holds a configuration, or two, which is a mistake to be told of later.
fn has_configuration(base: &Path) -> bool {
    !matches!(ConfigFiles::of(base).existing(), Err(crate::ConfigError::Missing { .. }))
}
