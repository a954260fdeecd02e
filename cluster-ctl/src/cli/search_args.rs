//! Which pins to list.

use clap::{Args, ValueEnum};

/// Flags that restrict a list. The Go suite has none of them; against one of its peers the list is cut here.
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// Only pins with exactly this name
    #[arg(long, value_name = "name")]
    pub(crate) name: Option<String>,
    /// Only pins whose name begins so
    #[arg(long, value_name = "text")]
    pub(crate) name_prefix: Option<String>,
    /// Only pins with this metadata; may be given several times
    #[arg(long = "metadata", value_name = "key=value")]
    pub(crate) metadata: Vec<String>,
    /// Sort by the time of creation
    #[arg(long, value_name = "order")]
    pub(crate) order: Option<OrderArg>,
}

/// An order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OrderArg {
    /// Latest first
    Newest,
    /// Earliest first
    Oldest,
}
