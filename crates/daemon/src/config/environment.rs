//! The environment as a value, so that tests pass their own and nothing reads variables in passing.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    path::PathBuf,
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

/// Nobody said where a program's folder is, and the person has none either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no home folder: use --config")]
pub struct NoHome;

/// Settles where a program's folder is: as given, where `IPFS_CLUSTER_PATH` says, or by its usual name in the home folder.
///
/// # Errors
/// There is no home folder.
pub fn program_folder(
    given: Option<PathBuf>,
    usual: &str,
    environment: &Environment,
) -> Result<PathBuf, NoHome> {
    let named = || environment.non_empty("IPFS_CLUSTER_PATH").map(PathBuf::from);
    let at_home = || user_home(environment).map(|home| home.join(usual));
    given.or_else(named).or_else(at_home).ok_or(NoHome)
}

/// Finds the home folder of the person: `HOME`, else the one that the user database names.
fn user_home(environment: &Environment) -> Option<PathBuf> {
    if let Some(home) = environment.non_empty("HOME") {
        return Some(PathBuf::from(home));
    }
    let user = rustix::process::getuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let mut fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let home = fields.find(|fields| fields.get(2) == Some(&user.as_str()))?;
    home.get(5).filter(|home| !home.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_comes_before_the_variable_and_that_before_the_home_folder() {
        let home = Environment::of([("HOME", "/h")]);
        assert_eq!(program_folder(None, ".usual", &home), Ok(PathBuf::from("/h/.usual")));
        for (path, expected) in [("/v", "/v"), ("", "/h/.usual")] {
            let environment = Environment::of([("HOME", "/h"), ("IPFS_CLUSTER_PATH", path)]);
            assert_eq!(program_folder(None, ".usual", &environment), Ok(PathBuf::from(expected)));
            assert_eq!(program_folder(Some("/f".into()), ".usual", &environment), Ok(PathBuf::from("/f")));
        }
    }

    #[test]
    fn an_empty_home_falls_back_to_the_user_database() {
        assert_eq!(user_home(&Environment::of([("HOME", "/h")])), Some(PathBuf::from("/h")));
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let fallback = user_home(&Environment::of([("HOME", "")]));
        assert!(fallback.is_none_or(|home| users.contains(&format!(":{}:", home.display()))));
    }
}
