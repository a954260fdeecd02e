//! The endpoints (api §3.5).

use crate::{browse, bulk, failure, health, membership, reads, token, writes};
use axum::{
    Router,
    body::Body,
    routing::{delete, get, post},
};
use cluster_core::ports::ClusterApi;
use http::{Method, Response, StatusCode, request::Parts};
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

/// Says whether the endpoint of a request asks who sent it.
pub(crate) fn wants_user(head: &Parts) -> bool {
    head.method == Method::POST && head.uri.path() == "/token"
}

/// Makes the table of endpoints. Of two that fit, the reference takes the one it lists first; where the radix tree
/// would choose the other, the path is registered by itself.
pub(crate) fn routes(api: Arc<dyn ClusterApi>) -> Router {
    let mut table = Router::new()
        .route("/id", get(reads::get_id))
        .route("/version", get(reads::get_version))
        .route("/health", get(|| async { failure::empty(StatusCode::NO_CONTENT) }))
        .route("/peers", get(membership::list_peers).post(membership::post_peer))
        .route("/peers/{peer}", delete(membership::delete_peer))
        .route("/add", post(|| not_yet("adding content through the cluster")))
        .route("/allocations", get(reads::list_allocations))
        .route("/allocations/{hash}", get(reads::get_allocation))
        .route("/pins", get(reads::list_statuses).post(bulk::post_changes))
        .route("/pins/{hash}", get(reads::get_status).post(writes::post_pin).delete(writes::delete_pin))
        .route("/pins/{hash}/recover", post(writes::recover_pin))
        .route("/pins/recover", post(writes::recover_all).get(reads::get_status).delete(writes::delete_pin))
        .route("/ipfs/gc", post(health::collect_garbage))
        .route("/health/graph", get(health::get_graph))
        .route("/health/crdt", get(health::get_crdt))
        .route("/health/alerts", get(health::list_alerts))
        .route("/health/bandwidth", get(|| not_yet("counting bandwidth")))
        .route("/monitor/metrics", get(health::list_metric_names))
        .route("/monitor/metrics/{name}", get(health::list_metrics))
        .route("/totals", get(browse::get_totals))
        .route("/events", get(browse::list_events))
        .route("/token", post(token::post_token));
    for namespace in ["ipfs", "ipns", "ipld"] {
        table = table
            .route(
                &format!("/pins/{namespace}/recover"),
                post(writes::recover_pin).delete(writes::delete_path),
            )
            .route(
                &format!("/pins/{namespace}/{{*path}}"),
                post(writes::post_path).delete(writes::delete_path),
            );
    }
    table
        .fallback(|| async { failure::answer(StatusCode::NOT_FOUND, "not found") })
        .method_not_allowed_fallback(|| async { failure::empty(StatusCode::METHOD_NOT_ALLOWED) })
        .with_state(api)
}

fn not_yet(what: &'static str) -> std::future::Ready<Reply> {
    std::future::ready(failure::not_yet(what))
}
