//! Every method of the protocol, and who may call it (wire-protocol §5.6).

use super::{limits::Limits, service_id::ServiceId};
use std::{borrow::Cow, time::Duration};

/// Whether a method takes one argument and gives one reply, or streams of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MethodKind {
    /// One argument, one reply.
    Unary,
    /// Any number of both.
    Streaming,
}

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// Everybody in the swarm.
    Open,
    /// Trusted peers.
    Trusted,
    /// Nobody but the peer itself.
    Closed,
}

macro_rules! methods {
    ($($variant:ident = $service:literal $method:literal $kind:ident,)*) => {
        /// A method.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Method {
            $(#[doc = concat!("`", $service, ".", $method, "`")] $variant,)*
        }

        impl Method {
            /// Every method.
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns service and method, joined by a dot.
            pub(super) const fn full_name(self) -> &'static str {
                match self { $(Self::$variant => concat!($service, ".", $method),)* }
            }

            const fn names(self) -> (&'static str, &'static str) {
                match self { $(Self::$variant => ($service, $method),)* }
            }

            /// Says whether it streams. Nothing on the wire does.
            pub(super) const fn kind(self) -> MethodKind {
                match self { $(Self::$variant => MethodKind::$kind,)* }
            }
        }
    };
}

methods! {
    ClusterAlerts = "Cluster" "Alerts" Unary,
    ClusterBandwidthByProtocol = "Cluster" "BandwidthByProtocol" Unary,
    ClusterBlockAllocate = "Cluster" "BlockAllocate" Unary,
    ClusterConnectGraph = "Cluster" "ConnectGraph" Unary,
    ClusterId = "Cluster" "ID" Unary,
    ClusterIdStream = "Cluster" "IDStream" Streaming,
    ClusterIpfsId = "Cluster" "IPFSID" Unary,
    ClusterJoin = "Cluster" "Join" Unary,
    ClusterPeerAdd = "Cluster" "PeerAdd" Unary,
    ClusterPeerRemove = "Cluster" "PeerRemove" Unary,
    ClusterPeers = "Cluster" "Peers" Streaming,
    ClusterPeersWithFilter = "Cluster" "PeersWithFilter" Streaming,
    ClusterPin = "Cluster" "Pin" Unary,
    ClusterPinGet = "Cluster" "PinGet" Unary,
    ClusterPinPath = "Cluster" "PinPath" Unary,
    ClusterPins = "Cluster" "Pins" Streaming,
    ClusterRecover = "Cluster" "Recover" Unary,
    ClusterRecoverAll = "Cluster" "RecoverAll" Streaming,
    ClusterRecoverAllLocal = "Cluster" "RecoverAllLocal" Streaming,
    ClusterRecoverLocal = "Cluster" "RecoverLocal" Unary,
    ClusterRepoGc = "Cluster" "RepoGC" Unary,
    ClusterRepoGcLocal = "Cluster" "RepoGCLocal" Unary,
    ClusterSendInformerMetrics = "Cluster" "SendInformerMetrics" Unary,
    ClusterSendInformersMetrics = "Cluster" "SendInformersMetrics" Unary,
    ClusterStatus = "Cluster" "Status" Unary,
    ClusterStatusAll = "Cluster" "StatusAll" Streaming,
    ClusterStatusAllLocal = "Cluster" "StatusAllLocal" Streaming,
    ClusterStatusLocal = "Cluster" "StatusLocal" Unary,
    ClusterUnpin = "Cluster" "Unpin" Unary,
    ClusterUnpinPath = "Cluster" "UnpinPath" Unary,
    ClusterVersion = "Cluster" "Version" Unary,
    TrackerPinQueueSize = "PinTracker" "PinQueueSize" Unary,
    TrackerRecover = "PinTracker" "Recover" Unary,
    TrackerRecoverAll = "PinTracker" "RecoverAll" Streaming,
    TrackerStatus = "PinTracker" "Status" Unary,
    TrackerStatusAll = "PinTracker" "StatusAll" Streaming,
    TrackerStatusAllAfter = "PinTracker" "StatusAllAfter" Streaming,
    TrackerTrack = "PinTracker" "Track" Unary,
    TrackerUntrack = "PinTracker" "Untrack" Unary,
    IpfsBlockGet = "IPFSConnector" "BlockGet" Unary,
    IpfsBlockStream = "IPFSConnector" "BlockStream" Streaming,
    IpfsConfigKey = "IPFSConnector" "ConfigKey" Unary,
    IpfsPin = "IPFSConnector" "Pin" Unary,
    IpfsPinLs = "IPFSConnector" "PinLs" Streaming,
    IpfsPinLsCid = "IPFSConnector" "PinLsCid" Unary,
    IpfsRepoStat = "IPFSConnector" "RepoStat" Unary,
    IpfsResolve = "IPFSConnector" "Resolve" Unary,
    IpfsSwarmPeers = "IPFSConnector" "SwarmPeers" Unary,
    IpfsUnpin = "IPFSConnector" "Unpin" Unary,
    ConsensusAddPeer = "Consensus" "AddPeer" Unary,
    ConsensusLogPin = "Consensus" "LogPin" Unary,
    ConsensusLogUnpin = "Consensus" "LogUnpin" Unary,
    ConsensusPeers = "Consensus" "Peers" Unary,
    ConsensusRmPeer = "Consensus" "RmPeer" Unary,
    MonitorLatestMetrics = "PeerMonitor" "LatestMetrics" Unary,
    MonitorMetricNames = "PeerMonitor" "MetricNames" Unary,
    CrdtExchangeHeads = "Crdt" "ExchangeHeads" Unary,
}

