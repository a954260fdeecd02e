//! The arguments, as clap reads them (api §5).

use clap::{ArgAction, Args, Parser, Subcommand};
use cluster_cli::Manuals;
use cluster_daemon::{
    PeerId,
    command::{
        Command, ConfigCommand, ConfigConvert, ConfigOptions, CrdtCommand, DaemonOptions, RaftCommand,
        RaftRecovery, StateBackup, StateCleanup, StateCommand, StateConvert, StateCrdtDot, StateExport,
        StateImport, StateOptions, StateRestore, parse_allocation, parse_consensus,
    },
    config::ConsensusKind,
    init::InitOptions,
};
use std::path::PathBuf;

/// Run an IPFS Cluster peer.
#[derive(Debug, Parser)]
#[command(disable_version_flag = true, version = env!("CARGO_PKG_VERSION"))]
pub(crate) struct Arguments {
    /// Folder for configuration, identity and data [env: IPFS_CLUSTER_PATH] [default: ~/.ipfs-cluster]
    #[arg(long, short, value_name = "folder")]
    pub(crate) config: Option<PathBuf>,
    /// Accepted for the sake of scripts; the subcommands have their own
    #[arg(long, short)]
    force: bool,
    /// Log everything
    #[arg(long, short)]
    pub(crate) debug: bool,
    /// What to log: <level> or <component>:<level>, comma separated; debug, info, warn, error [env:
    /// IPFS_CLUSTER_LOG_LEVEL]
    #[arg(long, short, value_name = "levels")]
    pub(crate) loglevel: Option<String>,
    /// Print the version
    #[arg(long, short, action = ArgAction::Version)]
    version: (),
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Create configuration and identity
    Init(InitArguments),
    /// Run the peer
    Daemon(DaemonArguments),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Work on the stored pinset of a peer that does not run
    #[command(subcommand)]
    State(StateVerb),
    /// Print the version
    Version,
    #[command(flatten)]
    Manuals(Manuals),
}

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// Consensus: crdt or raft
    #[arg(long, value_name = "name", default_value = "crdt")]
    consensus: String,
    /// Datastore: fjall, or sled, which is slower and larger. Names of the Go suite's (pebble, badger, badger3, leveldb) are
    /// taken, and fjall is used [default: fjall]
    #[arg(long, value_name = "name")]
    datastore: Option<String>,
    /// Format of the configuration file: toml, or json for one that the Go suite can use too [default: toml; json when
    /// called ipfs-cluster-service]
    #[arg(long, value_name = "name")]
    format: Option<String>,
    /// Ask for the cluster secret instead of making a new one
    #[arg(long, short = 's')]
    custom_secret: bool,
    /// Peers to trust and connect to: multiaddresses ending in /p2p/<peer ID>, comma separated
    #[arg(long, value_name = "multiaddrs", default_value = "", hide_default_value = true)]
    peers: String,
    /// Overwrite an existing configuration without asking
    #[arg(long, short)]
    force: bool,
    /// Listen on free ports instead of the usual ones
    #[arg(long)]
    randomports: bool,
    /// URL of a configuration kept elsewhere
    #[arg(value_name = "http-source-url")]
    source_url: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DaemonArguments {
    /// Bring the state up to date; done at every start anyway
    #[arg(long, short)]
    upgrade: bool,
    /// Peers to join: multiaddresses, comma separated
    #[arg(long, short = 'j', value_name = "multiaddrs")]
    bootstrap: Option<String>,
    /// Leave the cluster when stopped
    #[arg(long, short = 'x')]
    leave: bool,
    /// Serve numbers for Prometheus
    #[arg(long)]
    stats: bool,
    /// Send traces
    #[arg(long)]
    tracing: bool,
    /// Do not trust the peers given with --bootstrap
    #[arg(long)]
    no_trust: bool,
    /// Serve the API to other machines without passwords
    #[arg(long)]
    allow_open_api: bool,
    /// Take the pinset from the other peers although the state of a Go peer is in the folder
    #[arg(long)]
    join_empty: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Print the settings in effect, each with its source (default, file, environment), or every mistake
    Check,
    /// Write a service.json as service.toml, or the other way round
    Convert {
        /// File to write instead of standard output
        #[arg(long, short, value_name = "path")]
        output: Option<PathBuf>,
        /// Overwrite it
        #[arg(long, short)]
        force: bool,
        /// The Go suite's datastore, of which a service.json has to have a section
        #[arg(long, value_name = "name", default_value = "pebble")]
        datastore: String,
        /// File to read instead of the one in the folder
        #[arg(value_name = "file")]
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum StateVerb {
    /// Write the pins out, one JSON object a line
    Export {
        /// File to write instead of standard output
        #[arg(long, short, value_name = "path")]
        file: Option<PathBuf>,
    },
    /// Replace the pinset by what a file or standard input holds
    Import {
        /// Ask nothing
        #[arg(long, short)]
        force: bool,
        /// At least so many peers for each pin; 0 leaves it as it is
        #[arg(
            long,
            visible_alias = "rmin",
            value_name = "count",
            default_value_t = 0,
            allow_negative_numbers = true
        )]
        replication_min: i32,
        /// At most so many peers for each pin; 0 leaves it as it is
        #[arg(
            long,
            visible_alias = "rmax",
            value_name = "count",
            default_value_t = 0,
            allow_negative_numbers = true
        )]
        replication_max: i32,
        /// Comma list of the peers that shall hold each pin
        #[arg(long, visible_alias = "allocs", value_name = "peers", value_delimiter = ',', value_parser = parse_allocation)]
        allocations: Vec<PeerId>,
        /// File to read instead of standard input
        #[arg(value_name = "file")]
        file: Option<PathBuf>,
    },
    /// Remove the state
    Cleanup {
        /// Ask nothing
        #[arg(long, short)]
        force: bool,
    },
    /// Write the whole state out, history included
    Backup {
        /// New or empty folder to write it to
        #[arg(value_name = "folder")]
        folder: PathBuf,
    },
    /// Replace the state by a backup of this peer
    Restore {
        /// Ask nothing
        #[arg(long, short)]
        force: bool,
        /// The backup's folder, or its manifest
        #[arg(value_name = "backup")]
        source: PathBuf,
    },
    /// Compare everything derived from the pins with a recount
    Check,
    /// Take the pins over to the other consensus: state and configuration
    Convert {
        /// Ask nothing
        #[arg(long, short)]
        force: bool,
        /// crdt or raft
        #[arg(value_name = "consensus", value_parser = parse_consensus)]
        consensus: ConsensusKind,
    },
    /// Look into the Merkle-CRDT
    #[command(subcommand)]
    Crdt(CrdtVerb),
    /// Mend what Raft cannot
    #[command(subcommand)]
    Raft(RaftVerb),
}

