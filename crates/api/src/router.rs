//! From a request to the function that answers it (api §3.1, §3.5).

use crate::{
    RestConfig, auth, cors,
    failure::{answer, bad_request, empty, not_yet},
    pin_query::Query,
    reads, writes,
};
use axum::body::Body;
use cluster_core::{Cid, PinKey, ports::ClusterApi};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use std::{sync::Arc, time::Instant};

/// An answer.
pub(crate) type Reply = Response<Body>;

/// What every request is answered with.
pub(crate) struct Rest {
    pub(crate) api: Arc<dyn ClusterApi>,
    pub(crate) config: RestConfig,
    pub(crate) extra: Vec<(HeaderName, HeaderValue)>,
}

/// Parses the CID in a path.
pub(crate) fn parse_key(text: &str) -> Result<PinKey, Box<Reply>> {
    parse_cid(text).map(|cid| PinKey::from_cid(&cid))
}

fn parse_cid(text: &str) -> Result<Cid, Box<Reply>> {
    text.parse().map_err(|error| Box::new(bad_request(&format!("error decoding Cid: {error}"))))
}

/// Answers a request.
pub(crate) async fn handle(rest: Arc<Rest>, request: Request<Body>) -> Reply {
    let started = Instant::now();
    // The body of a request says nothing to any of these; dropping it lets the connection go on or close.
    let (head, _) = request.into_parts();
    let origin = head.headers.get(cors::ORIGIN_HEADER).cloned();
    let path = head.uri.path();
    let reply = match auth::check(rest.config.credentials.as_ref(), &head.method, path, &head.headers) {
        Err(refusal) => *refusal,
        Ok(()) => match cors::preflight(&rest.config.cors, &head.method, &head.headers) {
            Some(reply) => return reply,
            None => {
                let mut reply = route(&rest, &head.method, path, head.uri.query(), &head.headers).await;
                cors::decorate(&rest.config.cors, &head.method, origin, reply.headers_mut());
                reply
            }
        },
    };
    let reply = complete(&rest, reply);
    tracing::debug!(
        target: "restapilog",
        method = %head.method,
        uri = %head.uri,
        status = reply.status().as_u16(),
        micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        "request"
    );
    reply
}

