//! Pins come, change and go.

use super::*;
use cluster_core::ports::ipfs_connector::IpfsPinStatus::{Direct, Recursive, Unpinned};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pins_are_made_changed_and_removed() {
    let daemon = daemon();
    let kubo = connector(&daemon, |_| {});
    let cid = add_random(&daemon, 1 << 20);
    let text = cid.to_string();
    let status = async |depth| kubo.pin_status(cid, depth).await.unwrap();
    assert_eq!(status(PinDepth::RECURSIVE).await, Unpinned);

    // Direct is direct.
    pin(&kubo, cid, PinDepth::DIRECT).await.unwrap();
    assert_eq!(status(PinDepth::DIRECT).await, Direct);
    assert_eq!(status(PinDepth::RECURSIVE).await, Unpinned);
    assert_eq!(pins_of(&daemon, "direct"), std::slice::from_ref(&text));
    assert!(pins_of(&daemon, "recursive").is_empty());

    // Direct becomes recursive, and a second time changes nothing.
    pin(&kubo, cid, PinDepth::RECURSIVE).await.unwrap();
    pin(&kubo, cid, PinDepth::RECURSIVE).await.unwrap();
    assert_eq!(status(PinDepth::RECURSIVE).await, Recursive);
    assert_eq!(pins_of(&daemon, "recursive"), std::slice::from_ref(&text));
    assert!(pins_of(&daemon, "direct").is_empty());

    // What lies below a pin is not pinned by itself, and cannot be unpinned by itself.
    let below: Cid = daemon.ipfs(&["refs", &text]).unwrap().lines().next().unwrap().parse().unwrap();
    assert_eq!(kubo.pin_status(below, PinDepth::RECURSIVE).await.unwrap(), Unpinned);
    assert_eq!(kubo.pin_status(below, PinDepth::DIRECT).await.unwrap(), Unpinned);
    kubo.unpin(below).await.unwrap();
    assert_eq!(status(PinDepth::RECURSIVE).await, Recursive);

    // Gone is gone, also twice.
    kubo.unpin(cid).await.unwrap();
    kubo.unpin(cid).await.unwrap();
    assert_eq!(status(PinDepth::RECURSIVE).await, Unpinned);
    assert!(pins_of(&daemon, "recursive").is_empty());

    // A direct pin goes the same way.
    pin(&kubo, cid, PinDepth::DIRECT).await.unwrap();
    kubo.unpin(cid).await.unwrap();
    assert!(pins_of(&daemon, "direct").is_empty());

    // A limited depth is pinned whole by daemons that know no limit.
    pin(&kubo, cid, PinDepth(1)).await.unwrap();
    assert_eq!(status(PinDepth(1)).await, Recursive);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recursive_pin_does_not_become_direct() {
    let daemon = daemon();
    let kubo = connector(&daemon, |_| {});
    let cid = add_random(&daemon, 100_000);
    pin(&kubo, cid, PinDepth::RECURSIVE).await.unwrap();
    let error = pin(&kubo, cid, PinDepth::DIRECT).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "IPFS error (pin/add?arg={cid}&recursive=false&progress=true). Code: 500. \
             Message: pin: {cid} already pinned recursively"
        )
    );
}