#[derive(Debug, Subcommand)]
pub(crate) enum RaftVerb {
    /// Go on WITHOUT the members that are lost for good, after writing the pins out
    RecoverFromLostMajority {
        /// File for the pins instead of pins-before-recovery.json in the folder
        #[arg(long, value_name = "path")]
        export: Option<PathBuf>,
        /// Ask nothing
        #[arg(long, short)]
        force: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum CrdtVerb {
    /// Print heads, height and whether a repair is due
    Info,
    /// Draw the history
    Dot {
        /// File to write instead of standard output
        #[arg(long, short, value_name = "path")]
        file: Option<PathBuf>,
    },
    /// Ask for a repair at the next start
    MarkDirty,
    /// Withdraw that
    MarkClean,
}

impl InitArguments {
    /// `default_format` is that of the name the program was called by.
    pub(crate) fn command(self, base: PathBuf, default_format: &str) -> Command {
        let Self { consensus, datastore, format, custom_secret, peers, force, randomports, source_url } =
            self;
        let format = format.unwrap_or_else(|| default_format.to_owned());
        let random_ports = randomports;
        Command::Init(InitOptions {
            base,
            consensus,
            datastore,
            format,
            peers,
            random_ports,
            force,
            custom_secret,
            source_url,
        })
    }
}

impl DaemonArguments {
    pub(crate) fn command(self, base: PathBuf) -> Command {
        let Self { upgrade, bootstrap, leave, stats, tracing, no_trust, allow_open_api, join_empty } = self;
        Command::Daemon(DaemonOptions {
            base,
            allow_open_api,
            bootstrap,
            no_trust,
            stats,
            tracing,
            leave,
            upgrade,
            join_empty,
        })
    }
}

impl ConfigVerb {
    pub(crate) fn command(self, base: PathBuf) -> Command {
        let command = match self {
            Self::Check => ConfigCommand::Check,
            Self::Convert { output, force, datastore, file } => {
                ConfigCommand::Convert(ConfigConvert { file, output, force, datastore })
            }
        };
        Command::Config(ConfigOptions { base, command })
    }
}

impl StateVerb {
    pub(crate) fn command(self, base: PathBuf) -> Command {
        let command = match self {
            Self::Export { file } => StateCommand::Export(StateExport { file }),
            Self::Import { force, replication_min, replication_max, allocations, file } => {
                StateCommand::Import(StateImport {
                    file,
                    force,
                    replication_min,
                    replication_max,
                    allocations,
                })
            }
            Self::Cleanup { force } => StateCommand::Cleanup(StateCleanup { force }),
            Self::Backup { folder } => StateCommand::Backup(StateBackup { folder }),
            Self::Restore { force, source } => StateCommand::Restore(StateRestore { source, force }),
            Self::Check => StateCommand::Check,
            Self::Convert { force, consensus } => StateCommand::Convert(StateConvert { consensus, force }),
            Self::Raft(RaftVerb::RecoverFromLostMajority { export, force }) => {
                let recovery = RaftRecovery { export, force };
                StateCommand::Raft(RaftCommand::RecoverFromLostMajority(recovery))
            }
            Self::Crdt(CrdtVerb::Info) => StateCommand::Crdt(CrdtCommand::Info),
            Self::Crdt(CrdtVerb::Dot { file }) => StateCommand::Crdt(CrdtCommand::Dot(StateCrdtDot { file })),
            Self::Crdt(CrdtVerb::MarkDirty) => StateCommand::Crdt(CrdtCommand::MarkDirty),
            Self::Crdt(CrdtVerb::MarkClean) => StateCommand::Crdt(CrdtCommand::MarkClean),
        };
        Command::State(StateOptions { base, command })
    }
}
