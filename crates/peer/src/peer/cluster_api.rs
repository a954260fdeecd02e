//! The use cases around pins.

use super::Peer;
use crate::{
    gather::{Source, failed, merge},
    pages::stream,
};
use cluster_core::{
    Cid, PeerId, Pin, PinKey, PinKindFilter, StatusFilter, TrackerStatus,
    pinset::read,
    ports::{
        BoxFuture, BoxStream, ClusterApi, PeerCalls,
        cluster_api::{ApiError, GlobalPinStatus, IpfsPath, LocalPinStatus, PinStatusOnPeer, PinWish, Scope},
        consensus::{Etag, Operation, OperationKind, Precondition, RequestId},
        datastore::{Cursor, Tree},
        rpc::CallError,
    },
};
use cluster_runtime::now;
use futures_util::{StreamExt, future::join_all};

/// Rows of a page that is streamed, and of the first one: small, so that the first byte comes at once.
const PAGE: usize = 1024;
const FIRST_PAGE: usize = 32;

/// What a member is asked about one CID.
#[derive(Clone, Copy)]
pub(super) enum Question {
    Status,
    Recover,
}

impl Peer {
    /// Asks the members that should hold a CID; the others are known to be remote (api §3.6).
    pub(super) async fn ask_about(
        &self,
        key: PinKey,
        question: Question,
    ) -> Result<GlobalPinStatus, ApiError> {
        let Some((pin, _)) = self.pin_of(key.clone()).await? else {
            return self.unpinned_everywhere(&key).await;
        };
        let members = self.asked();
        let is_asked = |peer: &PeerId| pin.is_everywhere() || pin.allocations.contains(peer);
        let mut asked: Vec<PeerId> = members.iter().copied().filter(is_asked).collect();
        if !pin.is_everywhere() && !self.config().follower {
            // Those allocated are asked whether they are members now or not.
            asked.extend(pin.allocations.iter().filter(|peer| !members.contains(peer)));
        }
        let answers = asked.iter().map(|peer| {
            let (calls, key) = (self.calls(*peer), key.clone());
            async move {
                let answer = match question {
                    Question::Status => calls.status(key).await,
                    Question::Recover => calls.recover(key).await,
                };
                (*peer, answer)
            }
        });
        let mut peers: Vec<PinStatusOnPeer> =
            members.iter().filter(|peer| !is_asked(peer)).map(|peer| self.remote(*peer)).collect();
        for (peer, answer) in join_all(answers).await {
            match answer {
                Ok(status) => peers.push(status.on_peer),
                Err(CallError::Refused { .. }) => {}
                Err(error) => peers.push(failed(&self.template(peer), &error.to_string())),
            }
        }
        peers.sort_by_cached_key(|status| status.peer.to_base58());
        let created = pin.timestamp.map_or_else(now, |t| t.millis());
        Ok(GlobalPinStatus { pin, created, peers })
    }

    fn remote(&self, peer: PeerId) -> PinStatusOnPeer {
        PinStatusOnPeer { status: TrackerStatus::Remote, ..self.template(peer) }
    }

    /// The pinset says that nobody pins the CID; this peer may still be busy with unpinning.
    async fn unpinned_everywhere(&self, key: &PinKey) -> Result<GlobalPinStatus, ApiError> {
        let local = self.local_status(key).await?;
        let others = self.asked().into_iter().filter(|peer| *peer != self.config().id);
        let unpinned = |peer| PinStatusOnPeer { status: TrackerStatus::Unpinned, ..self.template(peer) };
        let mut peers: Vec<PinStatusOnPeer> = others.map(unpinned).collect();
        peers.push(local.on_peer);
        peers.sort_by_cached_key(|status| status.peer.to_base58());
        Ok(GlobalPinStatus { pin: local.pin, created: local.created, peers })
    }

    /// Asks all members the same and merges what they say.
    fn gather<F>(&self, ask: F) -> BoxStream<'static, Result<Vec<GlobalPinStatus>, ApiError>>
    where
        F: Fn(&dyn PeerCalls) -> BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>>,
    {
        let sources = self.asked().into_iter().map(|peer| Source {
            template: self.template(peer),
            ordered: peer == self.config().id || self.parts().network.is_ours(&peer) == Some(true),
            statuses: ask(&*self.calls(peer)),
        });
        merge(sources.collect(), self.config().scratch.clone())
    }
}

