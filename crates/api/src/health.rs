//! Requests about the health of the cluster and of its IPFS daemons (api §3.6).

use crate::{
    failure::{answer, object, of_api},
    paths,
    pin_query::Query,
    reads::scope,
    routes::{Api, Reply},
};
use axum::extract::{Request, State};
use cluster_api_types::{Alert, Bandwidth, ConnectGraph, CrdtHealth, GlobalRepoGc, Metric, RaftHealth};
use cluster_core::ports::cluster_api::Scope;
use http::StatusCode;
use std::collections::BTreeMap;

pub(crate) async fn get_graph(State(api): Api) -> Reply {
    match api.connect_graph().await {
        Ok(graph) => object(StatusCode::OK, &ConnectGraph::from(&graph)),
        Err(error) => of_api(&error),
    }
}

pub(crate) async fn get_crdt(State(api): Api) -> Reply {
    match api.crdt_health().await {
        Ok(health) => object(StatusCode::OK, &CrdtHealth::from(&health)),
        Err(error) => of_api(&error),
    }
}

pub(crate) async fn get_raft(State(api): Api) -> Reply {
    match api.raft_health() {
        Ok(health) => object(StatusCode::OK, &RaftHealth::from(&health)),
        Err(error) => of_api(&error),
    }
}

pub(crate) async fn get_bandwidth(State(api): Api) -> Reply {
    let by_protocol: BTreeMap<String, Bandwidth> = api
        .traffic()
        .iter()
        .map(|(protocol, traffic)| (protocol.clone(), Bandwidth::from(traffic)))
        .collect();
    object(StatusCode::OK, &by_protocol)
}

pub(crate) async fn list_alerts(State(api): Api) -> Reply {
    let alerts: Vec<Alert> = api.alerts().iter().map(Alert::from).collect();
    object(StatusCode::OK, &alerts)
}

pub(crate) async fn list_metric_names(State(api): Api) -> Reply {
    object(StatusCode::OK, &api.metric_names())
}

pub(crate) async fn list_metrics(State(api): Api, request: Request) -> Reply {
    let name = match paths::segment(request.uri(), 2) {
        Ok(name) => name,
        Err(reply) => return *reply,
    };
    let metrics: Vec<Metric> = api.metrics(&name).iter().map(Metric::from).collect();
    object(StatusCode::OK, &metrics)
}

pub(crate) async fn collect_garbage(State(api): Api, request: Request) -> Reply {
    let scope = scope(&Query::parse(request.uri().query()));
    let outcomes = match api.collect_garbage(scope).await {
        Ok(outcomes) => outcomes,
        Err(error) => return of_api(&error),
    };
    // Of several peers each tells its own failure; that of the only one asked is the answer.
    match outcomes.iter().find(|gc| scope == Scope::Local && !gc.error.is_empty()) {
        Some(failed) => answer(StatusCode::INTERNAL_SERVER_ERROR, &failed.error),
        None => object(StatusCode::OK, &GlobalRepoGc::from(&outcomes[..])),
    }
}
