//! The identity of a peer that Go 0.10 or older made: it stands in the configuration (api §6.2).

use super::{Identity, IdentityError};
use crate::config::{ConfigFiles, ConfigFormat, SecretText};
use serde::Deserialize;
use std::{fs, path::Path};
use zeroize::Zeroizing;

#[derive(Deserialize)]
struct OldConfiguration {
    cluster: OldCluster,
}

#[derive(Deserialize)]
struct OldCluster {
    id: String,
    private_key: SecretText,
}

/// Finds an identity in the `service.json` of a base folder that has no `identity.json`, and saves it there. None when
/// there is none either: what else is wrong with that file is the configuration's matter.
pub(super) fn extract(base: &Path) -> Result<Option<(Identity, String)>, IdentityError> {
    let files = ConfigFiles::of(base);
    let path = files.path(ConfigFormat::Json);
    let Ok(text) = fs::read(path).map(Zeroizing::new) else { return Ok(None) };
    let Ok(OldConfiguration { cluster }) = serde_json::from_slice(&text) else { return Ok(None) };
    let identity =
        Identity::from_private_key(cluster.private_key.expose()).map_err(|e| e.at(path.display()))?;
    let id = super::file::parse_id(&cluster.id).map_err(|e| e.at(path.display()))?;
    let identity = identity.matching(id).map_err(|e| e.at(path.display()))?;
    identity.save(base)?;
    let saved = Identity::path(base);
    eprintln!(
        "NOTICE: identity information extracted from {} and saved as {}",
        path.display(),
        saved.display()
    );
    Ok(Some((identity, cluster.id)))
}
