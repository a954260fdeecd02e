//! Entries on their way to one member: the next ones leave before the last ones are answered.

use super::{network::Client, type_config::TypeConfig};
use cluster_core::ports::raft::RaftLane;
use futures_util::{
    Stream, StreamExt as _,
    stream::{Fuse, FuturesOrdered},
};
use openraft::{
    base::BoxFuture,
    errors::RPCError,
    raft::{AppendEntriesRequest, AppendEntriesResponse, StreamAppendResult},
};
use std::time::Duration;

/// What became of one request.
pub(super) type Appended = Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>;

/// Requests under way at a time. What comes meanwhile goes together in the next one.
const WINDOW: usize = 4;

/// The requests that openraft makes, in their order.
pub(super) struct Pipeline<'s, S: Stream> {
    client: &'s Client,
    limit: Duration,
    input: Fuse<S>,
    /// Each with whether the next ones go on from there.
    under_way: FuturesOrdered<BoxFuture<'s, (Appended, bool)>>,
}

impl<'s, S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Unpin> Pipeline<'s, S> {
    pub(super) fn new(client: &'s Client, input: S, limit: Duration) -> Self {
        Self { client, limit, input: input.fuse(), under_way: FuturesOrdered::new() }
    }

    /// Sends what there is, and waits for the next answer; says with it whether there is another one to wait for.
    pub(super) async fn next(&mut self) -> Option<(Appended, bool)> {
        loop {
            let has_room = self.under_way.len() < WINDOW;
            tokio::select! {
                biased;
                Some(answer) = self.under_way.next() => return Some(answer),
                Some(request) = self.input.next(), if has_room => {
                    // A heartbeat waits for nobody's entries. What follows entries must not overtake them.
                    let is_alone = request.entries.is_empty() && self.under_way.is_empty();
                    let lane = if is_alone { RaftLane::Control } else { RaftLane::Log };
                    self.under_way.push_back(Box::pin(append(self.client, request, lane, self.limit)));
                }
                else => return None,
            }
        }
    }
}

async fn append(
    client: &Client,
    request: AppendEntriesRequest<TypeConfig>,
    lane: RaftLane,
    limit: Duration,
) -> (Appended, bool) {
    let before = request.prev_log_id;
    let last = request.entries.last().map(|entry| entry.log_id).or(before);
    match client.append(request, lane, limit).await {
        Ok(answer) => {
            let is_whole = match &answer {
                AppendEntriesResponse::Success => true,
                AppendEntriesResponse::PartialSuccess(taken) => *taken == last,
                _ => false,
            };
            (Ok(answer.into_stream_result(before, last)), is_whole)
        }
        Err(error) => (Err(error), false),
    }
}
