//! Pins that the IPFS daemon had before, and that the pinset never mentioned.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::{TrackerStatus, api_types::PinOptions};
use cluster_tests::world::{World, ipfs_path};
use std::{collections::BTreeSet, fs};

const FOREIGN: usize = 1_000;

/// Of those, pinned directly.
const DIRECT: usize = 100;

#[tokio::test]
async fn a_thousand_foreign_pins_are_never_touched() {
    let mut w = World::with_kubo(&[]).await.unwrap();
    let content = w.path("foreign");
    fs::create_dir(&content).unwrap();
    for number in 0..FOREIGN {
        fs::write(content.join(number.to_string()), format!("foreign {number}")).unwrap();
    }
    let added = w.ipfs.ipfs(&["add", "--quiet", "--recursive", "--pin=false", content.to_str().unwrap()]);
    let added = added.unwrap();
    let foreign: Vec<&str> = added.lines().take(FOREIGN).collect();
    assert_eq!(foreign.iter().collect::<BTreeSet<_>>().len(), FOREIGN);
    let (direct, recursive) = foreign.split_at(DIRECT);
    w.ipfs.ipfs(&[&["pin", "add", "--recursive=false"], direct].concat()).unwrap();
    w.ipfs.ipfs(&[&["pin", "add"], recursive].concat()).unwrap();
    let all = |w: &World<_>| (w.pinned("recursive").unwrap(), w.pinned("direct").unwrap());
    let missing = |w: &World<_>| {
        let (in_depth, alone) = all(w);
        assert!(direct.iter().all(|cid| alone.contains(*cid)), "a direct pin is gone");
        recursive.iter().filter(|cid| !in_depth.contains(**cid)).count()
    };
    assert_eq!(missing(&w), 0);
    // A fresh repository pins something of its own as well.
    let count = |(in_depth, alone): &(BTreeSet<String>, BTreeSet<String>)| in_depth.len() + alone.len();
    let at_first = count(&all(&w));

    // Everything a peer does: pin, unpin, refuse, die, start, stop.
    let [kept, gone] = [w.add(1 << 10).unwrap(), w.add(1 << 10).unwrap()];
    for cid in [&kept, &gone] {
        w.pin(cid, &PinOptions::default()).await.unwrap();
        w.until(cid, TrackerStatus::Pinned).await.unwrap();
    }
    w.unpin(&gone).await.unwrap();
    w.until(&gone, TrackerStatus::Unpinned).await.unwrap();
    for cid in [direct[0], recursive[0]] {
        let unknown = w.client.unpin(&ipfs_path(&cid.parse().unwrap()).unwrap()).await.unwrap_err();
        assert_eq!(unknown.code(), 404);
    }
    w.peer.kill().unwrap();
    w.start_again().await.unwrap();
    w.until(&kept, TrackerStatus::Pinned).await.unwrap();
    w.peer.stop().unwrap();
    assert_eq!(missing(&w), 0);

    // After a clean-up there are no records, and nothing is unpinned without one: ours stays too.
    let before = all(&w);
    let cleanup = w.peer.command(&["state", "cleanup", "--force"]).unwrap();
    assert!(cleanup.status.success(), "{}", String::from_utf8_lossy(&cleanup.stderr));
    w.start_again().await.unwrap();
    assert_eq!(w.client.allocation(&kept).await.unwrap_err().code(), 404);
    // A pin and an unpin go through the whole machinery; by then anything wrongly queued would be done.
    let other = w.add(1 << 10).unwrap();
    w.pin(&other, &PinOptions::default()).await.unwrap();
    w.until(&other, TrackerStatus::Pinned).await.unwrap();
    w.unpin(&other).await.unwrap();
    w.until(&other, TrackerStatus::Unpinned).await.unwrap();
    w.peer.stop().unwrap();
    assert_eq!(all(&w), before);
    assert!(before.0.contains(&kept.to_string()));
    assert_eq!(count(&before), at_first + 1);
}
