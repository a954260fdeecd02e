//! The use cases around the members and their health.

use super::Peer;
use cluster_core::{
    Metric, Multiaddr, PeerId,
    ports::{
        BoxFuture, BoxStream, MembershipApi, PeerCalls,
        cluster_api::{Alert, ApiError, ConnectGraph, PeerInfo, RepoGc, Scope},
        consensus::{CrdtHealth, RaftHealth},
        members::MemberChange,
        rpc::CallError,
        swarm::Traffic,
    },
};
use futures_util::{Stream, StreamExt, TryFutureExt, future::join_all, stream::FuturesUnordered};
use std::time::Duration;

/// How long the IPFS daemon is waited for: whoever asks who this peer is gives up after 15 s, and would then list the whole
/// peer as failed.
const DAEMON_LIMIT: Duration = Duration::from_secs(5);

impl Peer {
    /// Says who this peer is; asks the IPFS daemon live.
    pub(super) async fn describe(&self) -> PeerInfo {
        let ipfs = self.parts().ipfs.id();
        let late = |_| Err(format!("the IPFS daemon has not answered for {}s", DAEMON_LIMIT.as_secs()));
        let ipfs = tokio::time::timeout(DAEMON_LIMIT, ipfs.map_err(|error| error.to_string()));
        let ipfs = ipfs.await.unwrap_or_else(late);
        if let Ok(id) = &ipfs {
            self.parts().watch.note(id.clone());
        }
        let network = &self.parts().network;
        let members = self.parts().consensus.members();
        let others = members.iter().filter(|peer| **peer != self.config().id);
        PeerInfo {
            id: self.config().id,
            addresses: network.local_addresses(),
            cluster_peers_addresses: others.flat_map(|peer| network.addresses_of(peer)).collect(),
            cluster_peers: members,
            version: self.config().version.to_owned(),
            rpc_protocol_version: "/ipfscluster/1.0/rpc".to_owned(),
            peername: self.config().peername.clone(),
            ipfs,
            error: None,
        }
    }

    /// Asks every member who it is. One that does not answer has an error; one that refuses is left out.
    pub(super) fn describe_members(&self) -> impl Stream<Item = PeerInfo> + Send + use<> {
        let questions: FuturesUnordered<_> = self
            .parts()
            .consensus
            .members()
            .into_iter()
            .map(|peer| {
                let calls = self.calls(peer);
                async move {
                    match calls.id().await {
                        Ok(info) => Some(info),
                        Err(CallError::Refused { .. }) => None,
                        Err(error) => Some(silent(peer, error.to_string())),
                    }
                }
            })
            .collect();
        questions.filter_map(std::future::ready)
    }

    /// Asks a peer that comes or is added who it is; it may not know this one yet.
    pub(super) async fn greet(&self, peer: PeerId) -> Result<PeerInfo, CallError> {
        let mut info = self.calls(peer).id().await?;
        if !info.cluster_peers.contains(&self.config().id) {
            info.cluster_peers.push(self.config().id);
        }
        Ok(info)
    }
}

fn silent(peer: PeerId, error: String) -> PeerInfo {
    PeerInfo {
        id: peer,
        addresses: Vec::new(),
        cluster_peers: Vec::new(),
        cluster_peers_addresses: Vec::new(),
        version: String::new(),
        rpc_protocol_version: String::new(),
        peername: String::new(),
        ipfs: Err(String::new()),
        error: Some(error),
    }
}

impl MembershipApi for Peer {
    fn traffic(&self) -> Vec<(String, Traffic)> {
        self.parts().network.traffic()
    }

