//! Requests about the members of the cluster (api §3.6).

use crate::{
    failure::{bad_request, empty, object, of_api},
    ndjson, paths,
    pin_query::Query,
    reads::push_line,
    routes::{Api, Reply},
};
use axum::extract::{Request, State};
use bytes::Bytes;
use cluster_api_types::{Id, PeerAddBody, PeerAddress, PeerAddressError, json, parse_peer_id};
use cluster_core::{Multiaddr, PeerId, ports::ClusterApi};
use futures_util::StreamExt;
use http::StatusCode;
use std::sync::Arc;

pub(crate) async fn list_peers(State(api): Api) -> Reply {
    let pages = api.peers().map(|peer| peer.map(|peer| vec![peer]));
    ndjson::answer(pages, |peer, lines| push_line(&Id::from(peer), lines)).await
}

pub(crate) async fn post_peer(State(api): Api, body: Bytes) -> Reply {
    let Ok(PeerAddBody { peer_id, addresses }) = json::from_slice(&body) else {
        return bad_request("error decoding request body");
    };
    let Ok(peer) = parse_peer_id(&peer_id) else {
        return bad_request("error decoding peer_id");
    };
    let addresses: Result<Vec<Multiaddr>, PeerAddressError> =
        addresses.iter().flatten().map(|text| text.as_str().parse::<PeerAddress>()?.of(peer)).collect();
    match addresses {
        Ok(addresses) => match api.add_peer(peer, addresses).await {
            Ok(info) => object(StatusCode::OK, &Id::from(&info)),
            Err(error) => of_api(&error),
        },
        Err(error) => bad_request(&format!("error decoding addresses: {error}")),
    }
}

pub(crate) async fn delete_peer(State(api): Api, request: Request) -> Reply {
    let peer = match peer_in(&request) {
        Ok(peer) => peer,
        Err(reply) => return *reply,
    };
    // As with `local`, only the exact text counts: nothing else may remove anything.
    let forget = Query::parse(request.uri().query()).get("forget") == Some("true");
    match api.remove_peer(peer, forget).await {
        Ok(()) => empty(StatusCode::NO_CONTENT),
        Err(error) => of_api(&error),
    }
}

pub(crate) async fn promote_peer(State(api): Api, request: Request) -> Reply {
    set_voter(api, peer_in(&request), true).await
}

pub(crate) async fn demote_peer(State(api): Api, request: Request) -> Reply {
    set_voter(api, peer_in(&request), false).await
}

async fn set_voter(api: Arc<dyn ClusterApi>, peer: Result<PeerId, Box<Reply>>, votes: bool) -> Reply {
    let peer = match peer {
        Ok(peer) => peer,
        Err(reply) => return *reply,
    };
    match api.set_voter(peer, votes).await {
        Ok(()) => empty(StatusCode::NO_CONTENT),
        Err(error) => of_api(&error),
    }
}

fn peer_in(request: &Request) -> Result<PeerId, Box<Reply>> {
    parse_peer_id(&paths::segment(request.uri(), 1)?)
        .map_err(|error| Box::new(bad_request(&format!("error decoding Peer ID: {error}"))))
}
