//! `init`: a new base folder with configuration, identity and peerstore (api §5.2).

mod choices;
pub(crate) mod durable_file;
mod error;
mod prompt;

pub use error::InitError;
pub use prompt::{PromptError, confirm, confirm_on_terminal};

use crate::{
    config::{
        Config, ConfigFiles, ConfigFormat, ConsensusConfig, ConsensusKind, Environment, SourceUrl,
        TrustedPeers, source_text,
    },
    identity::Identity,
    lock::ExecutionLock,
};
use choices::{parse_peers, settle_consensus, settle_datastore, settle_format};
use cluster_core::{ClusterSecret, Multiaddr, PeerId};
use cluster_datastore::EngineKind;
use rand::{TryRngCore, rngs::OsRng};
use std::{fmt::Write, path::PathBuf};

/// What was asked for, in the words of the command line.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// Base folder.
    pub base: PathBuf,
    /// `--consensus`.
    pub consensus: String,
    /// `--datastore`; by default fjall, or in a `service.json`, which the Go suite shall be able to use, pebble.
    pub datastore: Option<String>,
    /// `--format`.
    pub format: String,
    /// `--peers`.
    pub peers: String,
    /// `--randomports`.
    pub random_ports: bool,
    /// `--force`.
    pub force: bool,
    /// `--custom-secret`.
    pub custom_secret: bool,
    /// The URL of a configuration kept elsewhere.
    pub source_url: Option<String>,
}

/// Makes or renews the files of a base folder, telling the person on standard error. An existing identity is kept.
///
/// # Errors
/// Nothing is written unless all choices, the environment and the secret are good; each file is written whole.
pub fn init(options: &InitOptions, environment: &Environment) -> Result<(), InitError> {
    let consensus = settle_consensus(&options.consensus)?;
    let format = settle_format(&options.format)?;
    let source = options.source_url.as_deref().map(SourceUrl::parse).transpose()?;
    let peers = parse_peers(&options.peers)?;
    let datastore = options.datastore.as_deref().unwrap_or(match format {
        ConfigFormat::Toml => "fjall",
        ConfigFormat::Json => "pebble",
    });
    let (engine, note) = settle_datastore(datastore)?;

    let base = &options.base;
    durable_file::make_folder(base).map_err(|source| InitError::Write { path: base.clone(), source })?;
    let _lock = ExecutionLock::acquire(base)?;
    let files = ConfigFiles::of(base);
    if files.may_overwrite(format)? && !options.force {
        let question = "The configuration file will be overwritten. Continue? [y/n]:";
        if !confirm_on_terminal(question)? {
            return Ok(());
        }
    }

    let config = match source {
        None => configure(options, (engine, consensus), &peers, environment)?,
        Some(_) => Config::initial(base, environment).map_err(InitError::Environment)?,
    };
    let new_identity = match Identity::path(base).exists() {
        true => None,
        false => Some(Identity::for_new_peer(environment)?),
    };
    if let Some(url) = &source {
        if options.random_ports || options.custom_secret || !peers.is_empty() {
            eprintln!(
                "ports, secret and trusted peers are those that {url} serves, whatever was asked for here"
            );
        }
    } else if let Some(note) = note {
        eprintln!("{note}");
    }
    let text = match (&source, format) {
        (Some(url), format) => source_text(url, format),
        (None, ConfigFormat::Toml) => config.to_toml(),
        (None, ConfigFormat::Json) => config.to_json(datastore),
    };
    let path = files.path(format);
    write(path.to_owned(), text.as_bytes())?;
    eprintln!("configuration written to {}.", path.display());
    if let Some(identity) = new_identity {
        identity.save(base)?;
        eprintln!("new identity written to {}", Identity::path(base).display());
    }
    write_peerstore(base.join(&config.cluster.peerstore_file), &peers)
}

/// Settles the configuration: defaults, free ports, environment, a secret, the peers that are trusted.
fn configure(
    options: &InitOptions,
    (engine, consensus): (EngineKind, ConsensusKind),
    peers: &[(Multiaddr, PeerId)],
    environment: &Environment,
) -> Result<Config, InitError> {
    let mut config =
        Config::initial_on(engine, consensus, &options.base, environment).map_err(InitError::Environment)?;
    if options.random_ports {
        config.randomize_ports(environment).map_err(InitError::Ports)?;
    }
    if options.custom_secret {
        let text = prompt::secret_on_terminal().map_err(InitError::AskSecret)?;
        config.cluster.secret = Some(ClusterSecret::parse_hex(&text)?);
        config.cluster.secret_file = None;
    } else if environment.get("CLUSTER_SECRET").is_none() && config.cluster.secret_file.is_none() {
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        OsRng.try_fill_bytes(&mut *bytes).map_err(|error| InitError::Random(std::io::Error::other(error)))?;
        config.cluster.secret = Some(ClusterSecret::from_bytes(*bytes));
    }
    if !peers.is_empty() {
        let mut named: Vec<PeerId> = Vec::new();
        for (_, peer) in peers {
            if !named.contains(peer) {
                named.push(*peer);
            }
        }
        match &mut config.consensus {
            ConsensusConfig::Crdt(crdt) => crdt.trusted_peers = TrustedPeers::Only(named),
            ConsensusConfig::Raft(raft) => raft.init_peerset = named,
        }
    }
    Ok(config)
}

fn write_peerstore(path: PathBuf, peers: &[(Multiaddr, PeerId)]) -> Result<(), InitError> {
    let text = peers.iter().fold(String::new(), |mut text, (address, _)| {
        let _ = writeln!(text, "{address}");
        text
    });
    let place = path.display().to_string();
    write(path, text.as_bytes())?;
    match peers.len() {
        0 => eprintln!("new empty peerstore written to {place}."),
        entries => eprintln!("peerstore written to {place} with {entries} entries."),
    }
    Ok(())
}

fn write(path: PathBuf, bytes: &[u8]) -> Result<(), InitError> {
    durable_file::write(&path, bytes).map_err(|source| InitError::Write { path, source })
}
