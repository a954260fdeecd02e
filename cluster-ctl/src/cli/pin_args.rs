//! Flags of the pin commands (api §4.8).

use super::SearchArgs;
use clap::{Args, Subcommand};

/// Commands about pins.
#[derive(Debug, Subcommand)]
pub(crate) enum PinCommand {
    /// Pin an item in the cluster
    ///
    /// The request is stored before the command returns; pinning goes on afterwards unless --wait is given.
    Add(PinAddArgs),
    /// Unpin an item from the cluster
    Rm(PinRmArgs),
    /// Pin an item with the options of another one
    ///
    /// The existing pin stays; the IPFS daemons fetch only what differs.
    Update(PinUpdateArgs),
    /// List the pinset
    Ls {
        /// Show only this CID
        #[arg(value_name = "CID")]
        cid: Option<String>,
        /// Comma list of pin types to list: pin, meta-pin, clusterdag-pin, shard-pin, all
        #[arg(long, value_name = "types", default_value = "all")]
        filter: String,
        #[command(flatten)]
        search: SearchArgs,
    },
}

/// Flags of `pin add`.
#[derive(Debug, Args)]
pub(crate) struct PinAddArgs {
    /// What to pin
    #[arg(value_name = "CID|Path")]
    pub(crate) path: String,
    /// Both replication factors at once; -1 for every peer
    #[arg(short = 'r', long, value_name = "count", default_value_t = 0)]
    pub(crate) replication: i32,
    /// At least so many peers
    #[arg(long, visible_alias = "rmin", value_name = "count", default_value_t = 0)]
    pub(crate) replication_min: i32,
    /// At most so many peers
    #[arg(long, visible_alias = "rmax", value_name = "count", default_value_t = 0)]
    pub(crate) replication_max: i32,
    /// Comma list of the peers that shall hold it
    #[arg(
        long,
        visible_alias = "allocs",
        value_name = "peers",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) allocations: String,
    /// Name of the pin
    #[arg(short = 'n', long, value_name = "text", default_value = "", hide_default_value = true)]
    pub(crate) name: String,
    /// recursive or direct
    #[arg(long, value_name = "mode", default_value = "recursive")]
    pub(crate) mode: String,
    /// Unpin after so long, such as 1h30m
    #[arg(long, value_name = "duration", default_value = "", hide_default_value = true)]
    pub(crate) expire_in: String,
    /// Free data as key=value; may be repeated
    #[arg(long, value_name = "key=value")]
    pub(crate) metadata: Vec<String>,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// Flags of `pin rm`.
#[derive(Debug, Args)]
pub(crate) struct PinRmArgs {
    /// What to unpin
    #[arg(value_name = "CID|Path")]
    pub(crate) path: String,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// Flags of `pin update`.
#[derive(Debug, Args)]
pub(crate) struct PinUpdateArgs {
    /// The pin whose options are taken
    #[arg(value_name = "existing CID")]
    pub(crate) from: String,
    /// What to pin
    #[arg(value_name = "new CID|Path")]
    pub(crate) to: String,
    /// Another name
    #[arg(short = 'n', long, value_name = "text", default_value = "", hide_default_value = true)]
    pub(crate) name: String,
    /// Unpin after so long, such as 1h30m
    #[arg(long, value_name = "duration", default_value = "", hide_default_value = true)]
    pub(crate) expire_in: String,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// What happens once the request is stored.
#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Print the pin and not its status
    #[arg(long, visible_alias = "ns")]
    pub(crate) no_status: bool,
    /// Wait until the peers are done
    #[arg(short = 'w', long)]
    pub(crate) wait: bool,
    /// With --wait: how long to wait at most, such as 30s; 0 for ever
    #[arg(
        long,
        visible_alias = "wt",
        value_name = "duration",
        default_value = "0",
        hide_default_value = true
    )]
    pub(crate) wait_timeout: String,
    /// With --wait: how many peers must be done
    #[arg(long, visible_alias = "wl", value_name = "count", default_value_t = 0, hide_default_value = true)]
    pub(crate) wait_limit: i64,
}
