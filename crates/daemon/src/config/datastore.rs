//! The `datastore.fjall` and `datastore.sled` sections.

use super::{
    byte_size::ByteSize,
    checker::{Checker, text_or},
    node::quote,
    raw::{RawDatastore, RawStore},
};
use cluster_datastore::EngineKind;
use std::path::PathBuf;

/// Settings of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatastoreConfig {
    /// Which engine it has.
    pub engine: EngineKind,
    /// Folder, relative to the base folder.
    pub folder: PathBuf,
    /// Memory the store may use.
    pub memory_budget: ByteSize,
}

/// Below this the store's own tables do not fit.
const LEAST_MEMORY: ByteSize = ByteSize::mebibytes(16);
const DEFAULT_MEMORY: ByteSize = ByteSize::mebibytes(96);

impl DatastoreConfig {
    pub(crate) fn parse(raw: RawDatastore, check: &mut Checker<'_>) -> Self {
        match (raw.fjall, raw.sled) {
            (fjall, None) => {
                let check = check.enter("datastore.fjall");
                Self::parse_section(EngineKind::Fjall, fjall.unwrap_or_default(), check)
            }
            (fjall, Some(sled)) => {
                if fjall.is_some() {
                    let found = "a section beside [datastore.fjall]";
                    check.enter("datastore").reject("sled", found, "one datastore");
                }
                Self::parse_section(EngineKind::Sled, sled, check.enter("datastore.sled"))
            }
        }
    }

    fn parse_section(engine: EngineKind, raw: RawStore, check: &mut Checker<'_>) -> Self {
        let memory_budget = match raw.memory_budget.as_deref() {
            None | Some("") => DEFAULT_MEMORY,
            Some(text) => ByteSize::parse(text).filter(|size| *size >= LEAST_MEMORY).unwrap_or_else(|| {
                check.reject(
                    "memory_budget",
                    quote(text),
                    format!("a size of at least {LEAST_MEMORY}, such as \"96MiB\""),
                );
                DEFAULT_MEMORY
            }),
        };
        Self { engine, folder: text_or(raw.folder, "store").into(), memory_budget }
    }

    pub(crate) fn to_raw(&self) -> RawDatastore {
        let raw = RawStore {
            folder: Some(self.folder.display().to_string()),
            memory_budget: Some(self.memory_budget.to_string()),
        };
        match self.engine {
            EngineKind::Sled => RawDatastore { fjall: None, sled: Some(raw) },
            // A store in memory is none that a file could name.
            EngineKind::Fjall | EngineKind::Memory => RawDatastore { fjall: Some(raw), sled: None },
        }
    }
}
