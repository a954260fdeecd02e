//! Many changes in one request: a line each in, and a line about each out, in the same order. Not in the reference.

use crate::{
    conditions::parse_etag_text,
    failure, ndjson,
    pin_query::{self, now},
    reads::push_line,
    routes::{Api, Reply},
};
use axum::{
    body::{Body, BodyDataStream},
    extract::State,
};
use bytes::{Buf, BytesMut};
use cluster_api_types::{BulkAction, BulkChange, BulkLineError, BulkOutcome, CidText, ConvertError};
use cluster_core::{
    Pin, PinKey, PinOptions,
    ports::{
        ClusterApi,
        cluster_api::{ApiError, PinWish},
        consensus::{Precondition, RequestId},
    },
};
use futures_util::{FutureExt, StreamExt, future::join_all, stream};
use http::StatusCode;
use std::{collections::HashSet, sync::Arc, time::Duration};

/// Longest line, in bytes: more than a pin may have.
const MAX_LINE: usize = 2 << 20;

/// Changes that are made at once. They share commits.
const AT_ONCE: usize = 512;

/// Bytes of lines after which no more of them are made at once, beside the last one.
const AT_ONCE_BYTES: usize = 2 << 20;

pub(crate) async fn post_changes(State(api): Api, body: Body) -> Reply {
    let outcomes = stream::unfold(Lines::new(body), move |mut lines| {
        let api = api.clone();
        async move {
            let group = lines.group().await;
            if group.is_empty() { None } else { Some((Ok(make(&api, group).await), lines)) }
        }
    });
    ndjson::follow(outcomes.boxed(), push_line)
}

/// A line, or why there is none and no further one.
type Line = (u64, Result<Vec<u8>, String>);

struct Lines {
    body: BodyDataStream,
    buffer: BytesMut,
    number: u64,
    ended: bool,
}

impl Lines {
    fn new(body: Body) -> Self {
        Self { body: body.into_data_stream(), buffer: BytesMut::new(), number: 0, ended: false }
    }

    /// Waits for a line and takes what else is here, within bounds; nothing at the end.
    async fn group(&mut self) -> Vec<Line> {
        let mut group: Vec<Line> = self.next().await.into_iter().collect();
        let size = |(_, line): &Line| line.as_ref().map_or(0, Vec::len);
        let mut bytes: usize = group.iter().map(size).sum();
        while !group.is_empty() && group.len() < AT_ONCE && bytes < AT_ONCE_BYTES {
            let Some(Some(line)) = self.next().now_or_never() else { break };
            bytes += size(&line);
            group.push(line);
        }
        group
    }

    /// Waits for the next line that is not empty.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    async fn next(&mut self) -> Option<Line> {
        loop {
            if let Some(line) = self.take() {
                self.number += 1;
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return Some((self.number, Ok(line)));
            }
            if self.ended {
                return None;
            }
            let error = match self.body.next().await {
                Some(Ok(data)) => {
                    self.buffer.extend_from_slice(&data);
                    if self.buffer.len() <= MAX_LINE || self.buffer.contains(&b'\n') {
                        continue;
                    }
                    format!("the line is longer than {MAX_LINE} bytes; nothing after it was read")
                }
                Some(Err(error)) => format!("the request broke off: {error}; nothing after this was read"),
                None => {
                    self.ended = true;
                    continue;
                }
            };
            self.ended = true;
            self.buffer.clear();
            self.number += 1;
            return Some((self.number, Err(error)));
        }
    }

    /// Takes a whole line off the buffer; at the end also one that nothing ends.
    fn take(&mut self) -> Option<Vec<u8>> {
        if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line = self.buffer.split_to(end).to_vec();
            self.buffer.advance(1);
            return Some(line);
        }
        let rest = self.ended && !self.buffer.is_empty();
        rest.then(|| self.buffer.split().to_vec())
    }
}

/// Makes the changes of some lines. Changes of one CID are made one after another.
async fn make(api: &Arc<dyn ClusterApi>, lines: Vec<Line>) -> Vec<BulkOutcome> {
    let mut outcomes = Vec::with_capacity(lines.len());
    let (mut running, mut keys) = (Vec::new(), HashSet::new());
    for (number, line) in lines {
        let change = Change::parse(line);
        if let Ok(change) = &change
            && !keys.insert(change.key.clone())
        {
            outcomes.extend(join_all(running.drain(..)).await);
            keys = HashSet::from([change.key.clone()]);
        }
        running.push(outcome(api, number, change));
    }
    outcomes.extend(join_all(running).await);
    outcomes
}

