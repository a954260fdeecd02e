//! The calls with one argument and one reply.

use crate::rpc::{
    decoder::{DecodeError, Decoder},
    encoder::Encoder,
    method::Method,
    wire::Wire,
};
use cluster_core::{
    Cid, PeerId, Pin, PinKey, PinKind,
    ports::{PeerCalls, rpc::CallError},
};

/// Reads the argument of one method.
pub(super) type ReadArgument = fn(&mut Decoder<'_>) -> Result<UnaryCall, DecodeError>;

/// A call with its argument.
pub(super) enum UnaryCall {
    Id,
    AddPeer(PeerId),
    AddMember(PeerId),
    RemoveMember(PeerId),
    Version,
    Status(Cid),
    Recover(Cid),
    LogPin(Box<Pin>),
    LogUnpin(Cid),
    SwarmPeers,
    RepoStat,
    CollectGarbage,
    ExchangeHeads(Vec<u8>),
}

impl UnaryCall {
    /// Returns what reads the argument of a method; `None` when the method is none of these.
    pub(super) fn reader(method: Method) -> Option<ReadArgument> {
        Some(match method {
            Method::ClusterId => |_| Ok(Self::Id),
            Method::ClusterVersion => |_| Ok(Self::Version),
            Method::ClusterPeerAdd => |from| Ok(Self::AddPeer(peer(from)?)),
            Method::ConsensusAddPeer => |from| Ok(Self::AddMember(peer(from)?)),
            Method::ClusterPeerRemove | Method::ConsensusRmPeer => |from| Ok(Self::RemoveMember(peer(from)?)),
            Method::ClusterRepoGcLocal => |_| Ok(Self::CollectGarbage),
            Method::TrackerStatus => |from| Ok(Self::Status(cid(from)?)),
            Method::TrackerRecover | Method::ClusterRecoverLocal => |from| Ok(Self::Recover(cid(from)?)),
            Method::ConsensusLogPin => |from| match Pin::read(from)? {
                pin if pin.kind == PinKind::Bad => Err(DecodeError::Missing { what: "pin type" }),
                pin => Ok(Self::LogPin(Box::new(pin))),
            },
            Method::ConsensusLogUnpin => |from| Ok(Self::LogUnpin(Pin::read(from)?.cid)),
            Method::IpfsSwarmPeers => |_| Ok(Self::SwarmPeers),
            Method::IpfsRepoStat => |_| Ok(Self::RepoStat),
            Method::CrdtExchangeHeads => |from| Ok(Self::ExchangeHeads(Wire::read(from)?)),
            _ => return None,
        })
    }

    /// Lets the local peer answer `caller`, and encodes the reply.
    pub(super) async fn run(self, caller: PeerId, calls: &dyn PeerCalls) -> Result<Vec<u8>, CallError> {
        match self {
            Self::Id => calls.id().await.map(encoded),
            Self::AddPeer(joiner) => calls.add_peer(joiner).await.map(encoded),
            Self::AddMember(peer) => calls.add_member(peer).await.map(encoded),
            Self::RemoveMember(peer) => calls.remove_member(peer).await.map(encoded),
            Self::Version => calls.id().await.map(|id| {
                let mut to = Encoder::default();
                to.structure(|fields| fields.value("v").raw(id.version.as_bytes()));
                to.into_bytes()
            }),
            Self::Status(cid) => calls.status(PinKey::from_cid(&cid)).await.map(encoded),
            Self::Recover(cid) => calls.recover(PinKey::from_cid(&cid)).await.map(encoded),
            Self::LogPin(pin) => calls.log(pin.key(), Some(pin)).await.map(encoded),
            Self::LogUnpin(cid) => calls.log(PinKey::from_cid(&cid), None).await.map(encoded),
            Self::SwarmPeers => calls.ipfs_swarm_peers().await.map(encoded),
            Self::RepoStat => calls.repo_stat().await.map(encoded),
            Self::CollectGarbage => calls.collect_garbage().await.map(encoded),
            Self::ExchangeHeads(payload) => calls.exchange_heads(caller, payload).await.map(encoded),
        }
    }
}

fn cid(from: &mut Decoder<'_>) -> Result<Cid, DecodeError> {
    from.cid()?.ok_or(DecodeError::Missing { what: "cid" })
}

fn peer(from: &mut Decoder<'_>) -> Result<PeerId, DecodeError> {
    from.peer()?.ok_or(DecodeError::Missing { what: "peer ID" })
}

fn encoded(reply: impl Wire) -> Vec<u8> {
    let mut to = Encoder::default();
    reply.write(&mut to);
    to.into_bytes()
}