fn complete(rest: &Rest, mut reply: Reply) -> Reply {
    let redirect_or_wrong_method =
        reply.status().is_redirection() || reply.status() == StatusCode::METHOD_NOT_ALLOWED;
    let headers = reply.headers_mut();
    for (name, value) in &rest.extra {
        headers.append(name.clone(), value.clone());
    }
    if !redirect_or_wrong_method {
        headers.append(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    reply
}

async fn route(
    rest: &Rest,
    method: &Method,
    path: &str,
    query: Option<&str>,
    headers: &http::HeaderMap,
) -> Reply {
    if let Some(clean) = cleaned(path) {
        return redirect(StatusCode::MOVED_PERMANENTLY, &clean, query);
    }
    if path.len() > 1 && path.ends_with('/') {
        return redirect(StatusCode::TEMPORARY_REDIRECT, path.trim_end_matches('/'), query);
    }
    let decoded: Result<Vec<_>, _> =
        path.split('/').skip(1).map(|segment| percent_decode_str(segment).decode_utf8()).collect();
    let Ok(segments) = decoded else { return bad_request("the path is not UTF-8") };
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    let (api, query) = (&*rest.api, Query::parse(query));
    let is = |wanted: &Method| method == wanted;
    match segments.as_slice() {
        ["id"] if is(&Method::GET) => reads::get_id(api).await,
        ["version"] if is(&Method::GET) => reads::get_version(api).await,
        ["health"] if is(&Method::GET) => empty(StatusCode::NO_CONTENT),
        ["peers"] if is(&Method::GET) => reads::list_peers(rest.api.clone()).await,
        ["peers"] if is(&Method::POST) => not_yet("adding peers"),
        ["peers", _] if is(&Method::DELETE) => not_yet("removing peers"),
        ["add"] if is(&Method::POST) => not_yet("adding content through the cluster"),
        ["allocations"] if is(&Method::GET) => reads::list_allocations(api, &query).await,
        ["allocations", hash] if is(&Method::GET) => reads::get_allocation(api, hash).await,
        ["pins"] if is(&Method::GET) => reads::list_statuses(rest.api.clone(), &query).await,
        ["pins", "recover"] if is(&Method::POST) => writes::recover_all(api, &query).await,
        ["pins", hash, "recover"] if is(&Method::POST) && !is_namespace(hash) => {
            writes::recover_pin(api, hash, &query).await
        }
        ["pins", hash] if is(&Method::GET) => reads::get_status(api, hash, &query).await,
        ["pins", hash] if is(&Method::POST) => match parse_cid(hash) {
            Ok(cid) => writes::post_pin(api, cid, &query, headers).await,
            Err(reply) => *reply,
        },
        ["pins", hash] if is(&Method::DELETE) => match parse_cid(hash) {
            Ok(cid) => writes::delete_pin(api, &cid, headers).await,
            Err(reply) => *reply,
        },
        ["pins", namespace, rest @ ..]
            if is_namespace(namespace) && (is(&Method::POST) || is(&Method::DELETE)) =>
        {
            match writes::resolve(api, &format!("/{namespace}/{}", rest.join("/"))).await {
                Ok(cid) if is(&Method::POST) => writes::post_pin(api, cid, &query, headers).await,
                Ok(cid) => writes::delete_pin(api, &cid, headers).await,
                Err(reply) => *reply,
            }
        }
        ["ipfs", "gc"] if is(&Method::POST) => not_yet("collecting garbage"),
        ["health", "graph"] if is(&Method::GET) => not_yet("the connection graph"),
        ["health", "alerts"] if is(&Method::GET) => not_yet("the list of alerts"),
        ["health", "bandwidth"] if is(&Method::GET) => not_yet("counting bandwidth"),
        ["monitor", "metrics"] | ["monitor", "metrics", _] if is(&Method::GET) => {
            not_yet("the list of metrics")
        }
        ["token"] if is(&Method::POST) => not_yet("issuing tokens"),
        known if is_known(known) => empty(StatusCode::METHOD_NOT_ALLOWED),
        _ => answer(StatusCode::NOT_FOUND, "not found"),
    }
}

fn is_namespace(segment: &str) -> bool {
    matches!(segment, "ipfs" | "ipns" | "ipld")
}

/// Says whether a path exists under some method.
fn is_known(segments: &[&str]) -> bool {
    match segments {
        ["id" | "version" | "health" | "peers" | "add" | "allocations" | "pins" | "token"]
        | ["allocations" | "peers" | "pins", _]
        | ["ipfs", "gc"]
        | ["health", "graph" | "alerts" | "bandwidth"]
        | ["monitor", "metrics"]
        | ["monitor", "metrics", _]
        | ["pins", _, "recover"] => true,
        ["pins", namespace, _, ..] => is_namespace(namespace),
        _ => false,
    }
}

/// Returns the path without double slashes and dot segments, when it has any.
fn cleaned(path: &str) -> Option<String> {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let inner = segments.split_last().map_or(&[] as &[&str], |(_, inner)| inner);
    let dirty = segments.iter().any(|s| matches!(*s, "." | "..")) || inner.iter().any(|s| s.is_empty());
    if !dirty {
        return None;
    }
    let mut clean = Vec::new();
    for segment in &segments {
        match *segment {
            "" | "." => {}
            ".." => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    Some(format!("/{}", clean.join("/")))
}

fn redirect(status: StatusCode, path: &str, query: Option<&str>) -> Reply {
    let mut reply = empty(status);
    let target = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    if let Ok(value) = HeaderValue::from_str(&target) {
        reply.headers_mut().insert(header::LOCATION, value);
    }
    reply
}
