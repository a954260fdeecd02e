//! Removing blocks that no pin needs.

use super::Kubo;
use crate::{
    answer::GcLine,
    lanes::Lane,
    rpc::{Answer, Deadline},
};
use bytes::Bytes;
use cluster_core::ports::{
    BoxStream,
    ipfs_connector::{GcItem, IpfsError},
};
use futures_util::stream;
use tokio::sync::SemaphorePermit;

const PATH: &str = "repo/gc?stream-errors=true";

/// How Kubo ends a collection in which it told of errors before. The reference does not read it.
const SUMMARY: &str = "encountered errors during gc run";

impl Kubo {
    /// Streams what is removed, one line at a time. The deadline runs over the whole collection; dropping the stream
    /// ends the call.
    pub(super) fn stream_garbage(&self) -> BoxStream<'_, Result<GcItem, IpfsError>> {
        Box::pin(stream::try_unfold(None, move |run: Option<Run<'_>>| async move {
            let mut run = match run {
                Some(run) => run,
                None => self.open_collection().await?,
            };
            Ok(run.next().await?.map(|item| (item, Some(run))))
        }))
    }

    async fn open_collection(&self) -> Result<Run<'_>, IpfsError> {
        let deadline = Deadline::within(self.repogc_timeout);
        let turn = self.enter(Lane::Garbage, PATH, deadline).await?;
        let answer = self.rpc.open(PATH, deadline).await?;
        Ok(Run { answer, deadline, told_errors: false, _turn: turn })
    }
}

/// A collection under way.
struct Run<'a> {
    answer: Answer<'a>,
    deadline: Deadline,
    told_errors: bool,
    _turn: SemaphorePermit<'a>,
}

impl Run<'_> {
    async fn next(&mut self) -> Result<Option<GcItem>, IpfsError> {
        match self.answer.next_line(self.deadline).await {
            Ok(Some(line)) => {
                let item = read_line(&self.answer, &line)?;
                self.told_errors |= matches!(item, GcItem::Error(_));
                Ok(Some(item))
            }
            Ok(None) => Ok(None),
            Err(IpfsError::Api { message, .. }) if self.told_errors && message == SUMMARY => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn read_line(answer: &Answer<'_>, line: &Bytes) -> Result<GcItem, IpfsError> {
    let line: GcLine = serde_json::from_slice(line).map_err(|e| answer.bad(e.to_string()))?;
    if let Some(message) = line.message {
        return Err(answer.api(message));
    }
    if let Some(error) = line.error.filter(|error| !error.is_empty()) {
        return Ok(GcItem::Error(error));
    }
    line.key
        .and_then(|key| key.cid.parse().ok())
        .map(GcItem::Removed)
        .ok_or_else(|| answer.bad("a line has neither a readable CID nor an error"))
}
