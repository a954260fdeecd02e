//! Where the configuration of a base folder stands.

use super::ConfigError;
use std::path::{Path, PathBuf};

/// The two files a base folder may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFiles {
    toml: PathBuf,
    json: PathBuf,
}

impl ConfigFiles {
    /// Names them.
    pub fn of(base: &Path) -> Self {
        Self { toml: base.join("service.toml"), json: base.join("service.json") }
    }

    /// Returns our own file, there or not.
    pub fn toml(&self) -> &Path {
        &self.toml
    }

    /// Returns the file to read.
    ///
    /// # Errors
    /// None is there, both are, or only the Go implementation's.
    pub fn existing(self) -> Result<PathBuf, ConfigError> {
        let Self { toml, json } = self;
        match (toml.exists(), json.exists()) {
            (true, true) => Err(ConfigError::TwoFiles { toml, json }),
            (true, false) => Ok(toml),
            (false, true) => Err(ConfigError::OnlyGoFile { json }),
            (false, false) => Err(ConfigError::Missing { toml }),
        }
    }

    /// Says whether the folder holds a configuration that may be written over.
    ///
    /// # Errors
    /// The Go implementation's file is there: ours beside it would be one too many.
    pub fn may_overwrite(&self) -> Result<bool, ConfigError> {
        match (self.toml.exists(), self.json.exists()) {
            (toml, false) => Ok(toml),
            (true, true) => Err(ConfigError::TwoFiles { toml: self.toml.clone(), json: self.json.clone() }),
            (false, true) => Err(ConfigError::OnlyGoFile { json: self.json.clone() }),
        }
    }
}
