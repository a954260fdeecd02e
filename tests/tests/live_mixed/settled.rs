//! When nothing is on its way any more.

use anyhow::Result;
use cluster_client::{
    Scope, TrackerStatus,
    api_types::{GlobalPinInfo, PinInfoShort},
};
use cluster_tests::mixed::{LIMIT, MixedCluster, MixedPeer};
use std::time::Duration;

/// Waits until every running peer gathers of everything in the pinset that it is `pinned` or `remote` on each of them.
pub(crate) async fn until_settled(cluster: &MixedCluster) -> Result<()> {
    until_settled_within(cluster, LIMIT).await
}

pub(crate) async fn until_settled_within(cluster: &MixedCluster, limit: Duration) -> Result<()> {
    let count = cluster.running().count();
    let look = async |peer: &MixedPeer| {
        let mut open = Vec::new();
        for mut info in peer.statuses().await?.into_values() {
            let statuses = info.peer_map.iter().flat_map(|map| map.values());
            if statuses.clone().any(is_misled) && statuses.clone().all(|s| is_settled(s) || is_misled(s)) {
                info = peer.client.status(&info.cid.parse("cid")?, Scope::Cluster).await?;
            }
            let map = info.peer_map.as_ref();
            if map.is_none_or(|map| map.len() != count || !map.values().all(is_settled)) {
                open.push(view(&info));
            }
        }
        Ok(open)
    };
    cluster.converge("statuses settle", limit, look, |open| open.iter().all(Vec::is_empty)).await.map(drop)
}

fn is_settled(info: &PinInfoShort) -> bool {
    matches!(info.status, TrackerStatus::Pinned | TrackerStatus::Remote)
}

/// Asked for everything, a Go peer overlooks what its IPFS daemon holds in direct mode; asked for one CID, it does not.
fn is_misled(info: &PinInfoShort) -> bool {
    info.peername.starts_with("go-") && info.status == TrackerStatus::UnexpectedlyUnpinned
}

fn view(info: &GlobalPinInfo) -> String {
    let on_peer = |info: &PinInfoShort| format!("{} {} {}", info.peername, info.status, info.error);
    let views: Vec<String> = info.peer_map.iter().flat_map(|map| map.values()).map(on_peer).collect();
    format!("{}: {}", info.cid, views.join(", "))
}