    fn id(&self) -> BoxFuture<'_, PeerInfo> {
        Box::pin(self.describe())
    }

    fn peers(&self) -> BoxStream<'static, Result<PeerInfo, ApiError>> {
        Box::pin(self.describe_members().map(Ok))
    }

    fn add_peer(&self, peer: PeerId, addresses: Vec<Multiaddr>) -> BoxFuture<'_, Result<PeerInfo, ApiError>> {
        Box::pin(async move {
            if peer != self.config().id {
                self.take_back(peer).await?;
                self.parts().network.connect(peer, addresses).await?;
                if let Some(members) = &self.parts().members {
                    members.change(MemberChange::Add(peer)).await?;
                }
            }
            Ok(self.greet(peer).await?)
        })
    }

    fn remove_peer(&self, peer: PeerId, forget: bool) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            if let Some(members) = &self.parts().members {
                self.hand_over(peer).await?;
                members.change(MemberChange::Remove(peer)).await?;
                // A peer that removes itself stops, and has nobody to forget.
                if !forget || peer == self.config().id {
                    return Ok(());
                }
            } else if !forget {
                return Err(ApiError::CannotRemovePeers);
            }
            self.forget(peer).await
        })
    }

    fn connect_graph(&self) -> BoxFuture<'_, Result<ConnectGraph, ApiError>> {
        Box::pin(async move {
            let members = self.parts().consensus.members();
            let mut graph = ConnectGraph {
                cluster_id: self.config().id,
                peernames: Default::default(),
                ipfs_links: Default::default(),
                cluster_links: Default::default(),
                trust_links: Default::default(),
                cluster_to_ipfs: Default::default(),
            };
            let views = join_all(members.iter().map(|member| {
                let calls = self.calls(*member);
                async move {
                    let peers = calls.peers().filter_map(async |peer| peer.ok()).collect::<Vec<_>>().await;
                    let swarm = match peers.iter().find(|peer| peer.id == *member) {
                        Some(PeerInfo { ipfs: Ok(_), .. }) => calls.ipfs_swarm_peers().await.ok(),
                        _ => None,
                    };
                    (*member, peers, swarm)
                }
            }));
            for (member, peers, swarm) in views.await {
                graph.trust_links.insert(member, self.parts().trust.is_trusted(&member));
                let links = graph.cluster_links.entry(member).or_default();
                for peer in peers.into_iter().filter(|peer| peer.error.is_none()) {
                    if peer.id != member {
                        links.push(peer.id);
                        continue;
                    }
                    if let Ok(ipfs) = peer.ipfs {
                        graph.cluster_to_ipfs.insert(member, ipfs.id);
                        graph.ipfs_links.insert(ipfs.id, swarm.clone().unwrap_or_default());
                    }
                    graph.peernames.insert(member, peer.peername);
                }
                links.sort_unstable();
            }
            Ok(graph)
        })
    }

    fn crdt_health(&self) -> BoxFuture<'_, Result<CrdtHealth, ApiError>> {
        Box::pin(async move {
            let health = self.parts().consensus.crdt_health().await?;
            health.ok_or(ApiError::Unsupported { what: "the health of a Merkle-CRDT without one" })
        })
    }

    fn raft_health(&self) -> Result<RaftHealth, ApiError> {
        let health = self.parts().consensus.raft_health();
        health.ok_or(ApiError::Unsupported { what: "the health of Raft with another consensus" })
    }

    fn set_voter(&self, peer: PeerId, votes: bool) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let Some(members) = &self.parts().members else {
                return Err(ApiError::Unsupported { what: "voting with another consensus than raft" });
            };
            let change = if votes { MemberChange::Promote(peer) } else { MemberChange::Demote(peer) };
            Ok(members.change(change).await?)
        })
    }

    fn alerts(&self) -> Vec<Alert> {
        // A follower can do nothing about them (api §10.8).
        if self.config().follower {
            return Vec::new();
        }
        let listed = self.listed_members();
        let mut alerts = self.parts().metrics.alerts();
        alerts.retain(|alert| listed.as_ref().is_none_or(|members| members.contains(&alert.metric.peer)));
        alerts
    }

    fn metric_names(&self) -> Vec<String> {
        self.parts().metrics.metric_names()
    }

    fn metrics(&self, name: &str) -> Vec<Metric> {
        let listed = self.listed_members();
        let mut metrics = self.parts().metrics.metrics(name);
        metrics.retain(|metric| listed.as_ref().is_none_or(|members| members.contains(&metric.peer)));
        metrics
    }

    fn collect_garbage(&self, scope: Scope) -> BoxFuture<'_, Result<Vec<RepoGc>, ApiError>> {
        Box::pin(async move {
            if scope == Scope::Local {
                return Ok(vec![PeerCalls::collect_garbage(self).await?]);
            }
            let mut outcomes = Vec::new();
            // One after another: while a daemon collects it answers slowly, and all of them at once would be an outage.
            for peer in self.asked() {
                match self.calls(peer).collect_garbage().await {
                    Ok(outcome) => outcomes.push(outcome),
                    Err(CallError::Refused { .. }) => {}
                    Err(error) => outcomes.push(RepoGc {
                        peer,
                        peername: self.template(peer).peername,
                        keys: Vec::new(),
                        error: error.to_string(),
                    }),
                }
            }
            outcomes.sort_by_cached_key(|outcome| outcome.peer.to_base58());
            Ok(outcomes)
        })
    }
}
