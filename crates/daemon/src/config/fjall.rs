//! The `datastore.fjall` section.

use super::{
    byte_size::ByteSize,
    checker::{Checker, text_or},
    node::quote,
    raw::RawFjall,
};
use std::path::PathBuf;

/// Settings of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FjallConfig {
    /// Folder, relative to the base folder.
    pub folder: PathBuf,
    /// Memory the store may use.
    pub memory_budget: ByteSize,
}

/// Below this the store's own tables do not fit.
const LEAST_MEMORY: ByteSize = ByteSize::mebibytes(16);
const DEFAULT_MEMORY: ByteSize = ByteSize::mebibytes(96);

impl FjallConfig {
    pub(crate) fn parse(raw: RawFjall, check: &mut Checker<'_>) -> Self {
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
        Self { folder: text_or(raw.folder, "store").into(), memory_budget }
    }

    pub(crate) fn to_raw(&self) -> RawFjall {
        RawFjall {
            folder: Some(self.folder.display().to_string()),
            memory_budget: Some(self.memory_budget.to_string()),
        }
    }
}
