//! Writing the other consensus into a configuration.

use super::{Config, ConfigError, ConfigFormat, ConsensusKind, Environment, keys};
use crate::init::durable_file;
use cluster_datastore::EngineKind;
use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a configuration was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeConsensusError {
    /// It has mistakes.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Config {
    /// Puts the section of a consensus, with what `init` writes there, in the place of the other one. The rest says what it
    /// said, in the order and with the comments of `init`; the file before is kept beside it, with `.old` behind its name.
    ///
    /// # Errors
    /// When the file cannot be read or written; then it is what it was.
    pub(crate) fn change_consensus(base: &Path, wanted: ConsensusKind) -> Result<(), ChangeConsensusError> {
        let (path, format) = Self::file(base)?;
        let (text, nothing) = (Self::read(&path)?, Environment::default());
        let loaded = Self::from_layers(&text, &path, format, &nothing)?;
        let initial = Self::initial_on(EngineKind::Fjall, wanted, base, &nothing)?;
        let config = Self { consensus: initial.consensus, ..loaded.config };
        let new = match format {
            ConfigFormat::Toml => config.to_toml(),
            ConfigFormat::Json => {
                // The Go suite's own section, if there is one.
                let named = loaded.go_sections.first().and_then(|section| section.split_once('.'));
                let store = named.map_or(keys::GO_STORES[0].2, |(_, store)| store);
                config.to_json(store)
            }
        };
        let write = |path: PathBuf, text: &str| {
            durable_file::write(&path, text.as_bytes())
                .map_err(|source| ChangeConsensusError::Write { path, source })
        };
        let mut old = path.clone().into_os_string();
        old.push(".old");
        let old = PathBuf::from(old);
        write(old.clone(), &text)?;
        write(path.clone(), &new)?;
        tracing::info!(
            target: "config",
            "{} says consensus.{} now; what it said before is in {}",
            path.display(), wanted.name(), old.display()
        );
        Ok(())
    }
}
