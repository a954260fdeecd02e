//! What the command line asks for, and the call that carries it out.
//!
//! The binary parses arguments into these values and calls [`run`]; here the lock is taken, the configuration and the
//! identity are loaded, and questions are asked. What is left to the daemon and to the state commands gets a
//! [`Prepared`] base folder.

mod config;
mod error;
mod prepared;
mod state;

pub use config::{ConfigCommand, ConfigConvert, ConfigOptions};
pub use error::CommandError;
pub use prepared::Prepared;
pub use state::{
    CrdtCommand, NoPeerId, RaftCommand, RaftRecovery, StateBackup, StateCleanup, StateCommand, StateConvert,
    StateCrdtDot, StateExport, StateImport, StateOptions, StateRestore, parse_allocation, parse_consensus,
};

use crate::{
    config::{Config, ConfigFormat, Environment, OpenApiError},
    daemon::Bootstrap,
    init::{InitOptions, init},
    state::BesideGo,
};
use cluster_core::Multiaddr;
use multiaddr::Protocol;
use std::path::PathBuf;

/// What to do.
#[derive(Debug, Clone)]
pub enum Command {
    /// Make a base folder.
    Init(InitOptions),
    /// Run the peer until it is told to stop.
    Daemon(DaemonOptions),
    /// Look at the configuration.
    Config(ConfigOptions),
    /// Work on the stored state of a peer that does not run.
    State(StateOptions),
}

/// How to run the peer.
#[derive(Debug, Clone)]
pub struct DaemonOptions {
    /// Base folder.
    pub base: PathBuf,
    /// `--allow-open-api`: serve the API to the network without passwords.
    pub allow_open_api: bool,
    /// Peers to join (`--bootstrap`).
    pub bootstrap: Option<String>,
    /// `--no-trust`: do not trust them.
    pub no_trust: bool,
    /// Force numbers on (`--stats`).
    pub stats: bool,
    /// Force traces on (`--tracing`).
    pub tracing: bool,
    /// Leave the cluster at the end (`--leave`).
    pub leave: bool,
    /// Bring the state up to date (`--upgrade`).
    pub upgrade: bool,
    /// Start with an empty store beside the state of a Go peer (`--join-empty`).
    pub join_empty: bool,
}

impl DaemonOptions {
    /// Lays the flags over the configuration. What they ask for in vain is told: the rest of the configuration that is
    /// not carried out yet is told of at every start.
    fn adjust(&self, config: &mut Config) {
        config.metrics.enable_stats |= self.stats;
        config.tracing.enable_tracing |= self.tracing;
        config.cluster.leave_on_shutdown |= self.leave;
        if self.upgrade {
            tracing::info!(
                target: "service",
                "--upgrade has no effect: every start brings a state of an older version up to date"
            );
        }
        if self.no_trust && self.bootstrap.as_deref().unwrap_or_default().is_empty() {
            tracing::info!(target: "service", "--no-trust has no effect without --bootstrap");
        }
    }
}

/// Carries out a command.
///
/// # Errors
/// Whatever went wrong; its text starts with what was being done and goes behind the word `error`.
pub fn run(command: Command, environment: &Environment) -> Result<(), CommandError> {
    match command {
        Command::Init(options) => init(&options, environment).map_err(CommandError::Init),
        Command::Daemon(options) => run_daemon(options, environment),
        Command::Config(options) => config::run(options, environment),
        Command::State(options) => state::run(options, environment),
    }
}

fn run_daemon(options: DaemonOptions, environment: &Environment) -> Result<(), CommandError> {
    let addresses = parse_bootstrap(options.bootstrap.as_deref().unwrap_or_default())?;
    let mut prepared = Prepared::load(&options.base, environment)?;
    options.adjust(&mut prepared.config);
    if !options.allow_open_api {
        check_open_api(&prepared.config)?;
    }
    let beside_go = if options.join_empty { BesideGo::Settle } else { BesideGo::Refuse };
    let bootstrap = Bootstrap { addresses, trusted: !options.no_trust, beside_go };
    Ok(crate::daemon::run(prepared, &bootstrap)?)
}

/// Refuses an API that anyone on the network could use. One that a Go peer served so until now is served on: its users
/// would be cut off by a change they did not make.
fn check_open_api(config: &Config) -> Result<(), CommandError> {
    match (config.check_open_api(), config.format) {
        (Err(error), ConfigFormat::Json) => {
            let OpenApiError { section, listen } = error;
            tracing::warn!(
                target: "config",
                "ANYBODY WHO REACHES {listen} CAN CHANGE THE PINSET: {section} asks nobody for a password. Set \
                 {section}.basic_auth_credentials or listen on a loopback address; --allow-open-api silences this"
            );
            Ok(())
        }
        (result, _) => Ok(result?),
    }
}

/// Reads the peers to join.
fn parse_bootstrap(list: &str) -> Result<Vec<Multiaddr>, CommandError> {
    let parse = |text: &str| {
        let address = text.parse::<Multiaddr>().map_err(|error| error.to_string())?;
        match address.iter().last() {
            Some(Protocol::P2p(_)) => Ok(address),
            _ => Err("it does not end in /p2p/<peer ID>".to_owned()),
        }
    };
    let texts = list.split(',').map(str::trim).filter(|text| !text.is_empty());
    texts
        .map(|text| {
            parse(text).map_err(|reason| CommandError::Bootstrap { address: text.to_owned(), reason })
        })
        .collect()
}
