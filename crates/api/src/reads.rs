//! Requests that change nothing of the pinset.

use crate::{
    failure::{bad_request, object, of_api},
    ndjson,
    pin_query::Query,
    router::{Reply, parse_key},
};
use cluster_api_types::{GlobalPinInfo, Id, Pin, TextCache, Version, json};
use cluster_core::{
    PinKey, PinKindFilter, StatusFilter,
    ports::{
        ClusterApi,
        cluster_api::{ApiError, GlobalPinStatus, Scope},
    },
};
use futures_util::{StreamExt, stream};
use http::{HeaderValue, StatusCode, header};
use std::sync::Arc;

/// CIDs of one request whose status is looked up at once.
const LOOKUPS: usize = 16;

pub(crate) async fn get_id(api: &dyn ClusterApi) -> Reply {
    object(StatusCode::OK, &Id::from(&api.id().await))
}

pub(crate) async fn get_version(api: &dyn ClusterApi) -> Reply {
    object(StatusCode::OK, &Version { version: api.id().await.version })
}

pub(crate) async fn list_peers(api: Arc<dyn ClusterApi>) -> Reply {
    let mut peers = Vec::new();
    let mut stream = api.peers();
    while let Some(peer) = stream.next().await {
        peers.push(peer);
    }
    drop(stream);
    let pages = stream::iter(peers).map(|peer| peer.map(|peer| vec![peer]));
    ndjson::answer(pages, |peer, lines| push_line(&Id::from(peer), lines)).await
}

pub(crate) async fn list_allocations(api: &dyn ClusterApi, query: &Query<'_>) -> Reply {
    let (filter, unknown) = PinKindFilter::parse(query.get("filter").unwrap_or_default());
    if !unknown.is_empty() && filter.is_only_bad() {
        return bad_request("invalid filter value");
    }
    let mut cache = TextCache::default();
    ndjson::answer(api.allocations(filter), move |pin, lines| {
        push_line(&Pin::from_core(pin, &mut cache), lines)
    })
    .await
}

pub(crate) async fn get_allocation(api: &dyn ClusterApi, hash: &str) -> Reply {
    let key = match parse_key(hash) {
        Ok(key) => key,
        Err(reply) => return *reply,
    };
    match api.allocation(key).await {
        Ok((pin, etag)) => {
            let mut reply = object(StatusCode::OK, &Pin::from(&pin));
            reply.headers_mut().extend(
                HeaderValue::from_str(&format!("\"{etag}\"")).ok().map(|value| (header::ETAG, value)),
            );
            reply
        }
        Err(error) => of_api(&error),
    }
}

pub(crate) async fn get_status(api: &dyn ClusterApi, hash: &str, query: &Query<'_>) -> Reply {
    match parse_key(hash) {
        Ok(key) => one_status(api.status(key, scope(query)).await),
        Err(reply) => *reply,
    }
}

pub(crate) async fn list_statuses(api: Arc<dyn ClusterApi>, query: &Query<'_>) -> Reply {
    let scope = scope(query);
    if let Some(cids) = query.get("cids") {
        let mut keys = Vec::new();
        for cid in cids.split(',') {
            match parse_key(cid) {
                Ok(key) => keys.push(key),
                Err(reply) => return *reply,
            }
        }
        let look_up = move |key: PinKey| {
            let api = api.clone();
            async move { api.status(key, scope).await.map(|status| vec![status]) }
        };
        return ndjson::answer(stream::iter(keys).map(look_up).buffer_unordered(LOOKUPS), status_writer())
            .await;
    }
    let text = query.get("filter").unwrap_or_default();
    let (filter, unknown) = StatusFilter::parse(text);
    if !unknown.is_empty() && filter.is_all() {
        return bad_request("invalid filter value");
    }
    ndjson::answer(api.status_all(filter, scope), status_writer()).await
}

pub(crate) fn one_status(status: Result<GlobalPinStatus, ApiError>) -> Reply {
    match status {
        Ok(status) => object(StatusCode::OK, &GlobalPinInfo::from(&status)),
        Err(error) => of_api(&error),
    }
}

pub(crate) fn status_writer() -> impl FnMut(&GlobalPinStatus, &mut Vec<u8>) + Send + 'static {
    let mut cache = TextCache::default();
    move |status, lines| push_line(&GlobalPinInfo::from_core(status, &mut cache), lines)
}

pub(crate) fn scope(query: &Query<'_>) -> Scope {
    if query.is_true("local") { Scope::Local } else { Scope::Cluster }
}

fn push_line<T: serde::Serialize>(value: &T, lines: &mut Vec<u8>) {
    let start = lines.len();
    if json::to_line(value, lines).is_err() {
        // Writing to memory cannot fail; were it to, half a line must not go out.
        lines.truncate(start);
    }
}
