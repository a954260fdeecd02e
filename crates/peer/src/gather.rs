//! Statuses of all members, merged by CID: the streams run side by side in key order, so that what is held in memory
//! does not grow with the pinset (api §3.6).

mod spill;

use cluster_core::{
    Multiaddr, PeerId, PinKey, TrackerStatus,
    ports::{
        BoxStream,
        cluster_api::{ApiError, GlobalPinStatus, LocalPinStatus, PinStatusOnPeer},
        rpc::CallError,
    },
};
use futures_util::{StreamExt, future::join_all, stream};
use spill::Spill;
use std::{collections::VecDeque, path::PathBuf};
use tokio::sync::mpsc;

/// Rows of a page that is handed on, and of the first one, so that something is seen at once.
const PAGE: usize = 1024;
const FIRST_PAGE: usize = 32;

/// Pages ready for a slow reader; when full, the members are not read on.
const AHEAD: usize = 1;

/// Pages of statuses of one member.
pub(crate) type Statuses = BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>>;

/// One member that was asked.
pub(crate) struct Source {
    /// What stands for the member where it has no answer.
    pub(crate) template: PinStatusOnPeer,
    /// Whether its stream comes in key order.
    pub(crate) ordered: bool,
    /// Its answer.
    pub(crate) statuses: Statuses,
}

/// Merges the answers of the members. A member that fails has `cluster_error` from then on; one that refuses is left
/// out. `scratch` is a folder for what comes out of order and is too much for memory.
pub(crate) fn merge(
    sources: Vec<Source>,
    scratch: PathBuf,
) -> BoxStream<'static, Result<Vec<GlobalPinStatus>, ApiError>> {
    let (sender, mut pages) = mpsc::channel(AHEAD);
    // Ends with the receiver: a send then fails, and the members' streams are dropped.
    tokio::spawn(async move {
        let inputs = join_all(sources.into_iter().map(|source| Input::open(source, scratch.clone()))).await;
        let mut merging = Merging { inputs };
        let mut limit = FIRST_PAGE;
        loop {
            let page = merging.next_page(limit).await;
            limit = PAGE;
            if page.is_empty() {
                // Whether it is one or not.
                if let Some(error) = merging.end() {
                    let _ = sender.send(Err(error)).await;
                }
                return;
            }
            if sender.send(Ok(page)).await.is_err() {
                return;
            }
        }
    });
    Box::pin(stream::poll_fn(move |context| pages.poll_recv(context)))
}

struct Merging {
    inputs: Vec<Input>,
}

impl Merging {
    /// Says that the end is none: nobody was heard to the end, so that nobody knows what is missing.
    fn end(&self) -> Option<ApiError> {
        if self.inputs.iter().any(|input| input.is_heard_out) {
            return None;
        }
        let message = self.inputs.iter().find_map(|input| input.failed.clone())?;
        Some(CallError::Failed { message }.into())
    }

    async fn next_page(&mut self, limit: usize) -> Vec<GlobalPinStatus> {
        let mut page = Vec::new();
        while page.len() < limit {
            for input in &mut self.inputs {
                input.fill().await;
            }
            let Some(key) = self.inputs.iter().filter_map(|i| Some(&i.ahead.front()?.0)).min().cloned()
            else {
                break;
            };
            page.push(self.take(&key));
        }
        page
    }

    /// Takes what every member says of a CID; what one of them knows of the pin stands for all.
    fn take(&mut self, key: &PinKey) -> GlobalPinStatus {
        let mut pin = None;
        let mut peers = Vec::with_capacity(self.inputs.len());
        for input in &mut self.inputs {
            if let Some((_, status)) = input.ahead.pop_front_if(|(front, _)| front == key) {
                pin.get_or_insert((status.pin, status.created));
                peers.push(status.on_peer);
            } else if let Some(error) = &input.failed {
                peers.push(failed(&input.template, error));
            }
        }
        peers.sort_by_cached_key(|status| status.peer.to_base58());
        let (pin, created) = pin.unwrap_or_else(|| (crate::status::bare(key), cluster_runtime::now()));
        GlobalPinStatus { pin, created, peers }
    }
}

/// Says that a member did not answer.
pub(crate) fn failed(template: &PinStatusOnPeer, error: &str) -> PinStatusOnPeer {
    PinStatusOnPeer {
        status: TrackerStatus::ClusterError,
        error: error.to_owned(),
        timestamp: cluster_runtime::now(),
        ..template.clone()
    }
}

/// One member's answer as it is read.
struct Input {
    template: PinStatusOnPeer,
    rest: Option<Rest>,
    ahead: VecDeque<(PinKey, LocalPinStatus)>,
    failed: Option<String>,
    /// It told everything.
    is_heard_out: bool,
}

enum Rest {
    Stream(Statuses),
    Spilled(Spill),
}

impl Input {
    async fn open(source: Source, scratch: PathBuf) -> Self {
        let Source { template, ordered, statuses } = source;
        let mut input = Self {
            template,
            rest: Some(Rest::Stream(statuses)),
            ahead: VecDeque::new(),
            failed: None,
            is_heard_out: false,
        };
        if !ordered {
            input.sort(scratch).await;
        }
        input.fill().await;
        input
    }

    /// Reads everything and puts it in order.
    async fn sort(&mut self, scratch: PathBuf) {
        let Some(Rest::Stream(mut statuses)) = self.rest.take() else { return };
        let mut spill = Spill::new(scratch);
        while let Some(page) = statuses.next().await {
            let taken = match page {
                Ok(page) => spill.add(page).await.map_err(|error| error.to_string()),
                Err(CallError::Refused { .. }) => return,
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = taken {
                // What came before stands beside the error.
                self.failed = Some(error);
                break;
            }
        }
        match spill.sorted().await {
            Ok(spill) => self.rest = Some(Rest::Spilled(spill)),
            Err(error) => self.failed = Some(error.to_string()),
        }
    }

    /// Reads ahead when nothing is left of the last time.
    async fn fill(&mut self) {
        while self.ahead.is_empty()
            && let Some(rest) = &mut self.rest
        {
            let page = match rest {
                Rest::Stream(statuses) => statuses.next().await,
                Rest::Spilled(spill) => spill.next_page().await.map_err(spill::failure).transpose(),
            };
            match page {
                Some(Ok(page)) => self.ahead.extend(page.into_iter().map(|s| (s.pin.key(), s))),
                None => {
                    self.rest = None;
                    self.is_heard_out = self.failed.is_none();
                }
                Some(Err(CallError::Refused { .. })) => self.rest = None,
                Some(Err(error)) => {
                    self.failed = Some(error.to_string());
                    self.rest = None;
                }
            }
        }
    }
}

/// Makes what stands for a member that was not heard.
pub(crate) fn template(
    peer: PeerId,
    peername: String,
    ipfs: Option<(PeerId, Vec<Multiaddr>)>,
) -> PinStatusOnPeer {
    let (ipfs_peer_id, ipfs_peer_addresses) =
        ipfs.map(|(id, addresses)| (Some(id), addresses)).unwrap_or_default();
    PinStatusOnPeer {
        peer,
        peername,
        ipfs_peer_id,
        ipfs_peer_addresses,
        status: TrackerStatus::Undefined,
        timestamp: cluster_runtime::now(),
        error: String::new(),
        attempt_count: 0,
        priority_pin: false,
    }
}

#[cfg(test)]
mod tests;
