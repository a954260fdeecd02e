//! Storing blocks that somebody streams to us, by one call of `block/put` (api §10.1).

use super::Kubo;
use crate::{
    answer::BlockPutLine,
    lanes::Lane,
    rpc::{Answer, Deadline},
};
use bytes::Bytes;
use cid::Cid;
use cluster_core::ports::{
    BoxStream,
    ipfs_connector::{ContentBlock, IpfsError},
};
use futures_util::{StreamExt, stream};
use std::{
    collections::HashMap,
    convert::Infallible,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::timeout;

/// The names of the codecs that Kubo takes (table of multicodecs).
const CODECS: [(u64, &str); 9] = [
    (0x51, "cbor"),
    (0x55, "raw"),
    (0x70, "dag-pb"),
    (0x71, "dag-cbor"),
    (0x72, "libp2p-key"),
    (0x78, "git-raw"),
    (0x0129, "dag-json"),
    (0x0200, "json"),
    (0x85, "dag-jose"),
];

/// The names of the hashes that Kubo takes.
const HASHES: [(u64, &str); 14] = [
    (0x00, "identity"),
    (0x11, "sha1"),
    (0x12, "sha2-256"),
    (0x13, "sha2-512"),
    (0x14, "sha3-512"),
    (0x15, "sha3-384"),
    (0x16, "sha3-256"),
    (0x17, "sha3-224"),
    (0x1a, "keccak-224"),
    (0x1b, "keccak-256"),
    (0x1d, "keccak-512"),
    (0x1e, "blake3"),
    (0xb220, "blake2b-256"),
    (0xb260, "blake2s-256"),
];

impl Kubo {
    pub(super) async fn put(&self, mut blocks: BoxStream<'static, ContentBlock>) -> Result<(), IpfsError> {
        let Some(first) = blocks.next().await else { return Err(IpfsError::NoBlocks) };
        let path = block_put_path(&first.cid)?;
        let turn = Deadline::within(self.request_timeout);
        let _turn = self.enter(Lane::Blocks, &path, turn).await?;
        let traffic = Traffic::default();
        let boundary = format!("{:032x}", rand::random::<u128>());
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let body = reqwest::Body::wrap_stream(
            traffic.parts(stream::iter([first]).chain(blocks).boxed(), boundary).map(Ok::<_, Infallible>),
        );
        let talk = async {
            // How long nothing may move is watched from outside.
            let unlimited = Deadline::within(Duration::MAX);
            let mut answer = self.rpc.send(&path, unlimited, &content_type, body).await?;
            while let Some(line) = answer.next_line(unlimited).await? {
                let size = traffic.confirm(&answer, &line)?;
                if let Some(metrics) = &self.metrics {
                    metrics.blocks_added.inc();
                    metrics.blocks_added_size.inc_by(size);
                }
            }
            traffic.finish(&answer)
        };
        let mut talk = pin!(talk);
        loop {
            let before = traffic.lock().moves;
            if let Ok(result) = timeout(self.request_timeout, &mut talk).await {
                return result;
            }
            let now = traffic.lock();
            // Who sends the blocks may take its time; the daemon may not.
            if now.moves == before && !now.waits {
                return Err(self.rpc.too_late(&path, turn));
            }
        }
    }
}

fn block_put_path(first: &Cid) -> Result<String, IpfsError> {
    let name = |what: &'static str, names: &[(u64, &'static str)], code: u64| {
        let known = names.iter().find(|(known, _)| *known == code);
        known.map(|(_, name)| *name).ok_or(IpfsError::Nameless { what, code })
    };
    let codec = name("codec", &CODECS, first.codec())?;
    let hash = name("hash", &HASHES, first.hash().code())?;
    let length = first.hash().size();
    Ok(format!("block/put?allow-big-block=true&cid-codec={codec}&mhlen={length}&mhtype={hash}&pin=false"))
}

