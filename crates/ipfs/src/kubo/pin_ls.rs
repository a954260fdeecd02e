//! How one CID is pinned, and the stream of all pins of one kind.

use super::Kubo;
use crate::{
    answer::PinLsLine,
    lanes::Lane,
    rpc::{Answer, Deadline},
};
use bytes::Bytes;
use cid::Cid;
use cluster_core::{
    PinDepth,
    ports::{
        BoxStream,
        ipfs_connector::{IpfsError, IpfsPin, IpfsPinStatus},
    },
};
use futures_util::stream;
use tokio::sync::SemaphorePermit;

/// How Kubo's message ends when a CID is not pinned in the way asked for.
const NOT_PINNED: &str = "not pinned";

impl Kubo {
    pub(super) async fn ask_pin_status(&self, cid: Cid, depth: PinDepth) -> Result<IpfsPinStatus, IpfsError> {
        let kind = if depth == PinDepth::DIRECT { "direct" } else { "recursive" };
        let path = format!("pin/ls?stream=true&arg={cid}&type={kind}");
        let deadline = Deadline::within(self.request_timeout);
        let _turn = self.enter(Lane::Query, &path, deadline).await?;
        match self.read_pin_status(&path, &cid, deadline).await {
            Err(IpfsError::Api { message, .. }) if message.trim_end().ends_with(NOT_PINNED) => {
                Ok(IpfsPinStatus::Unpinned)
            }
            answer => answer,
        }
    }

    async fn read_pin_status(
        &self,
        path: &str,
        cid: &Cid,
        deadline: Deadline,
    ) -> Result<IpfsPinStatus, IpfsError> {
        let mut answer = self.rpc.open(path, deadline).await?;
        let mut status = None;
        // Read to the end, so that the connection can serve the next call.
        while let Some(line) = answer.next_line(deadline).await? {
            let pin = read_line(&answer, &line)?;
            if pin.cid.hash() == cid.hash() {
                status = Some(pin.status);
            }
        }
        status.ok_or_else(|| answer.bad("it says nothing about the CID"))
    }

    /// Streams all pins of one kind. Holds one line at a time; the deadline counts each silence of the daemon and
    /// not the time its reader takes.
    pub(super) fn list_pins(&self, kind: IpfsPinStatus) -> BoxStream<'_, Result<IpfsPin, IpfsError>> {
        let path = match kind {
            IpfsPinStatus::Recursive => "pin/ls?stream=true&type=recursive",
            IpfsPinStatus::Direct => "pin/ls?stream=true&type=direct",
            IpfsPinStatus::Unpinned => return Box::pin(stream::empty()),
        };
        Box::pin(stream::try_unfold(None, move |listing| async move {
            let mut listing = match listing {
                Some(listing) => listing,
                None => self.open_listing(path).await?,
            };
            let deadline = Deadline::within(self.request_timeout);
            match listing.answer.next_line(deadline).await? {
                Some(line) => Ok(Some((read_line(&listing.answer, &line)?, Some(listing)))),
                None => Ok(None),
            }
        }))
    }

    async fn open_listing(&self, path: &'static str) -> Result<Listing<'_>, IpfsError> {
        let deadline = Deadline::within(self.request_timeout);
        let turn = self.enter(Lane::Listing, path, deadline).await?;
        Ok(Listing { answer: self.rpc.open(path, deadline).await?, _turn: turn })
    }
}

/// A listing under way.
struct Listing<'a> {
    answer: Answer<'a>,
    _turn: SemaphorePermit<'a>,
}

fn read_line(answer: &Answer<'_>, line: &Bytes) -> Result<IpfsPin, IpfsError> {
    let line: PinLsLine = serde_json::from_slice(line).map_err(|e| answer.bad(e.to_string()))?;
    if let Some(message) = line.message {
        return Err(answer.api(message));
    }
    let cid = line
        .cid
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| answer.bad("a line has no readable CID"))?;
    let status = match line.kind.as_deref() {
        Some("recursive") => IpfsPinStatus::Recursive,
        Some("direct") => IpfsPinStatus::Direct,
        Some(kind) if kind.starts_with("indirect") => IpfsPinStatus::Unpinned,
        _ => return Err(answer.bad("a line has an unknown type of pin")),
    };
    Ok(IpfsPin { cid, status })
}
