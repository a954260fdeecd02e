//! The configuration of a peer: `service.toml` or the Go suite's `service.json`, the environment over it, all mistakes
//! at once (api §6).
//!
//! Text becomes nodes (`toml_text`, `json_text`), nodes and variables become values by key (`document`, by the table in
//! `keys`), values fill the raw structs (`raw`), and each section's `parse` makes typed settings of them through a
//! `Checker`, which collects mistakes. A missing key has its default, with one exception for safety's sake:
//! without `trusted_peers` nobody is trusted.

mod address;
mod byte_size;
mod change_consensus;
mod checker;
mod cluster;
mod consensus;
mod convert;
mod datastore;
mod document;
mod environment;
mod error;
mod file;
mod http_api;
mod idle;
mod informers;
mod ipfs_http;
mod json_text;
mod json_writer;
mod key;
mod keys;
mod lines;
mod mistake;
mod node;
mod observations;
mod open_api;
mod password;
mod proxy;
mod random_ports;
mod raw;
mod report;
mod secret_file;
mod source;
mod suggestion;
mod toml_text;
mod toml_writer;
mod tracker;

pub use byte_size::ByteSize;
pub use cluster::{ClusterConfig, ConnectionManagerConfig, PinOnlyOn, PubsubConfig, ResourceManagerConfig};
pub use consensus::{BatchingConfig, ConsensusConfig, ConsensusKind, CrdtConfig, RaftConfig, TrustedPeers};
pub use convert::{Conversion, ConvertError, Converted};
pub use datastore::DatastoreConfig;
pub use environment::{Environment, NoHome, program_folder};
pub use error::ConfigError;
pub use file::{ConfigFiles, ConfigFormat};
pub use http_api::{CorsConfig, HttpApiConfig, HttpLimits, TlsFiles};
pub use informers::{DiskConfig, DiskMetric, InformersConfig, PinqueueConfig, TagsConfig};
pub use ipfs_http::IpfsHttpConfig;
pub use mistake::{Mistake, Origin, Problem, SyntaxMistake};
pub use observations::{MetricsConfig, TracingConfig};
pub use open_api::OpenApiError;
pub use password::Password;
pub use proxy::ProxyConfig;
pub use report::Report;
pub use source::{FetchError, SourceError, SourceUrl, SourceUrlError, Sourced};
pub use tracker::{AllocatorConfig, MonitorConfig, TrackerConfig};

pub use change_consensus::ChangeConsensusError;
pub(crate) use checker::peer_id;
pub(crate) use keys::go_store_folders;
pub(crate) use raw::SecretText;
pub(crate) use source::{Lookup, to_text as source_text};

use checker::Checker;
use cluster_datastore::EngineKind;
use document::Document;
use node::Node;
use raw::RawConfig;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Everything a peer can be told, checked. Optional sections are `None` when their component does not run.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The peer itself.
    pub cluster: ClusterConfig,
    /// How peers agree.
    pub consensus: ConsensusConfig,
    /// REST API.
    pub restapi: Option<HttpApiConfig>,
    /// Pinning Service API.
    pub pinsvcapi: Option<HttpApiConfig>,
    /// Stand-in for the IPFS daemon's API.
    pub ipfsproxy: Option<ProxyConfig>,
    /// The IPFS daemon.
    pub ipfshttp: IpfsHttpConfig,
    /// The pin tracker.
    pub tracker: TrackerConfig,
    /// The monitor.
    pub monitor: MonitorConfig,
    /// The allocator.
    pub allocator: AllocatorConfig,
    /// The informers.
    pub informers: InformersConfig,
    /// Numbers.
    pub metrics: MetricsConfig,
    /// Traces.
    pub tracing: TracingConfig,
    /// The store.
    pub datastore: DatastoreConfig,
    /// Notation of the file it was read from.
    pub format: ConfigFormat,
    /// Folders that the Go suite's datastores were given, relative to the base folder.
    pub go_stores: Vec<PathBuf>,
    /// Where it came from, when the file holds nothing but a `source`.
    pub sourced: Option<Sourced>,
}

impl Config {
    /// Loads the configuration of a base folder: its file, or what its `source` serves, and the environment over it.
    /// Files that are named in it are looked for in the folder. What a `service.json` holds and nobody here knows is
    /// told in the log.
    ///
    /// # Errors
    /// No file, two files, a file that cannot be read, a source that cannot be reached and of which there is no copy,
    /// or all mistakes of file and environment together.
    pub fn load(base: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        Self::load_for(base, environment, Role::Peer, Lookup::UrlFirst)
    }

