//! Requests about pins that change nothing, and those about this peer alone.

use crate::{
    browse,
    conditions::etag_header,
    failure::{bad_request, object, of_api},
    ndjson, paths,
    pin_query::Query,
    pin_search,
    routes::{Api, Reply},
};
use axum::extract::{Request, State};
use cluster_api_types::{GlobalPinInfo, Id, Pin, RaftHealth, TextCache, Version, json};
use cluster_core::{
    Cid, PinKey, PinKindFilter, StatusFilter,
    ports::{
        cluster_api::{ApiError, GlobalPinStatus, Scope},
        consensus::Etag,
    },
};
use futures_util::{StreamExt, stream};
use http::{StatusCode, Uri, header};

/// CIDs of one request whose status is looked up at once.
const LOOKUPS: usize = 16;

pub(crate) async fn get_id(State(api): Api) -> Reply {
    let raft = api.raft_health().ok().map(|health| RaftHealth::from(&health));
    object(StatusCode::OK, &Id { raft, ..Id::from(&api.id().await) })
}

pub(crate) async fn get_version() -> Reply {
    object(StatusCode::OK, &Version { version: env!("CARGO_PKG_VERSION").to_owned() })
}

pub(crate) async fn list_allocations(State(api): Api, request: Request) -> Reply {
    let query = Query::parse(request.uri().query());
    let (filter, unknown) = PinKindFilter::parse(query.get("filter").unwrap_or_default());
    if !unknown.is_empty() && filter.is_only_bad() {
        return bad_request("invalid filter value");
    }
    let search = match pin_search::search(&query, filter) {
        Ok(search) => search,
        Err(error) => return bad_request(&error.to_string()),
    };
    if !search.is_all() || pin_search::is_paged(&query) {
        return browse::pins(api, &query, search).await;
    }
    let mut cache = TextCache::default();
    let at_once = query.get("at-once") == Some("true");
    let pins = if at_once { api.pinset_at_once(filter) } else { api.allocations(filter) };
    ndjson::answer(pins, move |pin, lines| {
        push_line(&Pin::from_core(pin, &mut cache), lines);
    })
    .await
}

pub(crate) async fn get_allocation(State(api): Api, request: Request) -> Reply {
    let key = match key_in(request.uri()) {
        Ok(key) => key,
        Err(reply) => return *reply,
    };
    match api.allocation(key).await {
        Ok((pin, etag)) => tagged(&Pin::from(&pin), &etag),
        Err(error) => of_api(&error),
    }
}

pub(crate) async fn get_status(State(api): Api, request: Request) -> Reply {
    let scope = scope(&Query::parse(request.uri().query()));
    match key_in(request.uri()) {
        Ok(key) => one_status(api.status(key, scope).await),
        Err(reply) => *reply,
    }
}

pub(crate) async fn list_statuses(State(api): Api, request: Request) -> Reply {
    let query = Query::parse(request.uri().query());
    let scope = scope(&query);
    if let Some(cids) = query.get("cids") {
        let keys: Result<Vec<PinKey>, _> =
            cids.split(',').map(|text| parse_cid(text).map(|cid| PinKey::from_cid(&cid))).collect();
        let keys = match keys {
            Ok(keys) => keys,
            Err(reply) => return *reply,
        };
        let look_up = move |key: PinKey| {
            let api = api.clone();
            async move { api.status(key, scope).await.map(|status| vec![status]) }
        };
        let pages = stream::iter(keys).map(look_up).buffer_unordered(LOOKUPS);
        return ndjson::answer(pages, status_writer()).await;
    }
    let (filter, unknown) = StatusFilter::parse(query.get("filter").unwrap_or_default());
    if !unknown.is_empty() && filter.is_all() {
        return bad_request("invalid filter value");
    }
    let search = match pin_search::search(&query, PinKindFilter::ALL) {
        Ok(search) => search,
        Err(error) => return bad_request(&error.to_string()),
    };
    if !search.is_all() || pin_search::is_paged(&query) {
        return browse::statuses(api, &query, search, filter, scope).await;
    }
    ndjson::answer(api.status_all(filter, scope), status_writer()).await
}

/// Answers the status of one CID.
pub(crate) fn one_status(status: Result<GlobalPinStatus, ApiError>) -> Reply {
    match status {
        Ok(status) => object(StatusCode::OK, &GlobalPinInfo::from(&status)),
        Err(error) => of_api(&error),
    }
}

/// Answers a pin with its tag.
pub(crate) fn tagged(pin: &Pin, etag: &Etag) -> Reply {
    let mut reply = object(StatusCode::OK, pin);
    if let Some(tag) = etag_header(etag) {
        reply.headers_mut().insert(header::ETAG, tag);
    }
    reply
}

/// Writes statuses as lines.
pub(crate) fn status_writer() -> impl FnMut(&GlobalPinStatus, &mut Vec<u8>) + Send + 'static {
    let mut cache = TextCache::default();
    move |status, lines| push_line(&GlobalPinInfo::from_core(status, &mut cache), lines)
}

/// Reads whom to ask; only the exact text `true` means this peer alone.
pub(crate) fn scope(query: &Query<'_>) -> Scope {
    if query.get("local") == Some("true") { Scope::Local } else { Scope::Cluster }
}

/// Reads the CID in the second segment of the path.
pub(crate) fn cid_in(uri: &Uri) -> Result<Cid, Box<Reply>> {
    parse_cid(&paths::segment(uri, 1)?)
}

pub(crate) fn key_in(uri: &Uri) -> Result<PinKey, Box<Reply>> {
    cid_in(uri).map(|cid| PinKey::from_cid(&cid))
}

fn parse_cid(text: &str) -> Result<Cid, Box<Reply>> {
    cluster_core::parse_cid(text)
        .map_err(|error| Box::new(bad_request(&format!("error decoding Cid: {error}"))))
}

/// Writes one line of a stream.
pub(crate) fn push_line<T: serde::Serialize>(value: &T, lines: &mut Vec<u8>) {
    let start = lines.len();
    if json::to_line(value, lines).is_err() {
        // Writing to memory cannot fail; were it to, half a line must not go out.
        lines.truncate(start);
    }
}
