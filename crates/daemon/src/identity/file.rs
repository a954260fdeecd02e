//! Reads and writes `identity.json`, with the environment over it (api §5.6, §6.2).

use super::{Identity, IdentityError, old_file};
use crate::{
    config::{Environment, SecretText, peer_id},
    init::durable_file,
};
use cluster_core::PeerId;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Variables that override the file, each alone or both.
const ID_VARIABLE: &str = "CLUSTER_ID";
const KEY_VARIABLE: &str = "CLUSTER_PRIVATEKEY";

/// The file as written; declaration order is writing order.
#[derive(Serialize, Deserialize)]
struct RawIdentity {
    id: String,
    private_key: SecretText,
}

impl Identity {
    /// Names the file of a base folder.
    pub fn path(base: &Path) -> PathBuf {
        base.join("identity.json")
    }

    /// Loads the identity of a base folder, or that of an old configuration in it. `CLUSTER_PRIVATEKEY` replaces the key (and with it the ID) and makes the
    /// file unnecessary; `CLUSTER_ID` replaces the ID. Whatever results must match.
    ///
    /// # Errors
    /// Nothing there, not readable, not a key, or ID and key do not match. No text holds key bytes.
    pub fn load(base: &Path, environment: &Environment) -> Result<Self, IdentityError> {
        if let Some(identity) = Self::of_environment(environment)? {
            return Ok(identity);
        }
        let path = Self::path(base);
        let (identity, written_id) = match read(&path) {
            Err(missing @ IdentityError::Missing { .. }) => old_file::extract(base)?.ok_or(missing)?,
            found => found?,
        };
        match variable(environment, ID_VARIABLE)? {
            Some(id) => parse_id(id).and_then(|id| identity.matching(id)).map_err(|e| e.at(ID_VARIABLE)),
            None => {
                parse_id(&written_id).and_then(|id| identity.matching(id)).map_err(|e| e.at(path.display()))
            }
        }
    }

    /// Takes the identity from the environment alone, when it holds a key.
    ///
    /// # Errors
    /// Not a key, or `CLUSTER_ID` is there and not the key's.
    pub fn of_environment(environment: &Environment) -> Result<Option<Self>, IdentityError> {
        let Some(key) = variable(environment, KEY_VARIABLE)? else { return Ok(None) };
        let identity = Self::from_private_key(key).map_err(|error| error.at(KEY_VARIABLE))?;
        match variable(environment, ID_VARIABLE)? {
            Some(id) => {
                let id = parse_id(id).map_err(|error| error.at(ID_VARIABLE))?;
                identity.matching(id).map(Some)
            }
            None => Ok(Some(identity)),
        }
    }

    /// Makes the identity of a new peer: the environment's, else a fresh key.
    ///
    /// # Errors
    /// The environment holds no good key, or an ID without the key that goes with it.
    pub fn for_new_peer(environment: &Environment) -> Result<Self, IdentityError> {
        match (Self::of_environment(environment)?, variable(environment, ID_VARIABLE)?) {
            (Some(identity), _) => Ok(identity),
            (None, None) => Self::generate(),
            (None, Some(_)) => Err(IdentityError::Mismatch.at(ID_VARIABLE)),
        }
    }

    /// Writes the identity of a base folder, mode 0600, whole or not at all.
    ///
    /// # Errors
    /// The file system's.
    pub fn save(&self, base: &Path) -> Result<(), IdentityError> {
        let path = Self::path(base);
        let raw = RawIdentity {
            id: self.id().to_string(),
            private_key: SecretText::new(self.expose_private_key()),
        };
        let mut text = Zeroizing::new(Vec::new());
        let pretty = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        raw.serialize(&mut serde_json::Serializer::with_formatter(&mut *text, pretty))
            .map_err(io::Error::from)
            .and_then(|()| durable_file::write(&path, &text))
            .map_err(|source| IdentityError::File { path, source })
    }
}

/// Reads a file: the identity of its key, and the ID it claims.
fn read(path: &Path) -> Result<(Identity, String), IdentityError> {
    let text = match fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(IdentityError::Missing { path: path.to_owned() });
        }
        Err(source) => return Err(IdentityError::File { path: path.to_owned(), source }),
    };
    // The parser's own text may repeat what it found: only the position is kept.
    let raw: RawIdentity = serde_json::from_slice(&text).map_err(|error| IdentityError::Form {
        path: path.to_owned(),
        line: error.line(),
        column: error.column(),
    })?;
    let identity = Identity::from_private_key(raw.private_key.expose()).map_err(|e| e.at(path.display()))?;
    Ok((identity, raw.id))
}

fn variable<'a>(environment: &'a Environment, name: &'static str) -> Result<Option<&'a str>, IdentityError> {
    environment
        .non_empty(name)
        .map(|value| value.to_str().ok_or(IdentityError::Variable { name }))
        .transpose()
}

pub(super) fn parse_id(text: &str) -> Result<PeerId, IdentityError> {
    peer_id(text).ok_or_else(|| IdentityError::Id { found: text.to_owned() })
}