/// The answer of this peer alone.
pub(super) fn alone(local: LocalPinStatus) -> GlobalPinStatus {
    GlobalPinStatus { pin: local.pin, created: local.created, peers: vec![local.on_peer] }
}

fn all_alone(
    pages: BoxStream<'static, Result<Vec<LocalPinStatus>, ApiError>>,
) -> BoxStream<'static, Result<Vec<GlobalPinStatus>, ApiError>> {
    Box::pin(pages.map(|page| page.map(|page| page.into_iter().map(alone).collect())))
}

impl ClusterApi for Peer {
    fn is_readable(&self) -> bool {
        *self.parts().ready.borrow()
    }

    fn read_barrier(&self) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move { Ok(self.parts().consensus.read_barrier().await?) })
    }

    fn pin(&self, wish: PinWish) -> BoxFuture<'_, Result<(Pin, Etag), ApiError>> {
        let kind = match wish.pin.options.pin_update {
            Some(from) if from != wish.pin.cid => OperationKind::PinUpdate { pin: Box::new(wish.pin), from },
            _ => OperationKind::Pin(Box::new(wish.pin)),
        };
        let asked = Operation {
            precondition: wish.precondition,
            request_id: wish.request_id,
            expires_in: wish.expires_in,
            ..Operation::new(kind)
        };
        Box::pin(self.submit(asked))
    }

    fn unpin(
        &self,
        key: PinKey,
        precondition: Precondition,
        request_id: Option<RequestId>,
    ) -> BoxFuture<'_, Result<Pin, ApiError>> {
        let asked = Operation { precondition, request_id, ..Operation::new(OperationKind::Unpin(key)) };
        Box::pin(async move { Ok(self.submit(asked).await?.0) })
    }

    fn resolve(&self, path: IpfsPath) -> BoxFuture<'_, Result<Cid, ApiError>> {
        Box::pin(async move {
            match path.as_cid() {
                Some(cid) => Ok(cid),
                None => Ok(self.parts().ipfs.resolve(path.as_str().to_owned()).await?),
            }
        })
    }

    fn allocation(&self, key: PinKey) -> BoxFuture<'_, Result<(Pin, Etag), ApiError>> {
        Box::pin(async move { self.pin_of(key).await?.ok_or(ApiError::NotPinned) })
    }

    fn allocations(&self, filter: PinKindFilter) -> BoxStream<'static, Result<Vec<Pin>, ApiError>> {
        let store = self.parts().store.clone();
        let mut cursor = Cursor::all(Tree::Pins);
        let mut limit = FIRST_PAGE;
        stream(move || {
            if cursor.is_done() {
                return Ok(None);
            }
            let rows = cursor.next_page(&*store, std::mem::replace(&mut limit, PAGE))?;
            Ok(Some(read::decode_pins(rows).into_iter().filter(|pin| filter.matches(pin.kind)).collect()))
        })
    }

    fn status(&self, key: PinKey, scope: Scope) -> BoxFuture<'_, Result<GlobalPinStatus, ApiError>> {
        Box::pin(async move {
            match scope {
                Scope::Local => self.local_status(&key).await.map(alone),
                Scope::Cluster => self.ask_about(key, Question::Status).await,
            }
        })
    }

    fn status_all(
        &self,
        filter: StatusFilter,
        scope: Scope,
    ) -> BoxStream<'static, Result<Vec<GlobalPinStatus>, ApiError>> {
        match scope {
            Scope::Local => all_alone(self.local_statuses(filter, None)),
            Scope::Cluster => self.gather(|calls| calls.status_all(filter)),
        }
    }

    fn recover(&self, key: PinKey, scope: Scope) -> BoxFuture<'_, Result<GlobalPinStatus, ApiError>> {
        Box::pin(async move {
            match scope {
                Scope::Local => self.local_recover(&key).await?.map(alone).ok_or(ApiError::NotPinned),
                Scope::Cluster => {
                    // What this peer still has to unpin is no longer in the pinset, so nobody is asked about it.
                    if self.pin_of(key.clone()).await?.is_none() {
                        self.local_recover(&key).await?;
                    }
                    self.ask_about(key, Question::Recover).await
                }
            }
        })
    }

    fn recover_all(&self, scope: Scope) -> BoxStream<'static, Result<Vec<GlobalPinStatus>, ApiError>> {
        match scope {
            Scope::Local => all_alone(self.local_recover_all()),
            Scope::Cluster => self.gather(|calls| calls.recover_all()),
        }
    }
}