impl Method {
    /// Says who may call the method on this peer.
    pub(super) fn policy(self, follower: bool) -> Policy {
        match self {
            // Whoever hears the gossip knows the heads; those that come from who is not trusted are not taken.
            Self::ClusterId
            | Self::ClusterIdStream
            | Self::ClusterPeerAdd
            | Self::ClusterVersion
            | Self::CrdtExchangeHeads => Policy::Open,
            Self::ClusterRepoGcLocal if follower => Policy::Closed,
            Self::ClusterPeerRemove
            | Self::ClusterPeers
            | Self::ClusterRecoverAllLocal
            | Self::ClusterRecoverLocal
            | Self::ClusterRepoGcLocal
            | Self::TrackerRecover
            | Self::TrackerStatus
            | Self::TrackerStatusAll
            | Self::TrackerStatusAllAfter
            | Self::IpfsBlockStream
            | Self::IpfsRepoStat
            | Self::IpfsSwarmPeers
            | Self::ConsensusAddPeer
            | Self::ConsensusRmPeer
            | Self::ConsensusLogPin
            | Self::ConsensusLogUnpin => Policy::Trusted,
            Self::ClusterAlerts
            | Self::ClusterBandwidthByProtocol
            | Self::ClusterBlockAllocate
            | Self::ClusterConnectGraph
            | Self::ClusterIpfsId
            | Self::ClusterJoin
            | Self::ClusterPeersWithFilter
            | Self::ClusterPin
            | Self::ClusterPinGet
            | Self::ClusterPinPath
            | Self::ClusterPins
            | Self::ClusterRecover
            | Self::ClusterRecoverAll
            | Self::ClusterRepoGc
            | Self::ClusterSendInformerMetrics
            | Self::ClusterSendInformersMetrics
            | Self::ClusterStatus
            | Self::ClusterStatusAll
            | Self::ClusterStatusAllLocal
            | Self::ClusterStatusLocal
            | Self::ClusterUnpin
            | Self::ClusterUnpinPath
            | Self::TrackerPinQueueSize
            | Self::TrackerRecoverAll
            | Self::TrackerTrack
            | Self::TrackerUntrack
            | Self::IpfsBlockGet
            | Self::IpfsConfigKey
            | Self::IpfsPin
            | Self::IpfsPinLs
            | Self::IpfsPinLsCid
            | Self::IpfsResolve
            | Self::IpfsUnpin
            | Self::ConsensusPeers
            | Self::MonitorLatestMetrics
            | Self::MonitorMetricNames => Policy::Closed,
        }
    }

    /// Says whether the method exists between peers of this suite alone.
    pub(super) fn is_own(self) -> bool {
        matches!(self, Self::CrdtExchangeHeads | Self::TrackerStatusAllAfter)
    }

    /// Returns the names for the wire.
    pub(super) fn service_id(self) -> ServiceId<'static> {
        let (name, method) = self.names();
        ServiceId { name: Cow::Borrowed(name), method: Cow::Borrowed(method) }
    }

    /// Finds a method by its names; `ours` says whether the caller speaks this suite's own protocol.
    ///
    /// # Errors
    /// The text that Go peers answer with.
    pub(super) fn find(id: &ServiceId<'_>, ours: bool) -> Result<Self, String> {
        let mut service_exists = false;
        for method in Self::ALL.iter().copied().filter(|method| ours || !method.is_own()) {
            let (service, name) = method.names();
            if service == id.name {
                service_exists = true;
                if name == id.method {
                    return Ok(method);
                }
            }
        }
        Err(if service_exists {
            format!("rpc: can't find method {}", id.method)
        } else {
            format!("rpc: can't find service {}", id.name)
        })
    }

    /// Returns the bounds of an argument.
    pub(super) fn argument_limits(self) -> Limits {
        match self {
            Self::ConsensusLogPin | Self::ConsensusLogUnpin => Limits::PIN,
            Self::CrdtExchangeHeads => Limits::VALUE,
            Self::IpfsBlockStream => Limits::BLOCK,
            _ => Limits::SMALL_ARGUMENT,
        }
    }

    /// Returns how long the local peer may take for a reply, or for the next of a stream. Callers of single answers give up
    /// after 15 s, so they learn before that why there is none; the collection of garbage takes as long as the daemon needs.
    pub(super) fn time_limit(self) -> Duration {
        match self {
            Self::ClusterRepoGcLocal => Duration::from_secs(24 * 60 * 60),
            // Another peer is asked meanwhile, which may take 15 s itself.
            Self::ClusterPeerAdd | Self::ClusterPeers => Duration::from_secs(20),
            _ => Duration::from_secs(14),
        }
    }

    /// Returns the bounds of a reply.
    pub(super) fn reply_limits(self) -> Limits {
        match self {
            Self::ClusterRepoGcLocal => Limits::GARBAGE,
            _ => Limits::VALUE,
        }
    }
}

#[cfg(test)]
mod tests;
