//! When nothing is on its way any more.

use anyhow::Result;
use cluster_client::TrackerStatus;
use cluster_tests::mixed::{LIMIT, MixedCluster, MixedPeer};

/// Waits until every running peer gathers of everything in the pinset that it is `pinned` or `remote` on each of them.
pub(crate) async fn until_settled(cluster: &MixedCluster) -> Result<()> {
    let count = cluster.running().count();
    let look = async |peer: &MixedPeer| {
        let mut open = Vec::new();
        for info in peer.statuses().await?.into_values() {
            let map = info.peer_map.unwrap_or_default();
            let settled = |status| matches!(status, TrackerStatus::Pinned | TrackerStatus::Remote);
            if map.len() != count || !map.values().all(|info| settled(info.status)) {
                open.push((info.cid, map.into_values().map(|info| info.status).collect::<Vec<_>>()));
            }
        }
        Ok(open)
    };
    cluster.converge("statuses settle", LIMIT, look, |open| open.iter().all(Vec::is_empty)).await.map(drop)
}
