//! Where the configuration of a base folder stands, and in which notation.

use super::ConfigError;
use std::path::{Path, PathBuf};

/// Notation of a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConfigFormat {
    /// Ours, `service.toml`: what is unknown is a mistake, what is missing has its default.
    #[default]
    Toml,
    /// That of the Go suite, `service.json`: what is unknown is passed over with a warning, and what is missing means
    /// what it means there.
    Json,
}

impl ConfigFormat {
    /// Returns the name of the file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Toml => "service.toml",
            Self::Json => "service.json",
        }
    }

    /// Tells in which notation a text is that has no name. One in TOML never begins with a brace.
    pub(super) fn of_text(text: &str) -> Self {
        if text.trim_start().starts_with('{') { Self::Json } else { Self::Toml }
    }

    /// Returns the name of the notation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Toml => "TOML",
            Self::Json => "JSON",
        }
    }
}

/// The two files a base folder may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFiles {
    toml: PathBuf,
    json: PathBuf,
}

impl ConfigFiles {
    /// Names them.
    pub fn of(base: &Path) -> Self {
        let file = |format: ConfigFormat| base.join(format.file_name());
        Self { toml: file(ConfigFormat::Toml), json: file(ConfigFormat::Json) }
    }

    /// Returns the file of a notation, there or not.
    pub fn path(&self, format: ConfigFormat) -> &Path {
        match format {
            ConfigFormat::Toml => &self.toml,
            ConfigFormat::Json => &self.json,
        }
    }

    /// Returns the notation of the file to read.
    ///
    /// # Errors
    /// None is there, or both are.
    pub fn existing(&self) -> Result<ConfigFormat, ConfigError> {
        let Self { toml, json } = self.clone();
        match (toml.exists(), json.exists()) {
            (true, true) => Err(ConfigError::TwoFiles { toml, json }),
            (true, false) => Ok(ConfigFormat::Toml),
            (false, true) => Ok(ConfigFormat::Json),
            (false, false) => Err(ConfigError::Missing { toml, json }),
        }
    }

    /// Says whether the folder holds a configuration of a notation, which would be written over.
    ///
    /// # Errors
    /// The file of the other notation is there: a second one beside it would be one too many.
    pub fn may_overwrite(&self, format: ConfigFormat) -> Result<bool, ConfigError> {
        let other = match format {
            ConfigFormat::Toml => ConfigFormat::Json,
            ConfigFormat::Json => ConfigFormat::Toml,
        };
        let (wanted, exists) = (self.path(format), self.path(other));
        match (wanted.exists(), exists.exists()) {
            (there, false) => Ok(there),
            (true, true) => Err(ConfigError::TwoFiles { toml: self.toml.clone(), json: self.json.clone() }),
            (false, true) => {
                Err(ConfigError::OtherFile { exists: exists.to_owned(), wanted: format.file_name() })
            }
        }
    }
}