    /// Loads the configuration of a follower, whose REST API listens on the socket at `socket` (an absolute path)
    /// unless the environment says otherwise (api §7.4).
    ///
    /// # Errors
    /// As [`Config::load`].
    pub(crate) fn load_follower(
        base: &Path,
        socket: &str,
        environment: &Environment,
        lookup: Lookup,
    ) -> Result<Self, ConfigError> {
        Self::load_for(base, environment, Role::Follower { socket }, lookup)
    }

    /// Makes what a follower goes by while nothing is known of its cluster: defaults and the environment.
    ///
    /// # Errors
    /// All mistakes of the environment together.
    pub(crate) fn initial_follower(
        base: &Path,
        socket: &str,
        environment: &Environment,
    ) -> Result<Self, ConfigError> {
        let mut document = Document::defaults();
        document.become_follower(socket);
        document.overlay(environment);
        Self::check(document, base).map_err(of_environment)
    }

    fn load_for(
        base: &Path,
        environment: &Environment,
        role: Role<'_>,
        lookup: Lookup,
    ) -> Result<Self, ConfigError> {
        let (path, format) = Self::file(base)?;
        let place = path.display().to_string();
        let root = read_root(&Self::read(&path)?, &place, format)?;
        let mistakes = |mistakes| ConfigError::Mistakes { place: place.clone(), mistakes };
        match source::find(&root) {
            None => {
                let loaded = Self::from_root(&root, &place, format, base, environment, role)?;
                Ok(loaded.told(&place))
            }
            Some(Err(mistake)) => Err(mistakes(vec![mistake])),
            Some(Ok((_, others))) if !others.is_empty() && format == ConfigFormat::Toml => {
                Err(mistakes(others))
            }
            Some(Ok((url, others))) => {
                tell(&others, &place);
                Self::load_sourced(url, base, environment, role, lookup)
            }
        }
    }

    fn load_sourced(
        url: SourceUrl,
        base: &Path,
        environment: &Environment,
        role: Role<'_>,
        lookup: Lookup,
    ) -> Result<Self, ConfigError> {
        let (text, sourced) = source::read(url, base, lookup)?;
        let (place, format) = (sourced.url.to_string(), ConfigFormat::of_text(&text));
        let root = read_root(&text, &place, format)?;
        let loaded = Self::from_root(&root, &place, format, base, environment, role)?;
        source::keep(&text, &sourced, base);
        Ok(Self { sourced: Some(sourced), ..loaded.told(&place) })
    }

    /// Finds the file of a base folder.
    fn file(base: &Path) -> Result<(PathBuf, ConfigFormat), ConfigError> {
        let files = ConfigFiles::of(base);
        let format = files.existing()?;
        Ok((files.path(format).to_owned(), format))
    }

