//! The JSON of the daemon's answers. Unknown fields are ignored.

use serde::Deserialize;
use std::collections::BTreeMap;

/// `id`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Id {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) addresses: Option<Vec<String>>,
}

/// One object of the stream of `pin/add`: progress, at the end the pins.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PinAdd {
    #[serde(default)]
    pub(crate) pins: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) progress: Option<u64>,
    #[serde(default)]
    pub(crate) bytes: Option<u64>,
    /// Set when the daemon fails after it began to answer.
    #[serde(default)]
    pub(crate) message: Option<String>,
}

/// One object of the stream of `pin/ls`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PinLs {
    #[serde(default)]
    pub(crate) cid: Option<String>,
    #[serde(default, rename = "Type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) message: Option<String>,
}

/// `resolve`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Resolve {
    pub(crate) path: String,
}

/// `repo/stat`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RepoStat {
    #[serde(default)]
    pub(crate) repo_size: u64,
    #[serde(default)]
    pub(crate) storage_max: u64,
}

/// An error the daemon reports.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Failure {
    pub(crate) message: String,
}

/// `config/show`.
pub(crate) type Config = BTreeMap<String, serde_json::Value>;
