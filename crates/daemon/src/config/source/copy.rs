//! The copy of a configuration that is kept elsewhere.

use super::SourceUrl;
use crate::{config::raw::SecretText, init::durable_file};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use zeroize::Zeroizing;

/// The file, beside the one that names the source.
const FILE: &str = "source-copy.json";

/// The last good copy of what a source served, with mode 0600: it can hold the cluster's secret.
pub(super) struct KeptCopy(PathBuf);

/// The file as written.
#[derive(Serialize, Deserialize)]
struct RawCopy {
    /// The URL: a copy is of no use for another one.
    source: SecretText,
    /// When it was fetched, in seconds since 1970.
    fetched_at: u64,
    text: SecretText,
}

impl KeptCopy {
    pub(super) fn in_folder(base: &Path) -> Self {
        Self(base.join(FILE))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the copy of what `url` served, and how old it is; nothing when there is none.
    pub(super) fn read(&self, url: &SourceUrl) -> Option<(Zeroizing<String>, Duration)> {
        let bytes = match fs::read(&self.0) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(target: "config", %error, "{} cannot be read", self.0.display());
                return None;
            }
        };
        // The parser's own text may repeat what it found.
        let Ok(raw) = serde_json::from_slice::<RawCopy>(&bytes) else {
            tracing::warn!(target: "config", "{} is damaged: it is not used", self.0.display());
            return None;
        };
        let fetched = UNIX_EPOCH.checked_add(Duration::from_secs(raw.fetched_at))?;
        let age = SystemTime::now().duration_since(fetched).unwrap_or_default();
        (raw.source.expose() == url.expose()).then(|| (Zeroizing::new(raw.text.expose().to_owned()), age))
    }

    /// Writes what `url` served just now, so that a power cut leaves the old copy or the new one.
    pub(super) fn write(&self, url: &SourceUrl, text: &Zeroizing<String>) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let raw = RawCopy {
            source: SecretText::new(Zeroizing::new(url.expose().to_owned())),
            fetched_at: now.as_secs(),
            text: SecretText::new(text.clone()),
        };
        let bytes = Zeroizing::new(serde_json::to_vec(&raw)?);
        durable_file::write(&self.0, &bytes)
    }
}
