//! Many changes in one request: a line each in, and a line about each out, in the same order. Not in the reference.

mod lines;

use crate::{
    conditions::parse_etag_text,
    connections::Stopping,
    failure, ndjson,
    pin_query::{self, now},
    reads::push_line,
    request_body::{BodyPatience, waits_for_leave},
    routes::{Api, Reply},
};
use axum::{
    Extension,
    extract::{Request, State},
};
use cluster_api_types::{BulkAction, BulkChange, BulkLineError, BulkOutcome, CidText, ConvertError};
use cluster_core::{
    Pin, PinKey, PinOptions,
    ports::{
        ClusterApi,
        cluster_api::{ApiError, PinWish},
        consensus::{Precondition, RequestId},
    },
};
use futures_util::{StreamExt, future::join_all, stream};
use http::StatusCode;
use lines::{Line, Lines, Unread};
use std::{collections::HashSet, sync::Arc, time::Duration};

/// How long the head of the answer waits for a client that asked for leave to send.
const LEAVE_LIMIT: Duration = Duration::from_secs(1);

pub(crate) async fn post_changes(
    State(api): Api,
    Extension(stopping): Extension<Stopping>,
    Extension(BodyPatience(patience)): Extension<BodyPatience>,
    request: Request,
) -> Reply {
    let (head, body) = request.into_parts();
    let mut lines = Lines::new(body, patience, stopping);
    if waits_for_leave(&head) {
        // Leave is given when the body is asked for, and never after the head of the answer. Who has it may still wait
        // for that head before the first line.
        let _ = tokio::time::timeout(LEAVE_LIMIT, lines.fill()).await;
    }
    let outcomes = stream::unfold(lines, move |mut lines| {
        let api = api.clone();
        async move {
            let group = lines.group().await;
            if group.is_empty() { None } else { Some((Ok(make(&api, group).await), lines)) }
        }
    });
    ndjson::follow(outcomes.boxed(), push_line)
}

/// Makes the changes of some lines. Changes of one CID are made one after another.
async fn make(api: &Arc<dyn ClusterApi>, lines: Vec<Line>) -> Vec<BulkOutcome> {
    let mut outcomes = Vec::with_capacity(lines.len());
    let (mut running, mut keys) = (Vec::new(), HashSet::new());
    for (number, line) in lines {
        let change = line.map_err(LineError::from).and_then(|line| Change::parse(&line));
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
        Err(LineError { cid, code, error }) => {
            return BulkOutcome { line, cid, code: code.as_u16(), error, etag: None };
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
    let _ = Change::parse(line);
}

struct LineError {
    cid: CidText,
    code: StatusCode,
    error: String,
}

impl From<Unread> for LineError {
    fn from(unread: Unread) -> Self {
        Self { cid: CidText::default(), code: unread.status(), error: unread.to_string() }
    }
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
    fn parse(line: &[u8]) -> Result<Self, LineError> {
        let code = StatusCode::BAD_REQUEST;
        let wire = BulkChange::parse(line).map_err(|error| LineError {
            cid: CidText::default(),
            code,
            error: error.to_string(),
        })?;
        let cid = wire.cid.clone();
        Self::of_wire(wire).map_err(|error| LineError { cid, code, error: error.to_string() })
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
