//! One peer: what it works with, and the reads and changes that its roles share.

mod browse;
mod calls;
mod cluster_api;
mod contested;
mod forgetting;
mod healing;
mod joining;
mod local_status;
mod membership;
mod mending;
mod replacing;

pub use browse::count;

use crate::{CheckMemory, Informers, IpfsWatch, MetricsBoard, TrackerPort};
use cluster_core::{
    PeerId, Pin, PinKey, ReplicationFactors, ReplicationPolicy,
    allocation::Placement,
    ports::{
        Consensus, Datastore, HeadsExchange, IpfsConnector, Members, Network, PeerCalls, Rpc,
        cluster_api::{ApiError, PinStatusOnPeer},
        consensus::{Etag, Operation, OperationKind},
    },
    tracker::InFlight,
    trust::TrustSet,
};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::watch;

/// Which peers pins may be placed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlaceOn {
    /// All peers.
    #[default]
    All,
    /// Trusted peers only.
    Trusted,
    /// Untrusted peers only.
    Untrusted,
}

/// What a peer says of itself and by which rules it works.
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// Its peer ID.
    pub id: PeerId,
    /// Its display name.
    pub peername: String,
    /// Version of its software.
    pub version: &'static str,
    /// Takes no writes, and speaks for itself alone.
    pub follower: bool,
    /// Factors of pins that name none.
    pub replication: ReplicationFactors,
    /// Whether pins of peers that go are placed elsewhere.
    pub repinning: bool,
    /// Names of the metrics that order the peers for placement, most important first.
    pub allocate_by: Vec<String>,
    /// Where pins may go.
    pub place_on: PlaceOn,
    /// Time between two pings: a peer just joined is a member for twice as long before it is heard.
    pub ping_interval: Duration,
    /// A folder for what is too much for memory.
    pub scratch: PathBuf,
}

/// What a peer works with.
pub struct PeerParts {
    /// How changes are agreed on.
    pub consensus: Arc<dyn Consensus>,
    /// The list of members, where the consensus keeps one.
    pub members: Option<Arc<dyn Members>>,
    /// Whether the pinset is fit to be read.
    pub ready: watch::Receiver<bool>,
    /// Who is trusted.
    pub trust: Arc<TrustSet>,
    /// Where the pinset is.
    pub store: Arc<dyn Datastore>,
    /// The IPFS daemon.
    pub ipfs: Arc<dyn IpfsConnector>,
    /// What is known of it.
    pub watch: IpfsWatch,
    /// The writer, for the tracker's transitions.
    pub tracker: Arc<dyn TrackerPort>,
    /// Requests that run now.
    pub in_flight: InFlight,
    /// Connections.
    pub network: Arc<dyn Network>,
    /// Calls to other peers.
    pub rpc: Arc<dyn Rpc>,
    /// What peers tell of themselves.
    pub metrics: MetricsBoard,
    /// Told of the end of a collection of garbage.
    pub informers: Informers,
    /// The consensus' heads, for peers that ask.
    pub heads: Arc<dyn HeadsExchange>,
    /// Number of the last batch that was written.
    pub batches: watch::Receiver<u64>,
}

struct Shared {
    config: PeerConfig,
    parts: PeerParts,
    checks: CheckMemory,
}

/// One peer; a handle that is cheap to clone.
#[derive(Clone)]
pub struct Peer(Arc<Shared>);

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("config", &self.0.config).finish_non_exhaustive()
    }
}

impl Peer {
    /// Makes a peer.
    pub fn new(config: PeerConfig, parts: PeerParts) -> Self {
        Self(Arc::new(Shared { config, parts, checks: CheckMemory::default() }))
    }

    fn config(&self) -> &PeerConfig {
        &self.0.config
    }

    fn parts(&self) -> &PeerParts {
        &self.0.parts
    }

    /// Returns the calls to a member; those to this peer stay here.
    fn calls(&self, peer: PeerId) -> Arc<dyn PeerCalls> {
        if peer == self.config().id { Arc::new(self.clone()) } else { self.parts().rpc.peer(peer) }
    }

    /// Lists whom to ask: a follower speaks for itself alone (api §10.8).
    fn asked(&self) -> Vec<PeerId> {
        if self.config().follower { vec![self.config().id] } else { self.parts().consensus.members() }
    }

    /// Returns the members, where there is a list of them: others may tell metrics, and count for nothing.
    fn listed_members(&self) -> Option<Vec<PeerId>> {
        self.parts().members.as_ref().map(|_| self.parts().consensus.members())
    }

    /// Makes what stands for a member where it says nothing itself: from its last ping.
    fn template(&self, peer: PeerId) -> PinStatusOnPeer {
        if peer == self.config().id {
            let known = self.parts().watch.last();
            let ipfs = known.as_ref().as_ref().map(|id| (id.id, id.addresses.clone()));
            return crate::gather::template(peer, self.config().peername.clone(), ipfs);
        }
        let ping = self.parts().metrics.ping_value(&peer).unwrap_or_default();
        crate::gather::template(peer, ping.peername, ping.ipfs_id.map(|id| (id, ping.ipfs_addresses)))
    }

    /// Ranks the peers that could take a pin, best first (api §10.3).
    fn candidates(&self, wanted: &[PeerId], excluded: &[PeerId]) -> Vec<PeerId> {
        let placement = Placement { priority: wanted, blacklist: excluded };
        let trust = &self.parts().trust;
        let listed = self.listed_members();
        self.parts().metrics.rank(&self.config().allocate_by, placement, |peer| {
            match self.config().place_on {
                _ if trust.is_forgotten(peer) => false,
                _ if listed.as_ref().is_some_and(|members| !members.contains(peer)) => false,
                PlaceOn::All => true,
                PlaceOn::Trusted => trust.is_trusted(peer),
                PlaceOn::Untrusted => !trust.is_trusted(peer),
            }
        })
    }

    /// Submits what was asked, with the peers that could hold the pin.
    async fn submit(&self, asked: Operation) -> Result<(Pin, Etag), ApiError> {
        if self.config().follower {
            return Err(ApiError::FollowerMode);
        }
        let ranked_candidates = match &asked.kind {
            OperationKind::Pin(pin) if !self.is_everywhere(pin) => {
                self.candidates(&pin.options.user_allocations, &[])
            }
            // Nobody is chosen, or allocations are copied, or go.
            OperationKind::Pin(_) | OperationKind::PinUpdate { .. } | OperationKind::Unpin(_) => Vec::new(),
        };
        let applied = self.parts().consensus.submit(Operation { ranked_candidates, ..asked }).await?;
        Ok((applied.pin, applied.etag))
    }

    fn is_everywhere(&self, pin: &Pin) -> bool {
        let factors = pin.options.replication.or(self.config().replication);
        matches!(factors.policy(), Ok(ReplicationPolicy::Everywhere))
    }

    /// Runs a read on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Datastore) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let store = self.parts().store.clone();
        tokio::task::spawn_blocking(move || read(&*store)).await.unwrap_or(Err(ApiError::Stopping))
    }

    /// Reads the pin under a key, if there is one.
    async fn pin_of(&self, key: PinKey) -> Result<Option<(Pin, Etag)>, ApiError> {
        self.read(move |store| Ok(cluster_core::pinset::read::pin(&*store.snapshot()?, &key)?)).await
    }
}
