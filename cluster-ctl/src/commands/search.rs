//! Flags that restrict a list.

use super::pins::parse_metadata;
use crate::{
    cli::{OrderArg, SearchArgs},
    failure::Failure,
};
use cluster_client::{Order, Search};

/// Reads the flags; `None` when none is given, for then the list is the one of the Go suite.
pub(super) fn parse(args: &SearchArgs, filter: &str) -> Result<Option<Search>, Failure> {
    let SearchArgs { name, name_prefix, metadata, order } = args;
    if name.is_none() && name_prefix.is_none() && metadata.is_empty() && order.is_none() {
        return Ok(None);
    }
    Ok(Some(Search {
        filter: (!filter.is_empty()).then(|| filter.to_owned()),
        name: name.clone(),
        name_prefix: name_prefix.clone(),
        metadata: parse_metadata(metadata)?.unwrap_or_default().into_iter().collect(),
        order: order.map(|order| match order {
            OrderArg::Newest => Order::Newest,
            OrderArg::Oldest => Order::Oldest,
        }),
        ..Search::default()
    }))
}
