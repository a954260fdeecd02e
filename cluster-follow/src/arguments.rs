//! The arguments, as clap reads them (api §7). The name of the cluster, which stands before the command, is taken out
//! first.

use clap::{ArgAction, Args, Parser, Subcommand};
use cluster_cli::Manuals;
use std::path::PathBuf;

/// Run follower peers of IPFS Clusters.
#[derive(Debug, Parser)]
#[command(disable_version_flag = true, version = env!("CARGO_PKG_VERSION"))]
pub(crate) struct Arguments {
    /// Folder for all follower peers [env: IPFS_CLUSTER_PATH] [default: ~/.ipfs-cluster-follow]
    #[arg(long, short, value_name = "folder")]
    pub(crate) config: Option<PathBuf>,
    /// Print the version
    #[arg(long, short, action = ArgAction::Version)]
    version: (),
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show what is known of the follower peer
    Info,
    /// Create identity and configuration of a follower peer
    Init(InitArguments),
    /// Run the follower peer
    Run(RunArguments),
    /// List the pins of the follower peer
    List,
    /// Stop the follower peer that runs
    Stop,
    /// Remove a follower peer that does not run
    Remove(RemoveArguments),
    #[command(flatten)]
    Manuals(Manuals),
}

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    #[command(flatten)]
    pub(crate) gateway: Gateway,
    /// URL of the cluster's configuration, or a name (DNSLink, IPNS) that the IPFS gateway looks up
    #[arg(value_name = "template_URL")]
    pub(crate) url: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Initialize with this URL first, unless that was done already
    #[arg(long, value_name = "template_URL")]
    pub(crate) init: Option<String>,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

#[derive(Debug, Args)]
pub(crate) struct Gateway {
    /// IPFS gateway that looks names up
    #[arg(long, value_name = "URL", hide = true)]
    pub(crate) gateway: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArguments {
    /// Ask nothing
    #[arg(long, short)]
    pub(crate) force: bool,
}