    fn read(path: &Path) -> Result<Zeroizing<String>, ConfigError> {
        std::fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })
    }

    /// Reads the text of a configuration file; other files it names are looked for beside `path`. Returns with it what
    /// was passed over.
    ///
    /// # Errors
    /// All mistakes of text and environment together, or the text names a source.
    pub fn from_text(
        text: &str,
        path: &Path,
        format: ConfigFormat,
        environment: &Environment,
    ) -> Result<(Self, Vec<Mistake>), ConfigError> {
        let loaded = Self::from_layers(text, path, format, environment)?;
        Ok((loaded.config, loaded.warnings))
    }

    fn from_layers(
        text: &str,
        path: &Path,
        format: ConfigFormat,
        environment: &Environment,
    ) -> Result<Loaded, ConfigError> {
        let place = path.display().to_string();
        let root = read_root(text, &place, format)?;
        let base = path.parent().unwrap_or(Path::new("."));
        Self::from_root(&root, &place, format, base, environment, Role::Peer)
    }

    fn from_root(
        root: &Node,
        place: &str,
        format: ConfigFormat,
        base: &Path,
        environment: &Environment,
        role: Role<'_>,
    ) -> Result<Loaded, ConfigError> {
        if source::find(root).is_some() {
            return Err(SourceError::Nested { place: place.to_owned() }.into());
        }
        let mut document = Document::of_file(root, format);
        if let Role::Follower { socket } = role {
            document.become_follower(socket);
        }
        let missing =
            ![ConsensusKind::Crdt, ConsensusKind::Raft].iter().any(|kind| document.has(kind.section()));
        document.overlay(environment);
        let warnings = document.take_warnings();
        let (go_stores, go_sections) = (document.go_stores(), document.go_sections().to_vec());
        let origins = document.origins();
        let mut result = Self::check(document, base);
        if missing {
            result = Err(missing_consensus(result.err().unwrap_or_default()));
        }
        if let (Role::Follower { .. }, Ok(Self { consensus: ConsensusConfig::Raft(_), .. })) =
            (&role, &result)
        {
            result = Err(vec![cannot_be_followed()]);
        }
        match result {
            Ok(mut config) => {
                if let Role::Follower { .. } = role {
                    // Not even the environment makes anything else of it.
                    config.cluster.follower_mode = true;
                    config.metrics.enable_stats = false;
                    config.tracing.enable_tracing = false;
                }
                Ok(Loaded { config: Self { format, go_stores, ..config }, warnings, origins, go_sections })
            }
            Err(mistakes) => Err(ConfigError::Mistakes { place: place.to_owned(), mistakes }),
        }
    }

    /// Makes the configuration `init` starts from: every section with its defaults, everyone trusted, no secret,
    /// the environment over it (api §5.2).
    ///
    /// # Errors
    /// All mistakes of the environment together.
    pub fn initial(base: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        Self::initial_on(EngineKind::Fjall, ConsensusKind::Crdt, base, environment)
    }

    /// As [`Config::initial`], with the sections of the engine and of the consensus named.
    ///
    /// # Errors
    /// As [`Config::initial`].
    pub fn initial_on(
        engine: EngineKind,
        consensus: ConsensusKind,
        base: &Path,
        environment: &Environment,
    ) -> Result<Self, ConfigError> {
        let mut document = Document::defaults();
        if engine == EngineKind::Sled {
            document.store_in_sled();
        }
        match consensus {
            ConsensusKind::Crdt => document.trust_everyone(),
            ConsensusKind::Raft => document.agree_by(ConsensusKind::Raft),
        }
        document.overlay(environment);
        Self::check(document, base).map_err(of_environment)
    }

    /// Writes the configuration as a commented `service.toml`. The text holds the secrets.
    pub fn to_toml(&self) -> Zeroizing<String> {
        toml_writer::write(self, &Self::default_values())
    }

    /// Writes the configuration as a `service.json`, which the Go suite takes when `datastore` is one of its own
    /// (`pebble`, …). The text holds the secrets.
    pub fn to_json(&self, datastore: &str) -> Zeroizing<String> {
        json_writer::write(self, &Self::default_values(), datastore)
    }

    fn default_values() -> RawConfig {
        let raw = |document| {
            Self::check(document, Path::new(".")).map(|config| config.to_raw()).unwrap_or_default()
        };
        let mut of_raft = Document::defaults();
        of_raft.agree_by(ConsensusKind::Raft);
        let mut defaults: RawConfig = raw(Document::defaults());
        defaults.consensus.raft = raw(of_raft).consensus.raft;
        defaults
    }

    fn check(mut document: Document, base: &Path) -> Result<Self, Vec<Mistake>> {
        let raw = document.take_raw();
        let mut mistakes = document.take_mistakes();
        let mut checker = Checker::new(&document, base);
        let config = Self::parse(raw, &mut checker);
        mistakes.extend(checker.into_mistakes());
        // In the order a person meets them: by line, then those of variables.
        mistakes.sort_by_key(|mistake| match mistake.origin {
            Origin::Line(line) => line,
            Origin::Variable(_) | Origin::Default => usize::MAX,
        });
        if mistakes.is_empty() { Ok(config) } else { Err(mistakes) }
    }

    fn parse(raw: RawConfig, check: &mut Checker<'_>) -> Self {
        let api = raw.api;
        Self {
            cluster: ClusterConfig::parse(raw.cluster, check.enter("cluster")),
            consensus: ConsensusConfig::parse(raw.consensus, check),
            restapi: api.restapi.map(|raw| HttpApiConfig::parse(raw, 9094, check.enter("api.restapi"))),
            pinsvcapi: api.pinsvcapi.map(|raw| HttpApiConfig::parse(raw, 9097, check.enter("api.pinsvcapi"))),
            ipfsproxy: api.ipfsproxy.map(|raw| ProxyConfig::parse(raw, check.enter("api.ipfsproxy"))),
            ipfshttp: IpfsHttpConfig::parse(
                &raw.ipfs_connector.ipfshttp,
                check.enter("ipfs_connector.ipfshttp"),
            ),
            tracker: TrackerConfig::parse(&raw.pin_tracker.stateless, check.enter("pin_tracker.stateless")),
            monitor: MonitorConfig::parse(&raw.monitor.pubsubmon, check.enter("monitor.pubsubmon")),
            allocator: AllocatorConfig::parse(raw.allocator.balanced, check.enter("allocator.balanced")),
            informers: InformersConfig::parse(raw.informer, check),
            metrics: MetricsConfig::parse(&raw.observations.metrics, check.enter("observations.metrics")),
            tracing: TracingConfig::parse(raw.observations.tracing, check.enter("observations.tracing")),
            datastore: DatastoreConfig::parse(raw.datastore, check),
            format: ConfigFormat::default(),
            go_stores: Vec::new(),
            sourced: None,
        }
    }

    /// Turns typed settings back into text form.
    fn to_raw(&self) -> RawConfig {
        let mut raw = RawConfig { cluster: self.cluster.to_raw(), ..RawConfig::default() };
        raw.consensus = self.consensus.to_raw();
        raw.api.restapi = self.restapi.as_ref().map(HttpApiConfig::to_raw);
        raw.api.pinsvcapi = self.pinsvcapi.as_ref().map(HttpApiConfig::to_raw);
        raw.api.ipfsproxy = self.ipfsproxy.as_ref().map(ProxyConfig::to_raw);
        raw.ipfs_connector.ipfshttp = self.ipfshttp.to_raw();
        raw.pin_tracker.stateless = self.tracker.to_raw();
        raw.monitor.pubsubmon = self.monitor.to_raw();
        raw.allocator.balanced = Some(self.allocator.to_raw());
        raw.informer = self.informers.to_raw();
        raw.observations.metrics = self.metrics.to_raw();
        raw.observations.tracing = self.tracing.to_raw();
        raw.datastore = self.datastore.to_raw();
        raw
    }
}

