//! The `consensus` group (api §6.4, §6.5).

mod raft;

pub use raft::RaftConfig;

use super::{
    checker::{Checker, text_or},
    raw::{RawBatching, RawConsensus, RawCrdt},
};
use cluster_core::{PeerId, go_duration::print};
use std::time::Duration;

/// The consensus of this peer; exactly one.
#[derive(Debug, Clone, PartialEq)]
pub enum ConsensusConfig {
    /// Merkle-CRDT.
    Crdt(CrdtConfig),
    /// Raft.
    Raft(RaftConfig),
}

/// Which consensus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConsensusKind {
    /// Merkle-CRDT.
    #[default]
    Crdt,
    /// Raft.
    Raft,
}

/// Settings of the Merkle-CRDT.
#[derive(Debug, Clone, PartialEq)]
pub struct CrdtConfig {
    /// Name shared by all peers; the gossip topic derives from it.
    pub cluster_name: String,
    /// Whose changes are taken.
    pub trusted_peers: TrustedPeers,
    /// When changes are collected before they are announced.
    pub batching: BatchingConfig,
    /// Between two searches for damage; `None` never.
    pub repair_interval: Option<Duration>,
    /// Between two repetitions of the heads.
    pub rebroadcast_interval: Duration,
    /// Metric that says who is in the cluster.
    pub peerset_metric: String,
    /// Prefix of the keys peers exchange.
    pub datastore_namespace: String,
}

/// Whose changes are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustedPeers {
    /// Everyone's (`*`).
    Everyone,
    /// This peer's and those listed.
    Only(Vec<PeerId>),
}

/// When changes are collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchingConfig {
    /// So many at most; 0 is off.
    pub max_batch_size: u64,
    /// So long at most; zero is off.
    pub max_batch_age: Duration,
    /// How many may wait.
    pub max_queue_size: u64,
}

impl BatchingConfig {
    /// Says whether changes are collected: only when both size and age are set.
    pub fn is_on(&self) -> bool {
        self.max_batch_size > 0 && !self.max_batch_age.is_zero()
    }
}

impl ConsensusConfig {
    /// Says which consensus it is.
    pub fn kind(&self) -> ConsensusKind {
        match self {
            Self::Crdt(_) => ConsensusKind::Crdt,
            Self::Raft(_) => ConsensusKind::Raft,
        }
    }

    /// Returns the name commands use.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// Returns the settings of the Merkle-CRDT, if that is what it is.
    pub fn crdt(&self) -> Option<&CrdtConfig> {
        match self {
            Self::Crdt(crdt) => Some(crdt),
            Self::Raft(_) => None,
        }
    }

    /// Returns the settings of Raft, if that is what it is.
    pub fn raft(&self) -> Option<&RaftConfig> {
        match self {
            Self::Raft(raft) => Some(raft),
            Self::Crdt(_) => None,
        }
    }

    pub(crate) fn parse(raw: RawConsensus, check: &mut Checker<'_>) -> Self {
        match raw.raft {
            None => {
                Self::Crdt(CrdtConfig::parse(raw.crdt.unwrap_or_default(), check.enter("consensus.crdt")))
            }
            Some(raft) => {
                if raw.crdt.is_some() {
                    let found = "a section beside [consensus.crdt]";
                    check.enter("consensus").reject("raft", found, "one consensus");
                }
                Self::Raft(RaftConfig::parse(&raft, check.enter("consensus.raft")))
            }
        }
    }

    pub(crate) fn to_raw(&self) -> RawConsensus {
        match self {
            Self::Crdt(crdt) => RawConsensus { crdt: Some(crdt.to_raw()), raft: None },
            Self::Raft(raft) => RawConsensus { crdt: None, raft: Some(raft.to_raw()) },
        }
    }
}

impl ConsensusKind {
    /// Returns the name commands use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crdt => "crdt",
            Self::Raft => "raft",
        }
    }

    /// Returns the path of its section.
    pub(crate) fn section(self) -> &'static str {
        match self {
            Self::Crdt => "consensus.crdt",
            Self::Raft => "consensus.raft",
        }
    }
}

impl CrdtConfig {
    pub(crate) fn parse(raw: RawCrdt, check: &mut Checker<'_>) -> Self {
        let batching = raw.batching;
        let age = batching.max_batch_age.as_ref();
        let (repair, rebroadcast) = (raw.repair_interval.as_ref(), raw.rebroadcast_interval.as_ref());
        Self {
            trusted_peers: TrustedPeers::parse(&raw.trusted_peers.unwrap_or_default(), check),
            batching: BatchingConfig {
                max_batch_size: check.integer("batching.max_batch_size", batching.max_batch_size, 0, 0),
                max_batch_age: check.duration("batching.max_batch_age", age, Duration::ZERO),
                max_queue_size: check.integer("batching.max_queue_size", batching.max_queue_size, 50_000, 1),
            },
            repair_interval: check.switchable("repair_interval", repair, Some(Duration::from_secs(3600))),
            rebroadcast_interval: check.positive(
                "rebroadcast_interval",
                rebroadcast,
                Duration::from_secs(60),
            ),
            cluster_name: text_or(raw.cluster_name, "ipfs-cluster"),
            peerset_metric: text_or(raw.peerset_metric, "ping"),
            datastore_namespace: text_or(raw.datastore_namespace, "/c"),
        }
    }

    pub(crate) fn to_raw(&self) -> RawCrdt {
        let number = |n: u64| Some(i64::try_from(n).unwrap_or(i64::MAX));
        RawCrdt {
            cluster_name: Some(self.cluster_name.clone()),
            trusted_peers: Some(match &self.trusted_peers {
                TrustedPeers::Everyone => vec!["*".to_owned()],
                TrustedPeers::Only(peers) => peers.iter().map(PeerId::to_string).collect(),
            }),
            repair_interval: Some(print(self.repair_interval.unwrap_or_default())),
            rebroadcast_interval: Some(print(self.rebroadcast_interval)),
            peerset_metric: Some(self.peerset_metric.clone()),
            datastore_namespace: Some(self.datastore_namespace.clone()),
            batching: RawBatching {
                max_batch_size: number(self.batching.max_batch_size),
                max_batch_age: Some(print(self.batching.max_batch_age)),
                max_queue_size: number(self.batching.max_queue_size),
            },
        }
    }
}

impl TrustedPeers {
    fn parse(texts: &[String], check: &mut Checker<'_>) -> Self {
        let (stars, names): (Vec<_>, Vec<_>) = texts.iter().partition(|text| *text == "*");
        let peers = names.iter().filter_map(|name| check.peer("trusted_peers", name, ", or \"*\"")).collect();
        if stars.is_empty() { Self::Only(peers) } else { Self::Everyone }
    }
}
