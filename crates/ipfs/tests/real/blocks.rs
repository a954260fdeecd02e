//! Blocks that are streamed into a daemon.

use super::*;
use cid::multihash::Multihash;
use cluster_core::ports::ipfs_connector::ContentBlock;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};

fn block(data: Vec<u8>) -> ContentBlock {
    let hash = Multihash::wrap(0x12, &Sha256::digest(&data)).unwrap();
    ContentBlock { cid: Cid::new_v1(0x55, hash), data }
}

/// A raw block of so many bytes, unlike all others.
fn numbered(number: u64, length: usize) -> ContentBlock {
    let mut data = vec![0x5a; length];
    data[..8].copy_from_slice(&number.to_be_bytes());
    block(data)
}

async fn put(kubo: &Kubo, blocks: Vec<ContentBlock>) -> Result<(), IpfsError> {
    kubo.put_blocks(stream::iter(blocks).boxed()).await
}

fn stored(daemon: &Daemon) -> usize {
    daemon.ipfs(&["refs", "local"]).unwrap().lines().count()
}

#[tokio::test]
async fn blocks_are_stored_and_not_pinned() {
    let daemon = daemon();
    let kubo = connector(&daemon, |_| ());
    let before = stored(&daemon);
    // More than any buffer on the way holds; one is larger than the daemon takes unless told to.
    let blocks: Vec<ContentBlock> =
        (0..100).map(|n| numbered(n, 1 << 20)).chain([numbered(100, 3 << 20)]).collect();
    put(&kubo, blocks.clone()).await.unwrap();
    assert_eq!(stored(&daemon), before + 101);
    for block in [&blocks[0], &blocks[99], &blocks[100]] {
        let size = daemon.ipfs(&["block", "stat", &block.cid.to_string()]).unwrap();
        assert!(size.contains(&format!("Size: {}", block.data.len())), "{size}");
        let status = kubo.pin_status(block.cid, PinDepth::RECURSIVE).await.unwrap();
        assert!(!status.satisfies(PinDepth::DIRECT));
    }
    // The same once more, twice in one stream, and one that is empty.
    put(&kubo, [&blocks[..2], &blocks[..2], &[block(Vec::new())]].concat()).await.unwrap();
    assert_eq!(stored(&daemon), before + 102);
    assert!(matches!(put(&kubo, Vec::new()).await, Err(IpfsError::NoBlocks)));
}

#[tokio::test]
async fn other_codecs_and_hashes_are_those_of_the_first_block() {
    let daemon = daemon();
    let kubo = connector(&daemon, |_| ());
    // An empty folder, of the old kind of CID.
    let folder: Cid = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn".parse().unwrap();
    put(&kubo, vec![ContentBlock { cid: folder, data: vec![0x0a, 2, 8, 1] }]).await.unwrap();
    let list = Multihash::wrap(0x13, &sha2::Sha512::digest([0x80])).unwrap();
    let list = Cid::new_v1(0x71, list);
    put(&kubo, vec![ContentBlock { cid: list, data: vec![0x80] }]).await.unwrap();
    assert_eq!(daemon.ipfs(&["dag", "get", &list.to_string()]).unwrap().trim(), "[]");
    let nameless = Cid::new_v1(0x300_539, *list.hash());
    let error = put(&kubo, vec![ContentBlock { cid: nameless, data: vec![1] }]).await.unwrap_err();
    assert!(error.to_string().contains("codec 0x300539"), "{error}");
}

#[tokio::test]
async fn a_block_that_is_not_what_its_cid_says_is_an_error() {
    let daemon = daemon();
    let kubo = connector(&daemon, |_| ());
    let lie = ContentBlock { data: vec![1; 100], ..numbered(2, 100) };
    let error = put(&kubo, vec![numbered(1, 100), lie, numbered(3, 100)]).await.unwrap_err();
    assert!(error.to_string().contains("whose hash no block sent claims to have"), "{error}");
}

#[tokio::test]
async fn who_sends_may_take_its_time_but_the_daemon_may_not() {
    let daemon = daemon();
    let kubo = connector(&daemon, |config| config.ipfs_request_timeout = Duration::from_secs(1));
    let slow = stream::iter(0..3).then(|number| async move {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        numbered(number, 1000)
    });
    kubo.put_blocks(slow.boxed()).await.unwrap();
    daemon.pause().unwrap();
    let endless = stream::iter(10..).map(|number| numbered(number, 1 << 20));
    let error = kubo.put_blocks(endless.boxed()).await.unwrap_err();
    daemon.resume().unwrap();
    assert!(matches!(error, IpfsError::Timeout { .. }), "{error}");
    assert!(error.to_string().contains("did not answer block/put?"), "{error}");
}