/// A configuration with what it was made from.
struct Loaded {
    config: Config,
    /// What was passed over.
    warnings: Vec<Mistake>,
    /// Where values came from; what is missing has its default.
    origins: BTreeMap<String, Origin>,
    /// Sections of Go datastores that say something.
    go_sections: Vec<&'static str>,
}

impl Loaded {
    /// Tells what was passed over, and what has no effect.
    fn told(self, place: &str) -> Config {
        tell(&self.warnings, place);
        for line in idle::lines(&self.config) {
            tracing::info!(target: "config", "{line}");
        }
        self.config
    }
}

/// What the configuration is for.
#[derive(Debug, Clone, Copy)]
enum Role<'a> {
    /// An ordinary peer.
    Peer,
    /// A follower, whose API is on a socket.
    Follower {
        /// Its path.
        socket: &'a str,
    },
}

fn of_environment(mistakes: Vec<Mistake>) -> ConfigError {
    ConfigError::Mistakes { place: "the environment".to_owned(), mistakes }
}

fn read_root(text: &str, place: &str, format: ConfigFormat) -> Result<Node, ConfigError> {
    let root = match format {
        ConfigFormat::Toml => toml_text::read(text),
        ConfigFormat::Json => json_text::read(text),
    };
    root.map_err(|mistakes| ConfigError::Syntax { place: place.to_owned(), format, mistakes })
}

/// Tells what was passed over.
fn tell(warnings: &[Mistake], place: &str) {
    for warning in warnings {
        tracing::warn!(target: "config", "passed over in {place}: {warning}");
    }
}

/// Who follows is no member, and only a Merkle-CRDT has something for those.
fn cannot_be_followed() -> Mistake {
    let (found, expected) =
        ("raft consensus".to_owned(), "[consensus.crdt], which alone can be followed".to_owned());
    Mistake {
        key: "consensus".to_owned(),
        problem: Problem::Value { found, expected },
        origin: Origin::Default,
    }
}

fn missing_consensus(mut mistakes: Vec<Mistake>) -> Vec<Mistake> {
    // A refused consensus says so itself.
    if !mistakes.iter().any(|mistake| mistake.key.starts_with("consensus")) {
        let (found, expected) =
            ("no consensus section".to_owned(), "[consensus.crdt] or [consensus.raft]".to_owned());
        let problem = Problem::Value { found, expected };
        mistakes.push(Mistake { key: "consensus".to_owned(), problem, origin: Origin::Default });
    }
    mistakes
}

#[cfg(test)]
mod tests;