/// What has passed in both directions.
#[derive(Clone, Default)]
struct Traffic(Arc<Mutex<Passed>>);

#[derive(Default)]
struct Passed {
    /// Counts the blocks sent and confirmed.
    moves: u64,
    /// Whether the next block is waited for.
    waits: bool,
    /// Hashes sent and not confirmed yet. The daemon bounds them: it takes no more than it stores.
    sent: HashMap<Vec<u8>, usize>,
}

impl Traffic {
    fn lock(&self) -> MutexGuard<'_, Passed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes blocks as the parts of a form, which ends with them.
    fn parts(
        &self,
        blocks: BoxStream<'static, ContentBlock>,
        boundary: String,
    ) -> impl futures_core::Stream<Item = Bytes> + Send + use<> {
        let start = (self.clone(), blocks, boundary, false);
        let pieces = stream::unfold(start, |(traffic, mut blocks, boundary, ended)| async move {
            if ended {
                return None;
            }
            traffic.lock().waits = true;
            let next = blocks.next().await;
            let mut passed = traffic.lock();
            (passed.moves, passed.waits) = (passed.moves + 1, false);
            let pieces = match next {
                Some(ContentBlock { cid, data }) => {
                    *passed.sent.entry(cid.hash().to_bytes()).or_default() += 1;
                    let head = format!(
                        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{cid}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
                    );
                    (false, [Bytes::from(head), Bytes::from(data), Bytes::from_static(b"\r\n")])
                }
                None => (true, [Bytes::from(format!("--{boundary}--\r\n")), Bytes::new(), Bytes::new()]),
            };
            drop(passed);
            let (ended, pieces) = pieces;
            Some((pieces, (traffic, blocks, boundary, ended)))
        });
        pieces.flat_map(stream::iter).filter(|piece| std::future::ready(!piece.is_empty()))
    }

    /// Notes that a block is stored, and returns its size in bytes.
    fn confirm(&self, answer: &Answer<'_>, line: &Bytes) -> Result<u64, IpfsError> {
        let line: BlockPutLine = serde_json::from_slice(line).map_err(|e| answer.bad(e.to_string()))?;
        if let Some(message) = line.message {
            return Err(answer.api(message));
        }
        let key = line.key.unwrap_or_default();
        let stored: Cid = key.parse().map_err(|_| answer.bad("a line has no readable CID"))?;
        let hash = stored.hash().to_bytes();
        let mut passed = self.lock();
        passed.moves += 1;
        match passed.sent.get_mut(&hash) {
            Some(1) => drop(passed.sent.remove(&hash)),
            Some(count) => *count -= 1,
            None => {
                return Err(answer.bad(format!("it stored {key}, whose hash no block sent claims to have")));
            }
        }
        Ok(line.size)
    }

    fn finish(&self, answer: &Answer<'_>) -> Result<(), IpfsError> {
        match self.lock().sent.len() {
            0 => Ok(()),
            missing => Err(answer.bad(format!("it ended with {missing} blocks not stored"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(cid: &str) -> Result<String, IpfsError> {
        block_put_path(&cid.parse().unwrap())
    }

    #[test]
    fn codec_and_hash_are_those_of_the_first_block() {
        assert_eq!(
            path("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn").unwrap(),
            "block/put?allow-big-block=true&cid-codec=dag-pb&mhlen=32&mhtype=sha2-256&pin=false"
        );
        let hash = cid::multihash::Multihash::<64>::wrap(0xb220, &[1; 32]).unwrap();
        assert_eq!(
            block_put_path(&Cid::new_v1(0x71, hash)).unwrap(),
            "block/put?allow-big-block=true&cid-codec=dag-cbor&mhlen=32&mhtype=blake2b-256&pin=false"
        );
        let error = block_put_path(&Cid::new_v1(0x9999, hash)).unwrap_err().to_string();
        assert!(error.starts_with("blocks with codec 0x9999 cannot be stored"), "{error}");
    }
}
