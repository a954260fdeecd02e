//! Content that has to come from another daemon.

use super::*;
use cluster_core::ports::ipfs_connector::{IpfsPinStatus, PinProgress};
use std::sync::Mutex;

/// Many small blocks, so that fetching them takes more than one report of progress (every 500 ms).
const SIZE: u64 = 8 << 20;
const BLOCK: u64 = 2_048;

/// Pins once and returns what was reported meanwhile.
async fn attempt(kubo: &Kubo, cid: Cid) -> (Result<(), IpfsError>, Vec<PinProgress>) {
    let seen: Arc<Mutex<Vec<PinProgress>>> = Arc::default();
    let inner = seen.clone();
    let sink: ProgressSink = Arc::new(move |progress| inner.lock().unwrap().push(progress));
    let pinned = kubo.pin(request(cid, PinDepth::RECURSIVE), sink).await;
    let seen = seen.lock().unwrap().clone();
    (pinned, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_grow_while_content_is_fetched() {
    let (source, target) = (daemon(), daemon());
    let cid = add_in_blocks(&source, SIZE, BLOCK);
    let kubo = connector(&target, |c| c.pin_timeout = Duration::from_secs(10));
    let mut longest = 0;
    let mut attempts = 0;
    let last = loop {
        // On a machine under load daemons lose each other in the middle: the pin stalls and is tried again, as a
        // peer would.
        target.connect(&source).unwrap();
        let (pinned, seen) = attempt(&kubo, cid).await;
        assert!(seen.windows(2).all(|w| w[0].blocks < w[1].blocks && w[0].bytes < w[1].bytes), "{seen:?}");
        longest = longest.max(seen.len());
        attempts += 1;
        match pinned {
            Ok(()) => break *seen.last().unwrap(),
            Err(IpfsError::Stalled { .. }) if attempts < 10 => {}
            Err(error) => panic!("{error} after {attempts} attempts: {seen:?}"),
        }
    };
    assert!(longest >= 2, "progress was reported {longest} times at most");
    assert!(last.blocks >= SIZE / BLOCK, "{last:?}");
    assert!(last.bytes.unwrap() >= SIZE, "{last:?}");
    assert_eq!(kubo.pin_status(cid, PinDepth::RECURSIVE).await.unwrap(), IpfsPinStatus::Recursive);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_is_where_content_is_found() {
    let (source, target) = (daemon(), daemon());
    let cid = add_random(&source, 1 << 20);
    let addresses = source.ipfs(&["id", "--format=<addrs>"]).unwrap();
    let origins = addresses.lines().map(|line| line.parse().unwrap()).collect();
    let kubo = connector(&target, |_| {});
    assert_eq!(target.ipfs(&["swarm", "peers"]).unwrap(), "");
    kubo.pin(PinRequest { origins, ..request(cid, PinDepth::RECURSIVE) }, ignore()).await.unwrap();
    assert_eq!(pins_of(&target, "recursive"), [cid.to_string()]);
}
