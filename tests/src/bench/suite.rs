//! The programs under measurement.

use super::settings::Settings;
use anyhow::{Context, Result, bail};
use cluster_testkit::service::Programs;
use std::path::PathBuf;

/// Whose programs they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// This project's.
    Ours,
    /// IPFS Cluster's own, written in Go.
    Go,
}

impl Side {
    /// Returns the column's title.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Go => "Go",
        }
    }
}

/// A daemon and the command-line client that belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct Suite {
    /// Whose they are.
    pub(crate) side: Side,
    /// The daemon's program.
    pub(crate) service: PathBuf,
    /// The client's program.
    pub(crate) ctl: PathBuf,
}

/// Finds the suites the settings ask for, building ours where cargo runs this program.
pub(crate) fn find(settings: &Settings) -> Result<Vec<Suite>> {
    let mut suites = Vec::new();
    if settings.only != Some(super::settings::Only::Go) {
        suites.push(ours(settings)?);
    }
    if settings.only != Some(super::settings::Only::Ours) {
        if let Some(folder) = &settings.go {
            let suite = Suite {
                side: Side::Go,
                service: folder.join("ipfs-cluster-service"),
                ctl: folder.join("ipfs-cluster-ctl"),
            };
            suites.push(suite.checked()?);
        } else if settings.only.is_some() {
            bail!("--only go needs the folder of Go's programs: --go DIR or CLUSTER_GO_BIN");
        }
    }
    Ok(suites)
}

fn ours(settings: &Settings) -> Result<Suite> {
    let program = std::env::current_exe().context("where this program lies")?;
    let folder = program.parent().context("this program lies nowhere")?;
    if settings.service.is_none() && !settings.no_build {
        // `cargo run` builds only this program.
        Programs::build()?;
    }
    let beside = |given: &Option<PathBuf>, name: &str| given.clone().unwrap_or_else(|| folder.join(name));
    let suite = Suite {
        side: Side::Ours,
        service: beside(&settings.service, "cluster-service"),
        ctl: beside(&settings.ctl, "cluster-ctl"),
    };
    suite.checked()
}

impl Suite {
    fn checked(mut self) -> Result<Self> {
        for program in [&mut self.service, &mut self.ctl] {
            if !program.is_file() {
                bail!(
                    "{} is missing: build it (cargo build --release -p cluster-service -p cluster-ctl) or name \
                     the programs with --service and --ctl",
                    program.display()
                );
            }
            // They are run from folders of their own.
            *program = std::path::absolute(&program).context("where a program lies")?;
        }
        Ok(self)
    }
}