async fn outcome(api: &Arc<dyn ClusterApi>, line: u64, change: Result<Change, LineError>) -> BulkOutcome {
    let change = match change {
        Ok(change) => change,
        Err(LineError { cid, error }) => {
            return BulkOutcome { line, cid, code: StatusCode::BAD_REQUEST.as_u16(), error, etag: None };
        }
    };
    let cid = change.cid.clone();
    match change.make(&**api).await {
        Ok(etag) => BulkOutcome { line, cid, code: StatusCode::OK.as_u16(), error: String::new(), etag },
        Err(error) => {
            let code = failure::status(&error).as_u16();
            BulkOutcome { line, cid, code, error: failure::chain(&error), etag: None }
        }
    }
}

/// Reads a line, for the fuzzer.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_line(line: &[u8]) {
    let _ = Change::parse(Ok(line.to_vec()));
}

struct LineError {
    cid: CidText,
    error: String,
}

/// A change that was read and can be made.
struct Change {
    cid: CidText,
    key: PinKey,
    /// The pin to make; `None` for a removal.
    pin: Option<Pin>,
    expires_in: Option<Duration>,
    precondition: Precondition,
    request_id: Option<RequestId>,
}

#[derive(Debug, thiserror::Error)]
enum ChangeError {
    #[error(transparent)]
    Line(#[from] BulkLineError),
    #[error("error decoding Cid: {0}")]
    Cid(cluster_core::NotACid),
    #[error(transparent)]
    Options(#[from] ConvertError),
    #[error(transparent)]
    ExpireIn(#[from] pin_query::PinQueryError),
    #[error(
        "\"if_match\" must be a tag as ETag has it, without quotation marks, and cannot stand beside \"if_absent\""
    )]
    Precondition,
    #[error("\"idempotency_key\" must have 1 to 255 bytes")]
    RequestId,
}

impl Change {
    fn parse(line: Result<Vec<u8>, String>) -> Result<Self, LineError> {
        let line = line.map_err(|error| LineError { cid: CidText::default(), error })?;
        let unread = |error: BulkLineError| LineError { cid: CidText::default(), error: error.to_string() };
        let wire = BulkChange::parse(&line).map_err(unread)?;
        let cid = wire.cid.clone();
        Self::of_wire(wire).map_err(|error| LineError { cid, error: error.to_string() })
    }

    fn of_wire(wire: BulkChange) -> Result<Self, ChangeError> {
        let cid = cluster_core::parse_cid(wire.cid.as_str()).map_err(ChangeError::Cid)?;
        let precondition = match (wire.if_match.as_deref(), wire.if_absent) {
            (None, false) => Precondition::None,
            (None, true) => Precondition::IfAbsent,
            (Some(tag), false) => {
                Precondition::IfMatch(parse_etag_text(tag.as_bytes()).ok_or(ChangeError::Precondition)?)
            }
            (Some(_), true) => return Err(ChangeError::Precondition),
        };
        let request_id = match wire.idempotency_key.as_deref() {
            Some(key) => Some(RequestId::new(key).ok_or(ChangeError::RequestId)?),
            None => None,
        };
        let mut expires_in = None;
        let pin = match wire.op {
            BulkAction::Unpin => None,
            BulkAction::Pin => {
                let mut pin = Pin::new(cid);
                pin.depth = wire.options.mode.depth();
                pin.options = PinOptions::try_from(wire.options)?;
                expires_in = wire.expire_in.as_deref().map(pin_query::lifetime).transpose()?;
                if let Some(lifetime) = expires_in {
                    pin.options.expire_at = Some(now().plus(lifetime).seconds());
                }
                Some(pin)
            }
        };
        Ok(Self { cid: wire.cid, key: PinKey::from_cid(&cid), pin, expires_in, precondition, request_id })
    }

    /// Makes the change, and returns the tag of a pin that was made.
    async fn make(self, api: &dyn ClusterApi) -> Result<Option<String>, ApiError> {
        let Self { key, pin, expires_in, precondition, request_id, .. } = self;
        match pin {
            Some(pin) => {
                let (_, etag) = api.pin(PinWish { pin, expires_in, precondition, request_id }).await?;
                Ok(Some(etag.to_string()))
            }
            None => api.unpin(key, precondition, request_id).await.map(|_| None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_made_at_once_is_bounded_in_number_and_size() {
        let sizes = async |body: String| {
            let mut lines = Lines::new(Body::from(body));
            let mut sizes = Vec::new();
            loop {
                let group = lines.group().await;
                if group.is_empty() {
                    return sizes;
                }
                sizes.push(group.len());
            }
        };
        assert_eq!(sizes("a\n".repeat(AT_ONCE + 3)).await, [AT_ONCE, 3]);
        let long = "x".repeat(AT_ONCE_BYTES * 3 / 4) + "\n";
        assert_eq!(sizes(long.repeat(5)).await, [2, 2, 1]);
        assert_eq!(sizes("\n\n".to_owned()).await, [0; 0]);
    }
}
