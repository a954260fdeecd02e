//! Blocks that no pin needs.

use super::*;
use cluster_core::ports::ipfs_connector::GcItem;
use futures_util::TryStreamExt;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unpinned_blocks_are_removed_and_named_and_pinned_ones_stay() {
    let daemon = daemon();
    let kubo = connector(&daemon, |_| {});
    let (kept, lost) = (add_random(&daemon, 200_000), add_random(&daemon, 200_000));
    pin(&kubo, kept, PinDepth::RECURSIVE).await.unwrap();
    let blocks_of = |cid: Cid| -> BTreeSet<Vec<u8>> {
        let below = daemon.ipfs(&["refs", "-r", &cid.to_string()]).unwrap();
        let below = below.lines().map(|line| line.parse::<Cid>().unwrap());
        below.chain([cid]).map(|cid| cid.hash().to_bytes()).collect()
    };
    let (stay, go) = (blocks_of(kept), blocks_of(lost));
    let items: Vec<GcItem> = kubo.collect_garbage().try_collect().await.unwrap();
    let removed: BTreeSet<Vec<u8>> = items
        .iter()
        .map(|item| match item {
            GcItem::Removed(cid) => cid.hash().to_bytes(),
            GcItem::Error(error) => panic!("{error}"),
        })
        .collect();
    assert!(removed.is_superset(&go), "{} of {}", removed.len(), go.len());
    assert!(removed.is_disjoint(&stay));
    let local = daemon.ipfs(&["refs", "local"]).unwrap();
    let local: BTreeSet<Vec<u8>> =
        local.lines().map(|line| line.parse::<Cid>().unwrap().hash().to_bytes()).collect();
    assert!(local.is_superset(&stay) && local.is_disjoint(&go));
    assert_eq!(kubo.collect_garbage().try_collect::<Vec<_>>().await.unwrap(), []);
}
