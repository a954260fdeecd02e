//! Requests that change the pinset or the tracker.

use crate::{
    conditions::Conditions,
    failure::{bad_request, object, of_api},
    ndjson, paths,
    pin_query::{self, Query},
    reads::{cid_in, key_in, one_status, scope, status_writer, tagged},
    routes::{Api, Reply},
};
use axum::extract::{Request, State};
use cluster_api_types::Pin;
use cluster_core::{
    Cid, PinKey, parse_cid,
    ports::{
        ClusterApi,
        cluster_api::{IpfsPath, PinWish},
    },
};
use http::{StatusCode, request::Parts};

pub(crate) async fn post_pin(State(api): Api, request: Request) -> Reply {
    let (head, _) = request.into_parts();
    match cid_in(&head.uri) {
        Ok(cid) => pin(&*api, cid, &head).await,
        Err(reply) => *reply,
    }
}

pub(crate) async fn post_path(State(api): Api, request: Request) -> Reply {
    let (head, _) = request.into_parts();
    match resolved(&*api, &head).await {
        Ok(cid) => pin(&*api, cid, &head).await,
        Err(reply) => *reply,
    }
}

pub(crate) async fn delete_pin(State(api): Api, request: Request) -> Reply {
    let (head, _) = request.into_parts();
    match cid_in(&head.uri) {
        Ok(cid) => unpin(&*api, cid, &head).await,
        Err(reply) => *reply,
    }
}

pub(crate) async fn delete_path(State(api): Api, request: Request) -> Reply {
    let (head, _) = request.into_parts();
    match resolved(&*api, &head).await {
        Ok(cid) => unpin(&*api, cid, &head).await,
        Err(reply) => *reply,
    }
}

pub(crate) async fn recover_pin(State(api): Api, request: Request) -> Reply {
    let scope = scope(&Query::parse(request.uri().query()));
    match key_in(request.uri()) {
        Ok(key) => one_status(api.recover(key, scope).await),
        Err(reply) => *reply,
    }
}

pub(crate) async fn recover_all(State(api): Api, request: Request) -> Reply {
    let scope = scope(&Query::parse(request.uri().query()));
    ndjson::answer(api.recover_all(scope), status_writer()).await
}

async fn pin(api: &dyn ClusterApi, cid: Cid, head: &Parts) -> Reply {
    let query = Query::parse(head.uri.query());
    let (pin, expires_in) = match pin_query::pin(cid, &query, pin_query::now()) {
        Ok(asked) => asked,
        Err(error) => return bad_request(&error.to_string()),
    };
    let Conditions { precondition, request_id } = match Conditions::parse(&head.headers) {
        Ok(conditions) => conditions,
        Err(message) => return bad_request(message),
    };
    match api.pin(PinWish { pin, expires_in, precondition, request_id }).await {
        Ok((pin, etag)) => {
            let mut wire = Pin::from(&pin);
            // Freshly parsed options have a map, empty or not (api §3.7).
            wire.options.metadata.get_or_insert_default();
            tagged(&wire, &etag)
        }
        Err(error) => of_api(&error),
    }
}

async fn unpin(api: &dyn ClusterApi, cid: Cid, head: &Parts) -> Reply {
    let Conditions { precondition, request_id } = match Conditions::parse(&head.headers) {
        Ok(conditions) => conditions,
        Err(message) => return bad_request(message),
    };
    match api.unpin(PinKey::from_cid(&cid), precondition, request_id).await {
        Ok(pin) => object(StatusCode::OK, &Pin::from(&pin)),
        Err(error) => of_api(&error),
    }
}

/// Finds the CID that the path of a request names.
async fn resolved(api: &dyn ClusterApi, head: &Parts) -> Result<Cid, Box<Reply>> {
    let text = paths::below_first(&head.uri)?;
    // Nearly every request is this one; the general way gives the same at several allocations.
    if let Some(cid) = text.strip_prefix("/ipfs/").and_then(|root| parse_cid(root).ok()) {
        return Ok(cid);
    }
    let path = IpfsPath::parse(&text)
        .map_err(|error| Box::new(bad_request(&format!("error parsing path: {error}"))))?;
    match path.as_cid() {
        Some(cid) => Ok(cid),
        None => api.resolve(path).await.map_err(|error| Box::new(of_api(&error))),
    }
}
