//! Requests that change the pinset or the tracker.

use crate::{
    failure::{bad_request, object, of_api},
    ndjson,
    pin_query::{self, Query},
    reads::{one_status, scope, status_writer},
    router::{Reply, parse_key},
};
use cluster_api_types::Pin;
use cluster_core::{
    Cid, PinKey, UnixMillis,
    ports::{
        ClusterApi,
        cluster_api::{IpfsPath, PinWish},
        consensus::{Etag, Precondition, RequestId},
    },
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::time::{SystemTime, UNIX_EPOCH};

/// What a request asks for besides its pin: `If-Match`, `If-None-Match: *`, `Idempotency-Key`.
pub(crate) struct Conditions {
    precondition: Precondition,
    request_id: Option<RequestId>,
}

impl Conditions {
    pub(crate) fn parse(headers: &HeaderMap) -> Result<Self, Box<Reply>> {
        let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
        let fail = |message: &str| Err(Box::new(bad_request(message)));
        let precondition = match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
            (None, None) => Precondition::None,
            (None, Some("*")) => Precondition::IfAbsent,
            (Some(tag), None) => match parse_etag(tag) {
                Some(etag) => Precondition::IfMatch(etag),
                None => {
                    return fail("If-Match is not a tag of this API: use the ETag of GET /allocations/{cid}");
                }
            },
            _ => return fail("If-None-Match can only be *, and not beside If-Match"),
        };
        let request_id =
            match headers.get("idempotency-key").map(|v| v.to_str().ok().and_then(RequestId::new)) {
                None => None,
                Some(Some(id)) => Some(id),
                Some(None) => return fail("Idempotency-Key must have 1 to 255 characters"),
            };
        Ok(Self { precondition, request_id })
    }
}

fn parse_etag(text: &str) -> Option<Etag> {
    let hex = text.trim().strip_prefix('"')?.strip_suffix('"')?;
    let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).ok()?;
    Some(Etag(bytes.try_into().ok()?))
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

pub(crate) async fn post_pin(
    api: &dyn ClusterApi,
    cid: Cid,
    query: &Query<'_>,
    headers: &HeaderMap,
) -> Reply {
    let pin = match pin_query::pin(cid, query, now()) {
        Ok(pin) => pin,
        Err(message) => return bad_request(&message),
    };
    let Conditions { precondition, request_id } = match Conditions::parse(headers) {
        Ok(conditions) => conditions,
        Err(reply) => return *reply,
    };
    match api.pin(PinWish { pin, precondition, request_id }).await {
        Ok((pin, etag)) => {
            let mut wire = Pin::from(&pin);
            // Freshly parsed options have a map, empty or not.
            wire.options.metadata.get_or_insert_default();
            let mut reply = object(StatusCode::OK, &wire);
            let tag = HeaderValue::from_str(&format!("\"{etag}\""));
            reply.headers_mut().extend(tag.ok().map(|value| (header::ETAG, value)));
            reply
        }
        Err(error) => of_api(&error),
    }
}

pub(crate) async fn delete_pin(api: &dyn ClusterApi, cid: &Cid, headers: &HeaderMap) -> Reply {
    let Conditions { precondition, request_id } = match Conditions::parse(headers) {
        Ok(conditions) => conditions,
        Err(reply) => return *reply,
    };
    match api.unpin(PinKey::from_cid(cid), precondition, request_id).await {
        Ok(pin) => object(StatusCode::OK, &Pin::from(&pin)),
        Err(error) => of_api(&error),
    }
}

/// Finds the CID that a path names.
pub(crate) async fn resolve(api: &dyn ClusterApi, path: &str) -> Result<Cid, Box<Reply>> {
    let path = IpfsPath::parse(path)
        .map_err(|error| Box::new(bad_request(&format!("error parsing path: {error}"))))?;
    match path.as_cid() {
        Some(cid) => Ok(cid),
        None => api.resolve(path).await.map_err(|error| Box::new(of_api(&error))),
    }
}

pub(crate) async fn recover_pin(api: &dyn ClusterApi, hash: &str, query: &Query<'_>) -> Reply {
    match parse_key(hash) {
        Ok(key) => one_status(api.recover(key, scope(query)).await),
        Err(reply) => *reply,
    }
}

pub(crate) async fn recover_all(api: &dyn ClusterApi, query: &Query<'_>) -> Reply {
    ndjson::answer(api.recover_all(scope(query)), status_writer()).await
}
