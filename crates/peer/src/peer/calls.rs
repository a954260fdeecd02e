//! What other peers may ask of this one, and what it asks of itself when it asks everybody.

use super::Peer;
use cluster_core::{
    PeerId, Pin, PinKey, StatusFilter,
    ports::{
        BoxFuture, BoxStream, PeerCalls,
        cluster_api::{ApiError, LocalPinStatus, PeerInfo, RepoGc},
        consensus::{Operation, OperationKind},
        ipfs_connector::{ContentBlock, RepoStat},
        members::MemberChange,
        rpc::CallError,
    },
};
use futures_util::StreamExt;

fn failed(error: impl std::fmt::Display) -> CallError {
    CallError::Failed { message: error.to_string() }
}

impl PeerCalls for Peer {
    fn id(&self) -> BoxFuture<'_, Result<PeerInfo, CallError>> {
        Box::pin(async move { Ok(self.describe().await) })
    }

    fn add_peer(&self, joiner: PeerId) -> BoxFuture<'_, Result<PeerInfo, CallError>> {
        Box::pin(async move {
            if self.parts().trust.is_forgotten(&joiner) {
                return Err(CallError::Refused { method: "Cluster.PeerAdd" });
            }
            if let Some(members) = &self.parts().members {
                members.change(MemberChange::Add(joiner)).await.map_err(failed)?;
            }
            self.greet(joiner).await
        })
    }

    fn add_member(&self, peer: PeerId) -> BoxFuture<'_, Result<(), CallError>> {
        Box::pin(async move {
            match &self.parts().members {
                Some(members) => members.change(MemberChange::Add(peer)).await.map_err(failed),
                None => Ok(()),
            }
        })
    }

    fn remove_member(&self, peer: PeerId) -> BoxFuture<'_, Result<(), CallError>> {
        Box::pin(async move {
            match &self.parts().members {
                Some(members) => members.change(MemberChange::Remove(peer)).await.map_err(failed),
                None => Err(failed(ApiError::CannotRemovePeers)),
            }
        })
    }

    fn peers(&self) -> BoxStream<'static, Result<PeerInfo, CallError>> {
        Box::pin(self.describe_members().map(Ok))
    }

    fn status(&self, key: PinKey) -> BoxFuture<'_, Result<LocalPinStatus, CallError>> {
        Box::pin(async move { self.local_status(&key).await.map_err(failed) })
    }

    fn status_all(&self, filter: StatusFilter) -> BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>> {
        Box::pin(self.local_statuses(filter, None).map(|page| page.map_err(failed)))
    }

    fn statuses_after(
        &self,
        filter: StatusFilter,
        after: PinKey,
    ) -> BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>> {
        Box::pin(self.local_statuses(filter, Some(after)).map(|page| page.map_err(failed)))
    }

    fn recover(&self, key: PinKey) -> BoxFuture<'_, Result<LocalPinStatus, CallError>> {
        Box::pin(async move {
            match self.local_recover(&key).await.map_err(failed)? {
                Some(status) => Ok(status),
                None => self.local_status(&key).await.map_err(failed),
            }
        })
    }

    fn recover_all(&self) -> BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>> {
        Box::pin(self.local_recover_all().map(|page| page.map_err(failed)))
    }

    fn log(&self, key: PinKey, pin: Option<Box<Pin>>) -> BoxFuture<'_, Result<(), CallError>> {
        let kind = pin.map_or(OperationKind::Unpin(key), OperationKind::Pin);
        Box::pin(async move { self.submit(Operation::new(kind)).await.map(drop).map_err(failed) })
    }

    fn ipfs_swarm_peers(&self) -> BoxFuture<'_, Result<Vec<PeerId>, CallError>> {
        Box::pin(async move { self.parts().ipfs.swarm_peers().await.map_err(failed) })
    }

    fn repo_stat(&self) -> BoxFuture<'_, Result<RepoStat, CallError>> {
        Box::pin(async move { self.parts().ipfs.repo_stat().await.map_err(failed) })
    }

    fn put_blocks(&self, blocks: BoxStream<'static, ContentBlock>) -> BoxFuture<'_, Result<(), CallError>> {
        Box::pin(async move {
            let stored = self.parts().ipfs.put_blocks(blocks).await;
            self.parts().informers.on_pin_event();
            stored.map_err(failed)
        })
    }

    fn collect_garbage(&self) -> BoxFuture<'_, Result<RepoGc, CallError>> {
        Box::pin(async move {
            let mut items = self.parts().ipfs.collect_garbage();
            let mut keys = Vec::new();
            while let Some(item) = items.next().await {
                keys.push(item.map_err(failed)?);
            }
            self.parts().informers.on_pin_event();
            let peername = self.config().peername.clone();
            Ok(RepoGc { peer: self.config().id, peername, keys, error: String::new() })
        })
    }

    fn exchange_heads(&self, from: PeerId, payload: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, CallError>> {
        Box::pin(async move { Ok(self.parts().heads.exchange_heads(from, payload).await) })
    }
}
