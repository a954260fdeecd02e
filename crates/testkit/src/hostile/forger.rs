//! A peer that speaks every protocol well and lies in all of them.

use super::{Ears, Identity, config, flood, victim};
use anyhow::Result;
use cluster_consensus::crdt::{Block, BlockId, Broadcast, Delta, Element, Tombstone};
use cluster_core::{Cid, Metric, PeerId, Pin, PinKey, metric::UnixNanos, ports::BlockSource};
use cluster_runtime::now;
use cluster_swarm::{Swarm, SwarmParts};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long its metrics hold.
const METRIC_TTL: Duration = Duration::from_secs(600);

/// A peer that speaks every protocol well and lies in all of them. Calls to it are taken and never answered.
pub struct Forger {
    swarm: Swarm,
    me: PeerId,
    blocks: Arc<Blocks>,
}

impl Forger {
    /// Starts one and connects it to the victim, as [`RawPeer::meet`](super::RawPeer::meet).
    ///
    /// # Errors
    /// When they do not meet.
    pub async fn meet(secret: &str, address: &str) -> Result<Self> {
        let (victim, address) = victim(address)?;
        let config = config(secret, Identity::random())?;
        let me = config.keypair.public().to_peer_id();
        let (ears, blocks) = (Ears::of(victim), Arc::new(Blocks::default()));
        let parts = SwarmParts {
            listener: ears.clone(),
            blocks: blocks.clone(),
            trusted: Arc::new(|_| true),
            forgotten: Vec::new(),
            protected: Vec::new(),
        };
        let swarm = Swarm::start(config, parts).await?;
        ears.meet(&*swarm.network(), address).await?;
        Ok(Self { swarm, me, blocks })
    }

    /// Announces heads that do not exist, `each` in one broadcast, until `count` broadcasts have left.
    pub async fn flood_missing(&self, count: u64, each: u64) {
        self.flood(count, |number| {
            self.announce((number * each..(number + 1) * each).map(missing).collect())
        })
        .await;
    }

    /// Announces heads that exist and follow `links` blocks each that do not, until `count` broadcasts have left.
    pub async fn flood_rootless(&self, count: u64, links: u64) {
        self.flood(count, |number| {
            let first = (1 << 32) + number * links;
            let links = (first..first + links).map(missing).collect();
            let delta = Delta { priority: number + 1, ..Delta::default() };
            self.announce(vec![self.blocks.add(Block { links, delta }.encode())]);
        })
        .await;
    }

    /// Announces one head whose block pins CIDs and takes back what blocks have pinned.
    pub fn announce_changes(&self, pinned: &[Cid], unpinned: &[(Cid, [u8; 32])]) {
        let element = |cid: &Cid| {
            let pin = Pin::new(*cid);
            Element { key: pin.key().to_datastore_key(), value: pin.encode() }
        };
        let tombstone = |(cid, block): &(Cid, [u8; 32])| Tombstone {
            key: PinKey::from_cid(cid).to_datastore_key(),
            id: BlockId(*block).to_datastore_key(),
        };
        let delta = Delta {
            elements: pinned.iter().map(element).collect(),
            tombstones: unpinned.iter().map(tombstone).collect(),
            priority: 1 << 20,
            ..Delta::default()
        };
        self.announce(vec![self.blocks.add(Block { links: Vec::new(), delta }.encode())]);
    }

    /// Announces heads whose blocks hold these bytes, until `count` broadcasts have left.
    pub async fn flood_blocks(&self, count: u64, bytes: impl Fn(u64) -> Vec<u8>) {
        self.flood(count, |number| self.announce(vec![self.blocks.add(bytes(number))])).await;
    }

    /// Tells metrics of `of`, or of itself, that hold, until `count` have left; `make` gives names and values.
    ///
    /// # Errors
    /// When `of` is no peer ID.
    pub async fn flood_metrics(
        &self,
        count: u64,
        of: Option<&str>,
        make: impl Fn(u64) -> (String, String),
    ) -> Result<()> {
        let peer = of.map_or(Ok(self.me), str::parse)?;
        let expires = UnixNanos::from_millis(now().plus(METRIC_TTL));
        self.flood(count, |number| {
            let (name, value) = make(number);
            self.swarm.gossip().publish_metric(&Metric {
                name,
                peer,
                value,
                expires,
                valid: true,
                weight: i64::MAX,
                partitionable: false,
                received_at: UnixNanos(0),
            });
        })
        .await;
        Ok(())
    }

    async fn flood(&self, count: u64, publish: impl Fn(u64)) {
        flood(count, || self.swarm.dropped_broadcasts(), publish).await;
    }

    fn announce(&self, heads: Vec<BlockId>) {
        self.swarm.gossip().publish_heads(Broadcast { heads }.encode());
    }

    /// Returns how often a block was asked for.
    pub fn asked(&self) -> usize {
        self.blocks.state.lock().unwrap_or_else(PoisonError::into_inner).asked
    }
}

/// Names a block that nobody has.
fn missing(number: u64) -> BlockId {
    let mut name = [0xee; 32];
    name[..8].copy_from_slice(&number.to_be_bytes());
    BlockId(name)
}

/// The blocks it serves.
#[derive(Default)]
struct Blocks {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    blocks: HashMap<Cid, Vec<u8>>,
    asked: usize,
}

impl Blocks {
    fn add(&self, bytes: Vec<u8>) -> BlockId {
        let id = BlockId::of(&bytes);
        self.state.lock().unwrap_or_else(PoisonError::into_inner).blocks.insert(id.cid(), bytes);
        id
    }
}

impl BlockSource for Blocks {
    fn block(&self, cid: &Cid) -> Option<Vec<u8>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked += 1;
        state.blocks.get(cid).cloned()
    }
}
