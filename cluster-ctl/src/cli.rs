//! Commands and their flags (api §4.2, §4.6).

mod add_args;
mod hidden_text;
mod pin_args;
mod search_args;

pub(crate) use add_args::AddArgs;
pub(crate) use hidden_text::HiddenText;
pub(crate) use pin_args::{PinAddArgs, PinCommand, PinUpdateArgs, WaitArgs};
pub(crate) use search_args::{OrderArg, SearchArgs};

use clap::{Args, Parser, Subcommand};
use cluster_cli::Manuals;

/// Manage IPFS Cluster peers.
#[derive(Debug, Parser)]
#[command(disable_version_flag = true, subcommand_required = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that stand before the command.
#[derive(Debug, Args)]
pub(crate) struct GlobalArgs {
    /// API addresses of the peer; with several, separated by commas, the first that answers is used
    #[arg(short = 'l', long, value_name = "multiaddr", default_value = "/ip4/127.0.0.1/tcp/9094")]
    pub(crate) host: String,
    /// Cluster secret (32 bytes in hexadecimal), for libp2p endpoints
    #[arg(long, value_name = "hex", default_value = "", hide_default_value = true)]
    pub(crate) secret: HiddenText,
    /// A file that holds the cluster secret
    #[arg(long, value_name = "path", conflicts_with = "secret")]
    pub(crate) secret_file: Option<std::path::PathBuf>,
    /// Use https to connect
    #[arg(short = 's', long)]
    pub(crate) https: bool,
    /// Do not verify the server's TLS certificate
    #[arg(long)]
    pub(crate) no_check_certificate: bool,
    /// Output format: text or json
    #[arg(long, visible_alias = "enc", value_name = "format", default_value = "text")]
    pub(crate) encoding: String,
    /// Bound every request to so many seconds; 0 for none
    #[arg(short = 't', long, value_name = "seconds", default_value_t = 0)]
    pub(crate) timeout: u64,
    /// What reads show: what the peer contacted has (local), or every change acknowledged before (strong; raft)
    #[arg(long, value_name = "local|strong", default_value = "local")]
    pub(crate) consistency: Consistency,
    /// Say more about what is done
    #[arg(short = 'd', long)]
    pub(crate) debug: bool,
    /// Basic authentication: <user>[:<password>]; implies --https unless --force-http
    #[arg(
        long,
        value_name = "credentials",
        env = "CLUSTER_CREDENTIALS",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) basic_auth: HiddenText,
    /// Keep plain http although credentials are given
    #[arg(short = 'f', long)]
    pub(crate) force_http: bool,
    /// Print the version
    #[arg(short = 'v', long, action = clap::ArgAction::Version)]
    version: Option<bool>,
}

/// What reads show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Consistency {
    /// What the peer contacted has
    Local,
    /// Every change acknowledged before
    Strong,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the peer and its IPFS daemon
    Id,
    /// List, add, remove, promote or demote the peers of the cluster
    #[command(subcommand)]
    Peers(PeersCommand),
    /// Add content to the cluster
    Add(AddArgs),
    /// Pin, unpin and list
    #[command(subcommand)]
    Pin(PinCommand),
    /// Show how pins fare on each peer
    ///
    /// Without a CID the statuses of all pins are shown.
    Status {
        /// CIDs to show
        #[arg(value_name = "CID")]
        cids: Vec<String>,
        /// Ask only the peer contacted
        #[arg(long)]
        local: bool,
        /// Comma list of statuses to show, such as pinned,error,queued
        #[arg(long, value_name = "statuses", default_value = "", hide_default_value = true)]
        filter: String,
        #[command(flatten)]
        search: SearchArgs,
        /// Go on, and show each of them again whenever it changes, until no peer is busy with any
        #[arg(long)]
        watch: bool,
    },
    /// Retry pins that failed
    ///
    /// Without a CID everything that failed is retried, and what was queued again is shown.
    Recover {
        /// CID to retry
        #[arg(value_name = "CID")]
        cid: Option<String>,
        /// Retry only on the peer contacted
        #[arg(long)]
        local: bool,
    },
    /// Show the changes of the pinset, and of the statuses on the peer contacted, as they happen
    ///
    /// JSON is one object a line. Each names the cursor with which to go on after it.
    Watch {
        /// Begin behind this change, or with the "oldest" that is kept
        #[arg(long, value_name = "cursor")]
        cursor: Option<String>,
        /// End with the last change there is
        #[arg(long)]
        no_follow: bool,
    },
    /// Show how many pins there are
    Totals,
    /// Show the version of the peer
    Version,
    /// Watch over the cluster
    #[command(subcommand)]
    Health(HealthCommand),
    /// Manage the IPFS daemons
    #[command(subcommand)]
    Ipfs(IpfsCommand),
    #[command(flatten)]
    Manuals(Manuals),
    /// List all commands
    #[command(hide = true)]
    Commands,
}

/// Commands about peers.
#[derive(Debug, Subcommand)]
pub(crate) enum PeersCommand {
    /// List the peers and their IPFS daemons
    Ls,
    /// Add a peer to the cluster
    ///
    /// The peer contacted connects to it and shows what it says of itself; one that was forgotten is trusted again.
    Add {
        /// The peer to add: its ID, or an address of it that ends in /p2p/<peer ID>
        #[arg(value_name = "peer ID|multiaddress")]
        peer: String,
        /// Where else it may be
        #[arg(value_name = "multiaddress")]
        addresses: Vec<String>,
    },
    /// Remove a peer from the cluster
    ///
    /// With raft its pins go elsewhere and it stops.
    ///
    /// The crdt consensus has no members to remove; there --forget is needed, once on each of the other peers.
    Rm {
        /// The peer to remove
        #[arg(value_name = "peer ID")]
        peer: String,
        /// Trust it no longer and refuse its connections until it is added again; its pins go elsewhere
        #[arg(long)]
        forget: bool,
    },
    /// Let a member vote (raft)
    Promote {
        /// The member
        #[arg(value_name = "peer ID")]
        peer: String,
    },
    /// Let a member learn, and not vote (raft)
    Demote {
        /// The member
        #[arg(value_name = "peer ID")]
        peer: String,
    },
}

/// Commands about health.
#[derive(Debug, Subcommand)]
pub(crate) enum HealthCommand {
    /// Draw who is connected to whom, in the DOT language
    Graph {
        /// Write to this file
        #[arg(short = 'f', long, value_name = "path", default_value = "", hide_default_value = true)]
        file: String,
        /// Also draw IPFS daemons outside the cluster
        #[arg(long)]
        all_ipfs_peers: bool,
    },
    /// List the last metrics of each peer, or the names of metrics
    Metrics {
        /// The metric
        #[arg(value_name = "name")]
        name: Option<String>,
    },
    /// List the latest alerts
    Alerts,
    /// Show the heads of the pinset's DAG, what of it is missing and its fingerprint
    Crdt,
    /// Show who leads, who is a member, and how far the log is
    Raft,
    /// Show the traffic by protocol
    Bandwidth,
}

/// Commands about IPFS daemons.
#[derive(Debug, Subcommand)]
pub(crate) enum IpfsCommand {
    /// Collect garbage on the daemons of all peers
    Gc {
        /// Only on the peer contacted
        #[arg(long)]
        local: bool,
    },
}
