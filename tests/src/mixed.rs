//! Peers of the Go suite and of ours in one cluster: each on a machine of its own (a network namespace) with a private
//! address, each beside a real Kubo. The Go programs are in the folder that `CLUSTER_GO_BIN` names.

mod cluster;
mod peer;
mod plan;
mod text;
mod usage;

pub use cluster::{LIMIT, MixedCluster};
pub use peer::{Family, MixedPeer};
pub use plan::{GoPrograms, Plan};
pub use text::{same_json, same_text};
pub use usage::Usage;

use anyhow::Result;
use cluster_client::Cid;

/// Makes a CID that carries its own content, so that any IPFS daemon pins it at once, without asking anybody.
///
/// # Errors
/// When the content is longer than a CID should carry.
pub fn identity_cid(content: &str) -> Result<Cid> {
    // CIDv1, raw, identity "hash" with its length.
    let length = u8::try_from(content.len())?;
    Ok(Cid::try_from([&[1, 0x55, 0, length][..], content.as_bytes()].concat())?)
}
