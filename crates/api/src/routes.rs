//! The endpoints (api §3.5).

use crate::{browse, bulk, failure, health, membership, openapi, reads, token, writes};
use axum::{
    Router,
    body::Body,
    routing::{MethodRouter, delete, get, post},
};
use cluster_core::ports::ClusterApi;
use http::{Method, Request, Response, StatusCode, request::Parts};
use std::sync::Arc;

/// An answer on its way through the server.
pub(crate) type Reply = Response<Body>;

/// What handlers work with.
pub(crate) type Api = axum::extract::State<Arc<dyn ClusterApi>>;

/// Says whether the endpoint of a request reads its body.
pub(crate) fn reads_body(head: &Parts) -> bool {
    head.method == Method::POST && head.uri.path() == "/peers"
}

/// Says whether the endpoint of a request reads its body as it comes, however long it is.
pub(crate) fn streams_body(head: &Parts) -> bool {
    head.method == Method::POST && head.uri.path() == "/pins"
}

/// Says whether the answer to a request lasts until the client has enough; it must end when the server stops.
pub(crate) fn lasts<B>(request: &Request<B>) -> bool {
    matches!((request.method(), request.uri().path()), (&Method::GET, "/events") | (&Method::POST, "/pins"))
}

/// Says whether the endpoint of a request asks who sent it.
pub(crate) fn wants_user(head: &Parts) -> bool {
    head.method == Method::POST && head.uri.path() == "/token"
}

/// Method, path, and what answers.
type Endpoint = (Method, &'static str, MethodRouter<Arc<dyn ClusterApi>>);

/// Lists every endpoint with what answers it, as the description of the API has them.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        (Method::GET, "/id", get(reads::get_id)),
        (Method::GET, "/version", get(reads::get_version)),
        (Method::GET, "/health", get(|| async { failure::empty(StatusCode::NO_CONTENT) })),
        (Method::GET, "/peers", get(membership::list_peers)),
        (Method::POST, "/peers", post(membership::post_peer)),
        (Method::DELETE, "/peers/{peer}", delete(membership::delete_peer)),
        (Method::POST, "/peers/{peer}/promote", post(membership::promote_peer)),
        (Method::POST, "/peers/{peer}/demote", post(membership::demote_peer)),
        (Method::POST, "/add", post(|| not_yet("adding content through the cluster"))),
        (Method::GET, "/allocations", get(reads::list_allocations)),
        (Method::GET, "/allocations/{hash}", get(reads::get_allocation)),
        (Method::GET, "/pins", get(reads::list_statuses)),
        (Method::POST, "/pins", post(bulk::post_changes)),
        (Method::GET, "/pins/{hash}", get(reads::get_status)),
        (Method::POST, "/pins/{hash}", post(writes::post_pin)),
        (Method::DELETE, "/pins/{hash}", delete(writes::delete_pin)),
        (Method::POST, "/pins/{hash}/recover", post(writes::recover_pin)),
        // Of two that fit, the reference takes the one it lists first; where the radix tree would choose the other, the path
        // is registered by itself.
        (
            Method::POST,
            "/pins/recover",
            post(writes::recover_all).get(reads::get_status).delete(writes::delete_pin),
        ),
        (Method::POST, "/pins/ipfs/{*path}", post(writes::post_path)),
        (Method::POST, "/pins/ipns/{*path}", post(writes::post_path)),
        (Method::POST, "/pins/ipld/{*path}", post(writes::post_path)),
        (Method::DELETE, "/pins/ipfs/{*path}", delete(writes::delete_path)),
        (Method::DELETE, "/pins/ipns/{*path}", delete(writes::delete_path)),
        (Method::DELETE, "/pins/ipld/{*path}", delete(writes::delete_path)),
        (Method::POST, "/ipfs/gc", post(health::collect_garbage)),
        (Method::GET, "/health/graph", get(health::get_graph)),
        (Method::GET, "/health/crdt", get(health::get_crdt)),
        (Method::GET, "/health/raft", get(health::get_raft)),
        (Method::GET, "/health/alerts", get(health::list_alerts)),
        (Method::GET, "/health/bandwidth", get(health::get_bandwidth)),
        (Method::GET, "/monitor/metrics", get(health::list_metric_names)),
        (Method::GET, "/monitor/metrics/{name}", get(health::list_metrics)),
        (Method::GET, "/totals", get(browse::get_totals)),
        (Method::GET, "/events", get(browse::list_events)),
        (Method::GET, "/openapi.json", get(openapi::get_document)),
        (Method::POST, "/token", post(token::post_token)),
    ]
}

/// Makes the table of endpoints.
pub(crate) fn routes(api: Arc<dyn ClusterApi>) -> Router {
    let mut table = Router::new();
    for (_, path, handler) in endpoints() {
        table = table.route(path, handler);
    }
    for namespace in ["ipfs", "ipns", "ipld"] {
        let path = format!("/pins/{namespace}/recover");
        table = table.route(&path, post(writes::recover_pin).delete(writes::delete_path));
    }
    table
        .fallback(|| async { failure::answer(StatusCode::NOT_FOUND, "not found") })
        .method_not_allowed_fallback(|| async { failure::empty(StatusCode::METHOD_NOT_ALLOWED) })
        .with_state(api)
}

fn not_yet(what: &'static str) -> std::future::Ready<Reply> {
    std::future::ready(failure::not_yet(what))
}
