//! From one notation of the configuration to the other.

use super::{Config, ConfigError, ConfigFormat, Environment, keys, toml_writer::at};
use serde_json::Value;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What to convert.
#[derive(Debug, Clone)]
pub struct Conversion {
    /// The file to read; its name ends in `.toml` or `.json`.
    pub file: PathBuf,
    /// Which datastore's section a `service.json` gets.
    pub datastore: String,
}

/// A configuration in the other notation.
pub struct Converted {
    /// Its text, which holds the secrets.
    pub text: Zeroizing<String>,
    /// Its notation.
    pub format: ConfigFormat,
    /// What the file holds that has no place in the other notation, one sentence each.
    pub left_out: Vec<String>,
}

impl std::fmt::Debug for Converted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Converted").field("format", &self.format).finish_non_exhaustive()
    }
}

/// Failure to convert a configuration. No text holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The source is not good.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The name does not tell the notation.
    #[error("{} ends neither in .toml nor in .json: rename it after its notation", path.display())]
    Notation {
        /// The file.
        path: PathBuf,
    },
    /// No datastore of the Go suite.
    #[error("{found:?} is no datastore of the Go suite; known are pebble, badger3, badger and leveldb")]
    Datastore {
        /// What was given.
        found: String,
    },
    /// The other notation has no words for it.
    #[error(
        "a {} cannot say what the file says about {}; nothing was written. Give these keys other values, or keep the file",
        format.file_name(), keys.join(", ")
    )]
    Lost {
        /// Dotted paths.
        keys: Vec<String>,
        /// The other notation.
        format: ConfigFormat,
    },
    /// There is a file already.
    #[error("{} exists: --force overwrites it", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Conversion {
    /// Names the configuration of a base folder.
    ///
    /// # Errors
    /// None is there, or two are.
    pub fn file_of(base: &Path) -> Result<PathBuf, ConfigError> {
        Config::file(base).map(|(path, _)| path)
    }

    /// Reads the file without the environment and writes its settings in the other notation. The result is read again
    /// and compared: a setting that would change is an error.
    ///
    /// # Errors
    /// The file has mistakes, or says what the other notation cannot say.
    pub fn run(&self) -> Result<Converted, ConvertError> {
        if !keys::GO_STORES.iter().any(|(.., folder)| *folder == self.datastore) {
            return Err(ConvertError::Datastore { found: self.datastore.clone() });
        }
        let path = &self.file;
        let format = match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => ConfigFormat::Toml,
            Some("json") => ConfigFormat::Json,
            _ => return Err(ConvertError::Notation { path: path.clone() }),
        };
        let nothing = Environment::default();
        let loaded = Config::from_layers(&Config::read(path)?, path, format, &nothing)?;
        let config = loaded.config;
        let (text, format) = match format {
            ConfigFormat::Toml => (config.to_json(&self.datastore), ConfigFormat::Json),
            ConfigFormat::Json => (config.to_toml(), ConfigFormat::Toml),
        };
        let (again, _) = Config::from_text(&text, path, format, &nothing)?;
        let keys = differences(&config, &again);
        if !keys.is_empty() {
            return Err(ConvertError::Lost { keys, format });
        }
        let unknown = loaded.warnings.iter().map(ToString::to_string);
        let of_go = loaded.go_sections.iter().map(|section| {
            format!(
                "{section}: this section is for the Go suite's datastore and has no place in a service.toml"
            )
        });
        Ok(Converted { text, format, left_out: unknown.chain(of_go).collect() })
    }
}

/// Names the keys and sections in which two configurations differ.
fn differences(one: &Config, other: &Config) -> Vec<String> {
    let tree = |config: &Config| serde_json::to_value(config.to_raw()).unwrap_or_default();
    let (one, other) = (tree(one), tree(other));
    let value = |tree: &Value, path: &str| at(tree, path).cloned().unwrap_or_default();
    let sections = keys::SECTIONS.iter().map(|section| section.path.to_owned());
    let sections = sections.filter(|path| value(&one, path).is_null() != value(&other, path).is_null());
    let keys = keys::paths().filter(|path| value(&one, path) != value(&other, path));
    sections.chain(keys).collect()
}
