//! The environment as a value, so that tests pass their own and nothing reads variables in passing.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
};

/// A snapshot of environment variables. Holds secrets, hence no `Debug`.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// Takes the variables of this process.
    pub fn process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// Builds one from pairs.
    pub fn of<K: Into<OsString>, V: Into<OsString>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }

    /// Returns a variable, set to nothing included.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// Returns a variable that is set to something.
    pub fn non_empty(&self, name: &str) -> Option<&OsStr> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Returns a variable that is set to readable text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.non_empty(name).and_then(OsStr::to_str)
    }
}
