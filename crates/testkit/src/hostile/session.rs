//! What was said in a live cluster, kept for saying it again.

use super::Identity;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, path::Path};

/// What a peer of a live cluster said, and what it told those who asked it at its REST API. Bytes are in hex.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// What this is.
    pub about: String,
    /// The secret of the cluster, made for it and used nowhere else.
    pub secret: String,
    /// The private key of the peer as in `identity.json`, likewise.
    pub key: String,
    /// Payloads of heads as anybody told them, in order.
    pub heads: Vec<String>,
    /// The last payload of each of the peer's metrics.
    pub metrics: Vec<String>,
    /// Blocks of the Merkle-DAG.
    pub blocks: Vec<String>,
    /// Calls to the peer, and what it answered.
    pub calls: Vec<Call>,
    /// Bodies of its REST API by path.
    pub told: BTreeMap<String, String>,
    /// The lines of its `state export`, sorted.
    pub export: Vec<String>,
}

/// A call, and the answer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Everything the caller says.
    pub call: String,
    /// Everything the peer says.
    pub reply: String,
}

impl Session {
    /// Reads one.
    ///
    /// # Errors
    /// When the file is none.
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read(file).with_context(|| file.display().to_string())?;
        serde_json::from_slice(&text).with_context(|| file.display().to_string())
    }

    /// Writes it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        fs::write(file, text).with_context(|| file.display().to_string())
    }

    /// Returns who the peer is.
    ///
    /// # Errors
    /// When the key is none.
    pub fn identity(&self) -> Result<Identity> {
        Identity::of_key(&self.key)
    }
}
