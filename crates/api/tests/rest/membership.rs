//! Members: list, add, remove (api §3.6).

use crate::{
    fake_api::{CID, peer},
    raw_client::{ask_with_body, connect, exchange, read_all, read_until},
    server::TestServer,
};
use cluster_core::ports::{cluster_api::ApiError, rpc::CallError, swarm::ConnectError};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn peers_are_a_stream() {
    let server = TestServer::start().await;
    let peers = server.ask("GET /peers", &[]).await;
    assert_eq!((peers.status, peers.body.lines().count()), (200, 2));
    assert_eq!(peers.header("trailer"), Some("X-Stream-Error"));
    server.api.fail_with(|| ApiError::Stopping);
    server.ask("GET /peers", &[]).await.is_error(503, "the peer is stopping");
}

#[tokio::test]
async fn a_peer_is_added_with_and_without_addresses() {
    let server = TestServer::start().await;
    let id = peer(2);
    let whole = format!("/ip4/192.0.2.1/tcp/9096/p2p/{id}");
    for (body, addresses) in [
        (format!("{{\"peer_id\":\"{id}\"}}"), String::new()),
        (format!("{{\"peer_id\":\"{id}\",\"addresses\":null,\"unknown\":[1]}}\n"), String::new()),
        (format!("{{\"peer_id\":\"{id}\",\"addresses\":[]}}"), String::new()),
        (
            format!("{{\"addresses\":[\"/ip4/192.0.2.1/tcp/9096\",\"{whole}\"],\"peer_id\":\"{id}\"}}"),
            format!("{whole}, {whole}"),
        ),
    ] {
        let answer = ask_with_body(server.address, "POST /peers", &body).await;
        assert_eq!((answer.status, &answer.json()["id"]), (200, &id.to_string().into()), "{body}");
        assert_eq!(server.api.calls(), [format!("add_peer {id} [{addresses}]")], "{body}");
    }
}

#[tokio::test]
async fn a_body_in_chunks_is_put_together() {
    let server = TestServer::start().await;
    let (head, rest) = ("{\"peer_id\":", format!("\"{}\"}}", peer(2)));
    let request = format!(
        "POST /peers HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{head}\r\n{:x}\r\n{rest}\r\n0\r\n\r\n",
        head.len(),
        rest.len()
    );
    let answer = exchange(server.address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(server.api.calls(), [format!("add_peer {} []", peer(2))]);
}

#[tokio::test]
async fn bodies_that_name_no_peer_are_bad_requests() {
    let server = TestServer::start().await;
    let (id, other) = (peer(2), peer(3));
    for body in ["", "x", "[{}]", "\"x\"", "{\"peer_id\":1}", "{\"peer_id\":\"x\"", "{\"addresses\":\"x\"}"] {
        let answer = ask_with_body(server.address, "POST /peers", body).await;
        answer.is_error(400, "error decoding request body");
    }
    for body in ["{}", "{\"peer_id\":\"\"}", "{\"peer_id\":\"/ip4/192.0.2.1/tcp/9096\"}"] {
        let answer = ask_with_body(server.address, "POST /peers", body).await;
        answer.is_error(400, "error decoding peer_id");
    }
    for (address, text) in [
        ("192.0.2.1:9096".to_owned(), "\"192.0.2.1:9096\" is not a multiaddress ".to_owned()),
        (String::new(), "\"\" is not a multiaddress ".to_owned()),
        (format!("/p2p/{id}"), format!("\"/p2p/{id}\" does not say where the peer is")),
        (
            format!("/ip4/192.0.2.1/tcp/9096/p2p/{other}"),
            format!("\"/ip4/192.0.2.1/tcp/9096\" is an address of peer {other}, not of {id}"),
        ),
    ] {
        let body = format!("{{\"peer_id\":\"{id}\",\"addresses\":[\"/ip4/192.0.2.1/tcp/1\",\"{address}\"]}}");
        let answer = ask_with_body(server.address, "POST /peers", &body).await;
        assert_eq!(answer.status, 400, "{address}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with(&format!("error decoding addresses: {text}")), "{message}");
    }
    assert!(server.api.calls().is_empty());
}

#[tokio::test]
async fn a_large_body_is_refused_before_it_is_read() {
    let server = TestServer::start().await;
    let refusal = "the body of the request is larger than 65536 bytes";
    let mut stream = connect(server.address).await;
    stream.write_all(b"POST /peers HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n").await.unwrap();
    let text = read_until(&mut stream, refusal).await;
    assert!(text.starts_with("HTTP/1.1 413 "), "{text}");

    // Without a length it shows only as it comes.
    let mut stream = connect(server.address).await;
    stream.write_all(b"POST /peers HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    stream.write_all(format!("10001\r\n{}\r\n0\r\n\r\n", "x".repeat(65537)).as_bytes()).await.unwrap();
    let text = String::from_utf8(read_all(&mut stream).await).unwrap();
    assert!(text.starts_with("HTTP/1.1 413 ") && text.contains(refusal), "{text}");

    let full = format!("{{\"peer_id\":\"{}\"}}{}", peer(2), " ".repeat(60_000));
    assert_eq!(ask_with_body(server.address, "POST /peers", &full).await.status, 200);
    assert_eq!(server.api.calls().len(), 1);
}

/// What fails, with which status and text.
type Case = (fn() -> ApiError, u16, String);

#[tokio::test]
async fn a_peer_that_cannot_be_reached_is_500() {
    let server = TestServer::start().await;
    let body = format!("{{\"peer_id\":\"{}\"}}", peer(2));
    let cases: [Case; 4] = [
        (
            || ApiError::Connect(ConnectError::NoAddress { peer: peer(2) }),
            500,
            format!("no address of peer {} is known: give one, or connect to a peer that knows it", peer(2)),
        ),
        (
            || ApiError::Call(CallError::Unreachable { cause: "dial <failed>".to_owned() }),
            500,
            "cannot reach the peer: dial <failed>".to_owned(),
        ),
        (
            || ApiError::Call(CallError::Refused { method: "ID" }),
            500,
            "the peer refuses ID: it does not trust this peer".to_owned(),
        ),
        (|| ApiError::Stopping, 503, "the peer is stopping".to_owned()),
    ];
    for (failure, status, message) in cases {
        server.api.fail_with(failure);
        let answer = ask_with_body(server.address, "POST /peers", &body).await;
        assert_eq!((answer.status, &answer.json()["message"]), (status, &message.into()));
    }
}

#[tokio::test]
async fn a_peer_is_removed_and_forgotten_only_when_told_so_exactly() {
    let server = TestServer::start().await;
    let id = peer(2);
    for (query, forget) in
        [("", false), ("?forget=true", true), ("?forget=1", false), ("?forget=TRUE", false), ("?x=y", false)]
    {
        let answer = server.ask(&format!("DELETE /peers/{id}{query}"), &[]).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{query}");
        assert_eq!(server.api.calls(), [format!("remove_peer {id} {forget}")], "{query}");
    }
    for text in ["nope", "12D3KooWx", "%2Fip4%2F192.0.2.1"] {
        let answer = server.ask(&format!("DELETE /peers/{text}"), &[]).await;
        assert_eq!(answer.status, 400, "{text}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("error decoding Peer ID: \""), "{message}");
    }
    assert!(server.api.calls().is_empty());
}

#[tokio::test]
async fn removals_that_are_refused_keep_their_texts() {
    let server = TestServer::start().await;
    let line = format!("DELETE /peers/{}", peer(2));
    server.api.fail_with(|| ApiError::CannotRemovePeers);
    server.ask(&line, &[]).await.is_error(500, "crdt consensus component cannot remove peers");
    let line = format!("{line}?forget=true");
    server.api.fail_with(|| ApiError::ForgetSelf);
    let text = "a peer cannot forget itself: stop it, and forget it on the other peers";
    server.ask(&line, &[]).await.is_error(400, text);
    server.api.fail_with(|| ApiError::Forgotten { cause: "disk full".to_owned() });
    let text = "the list of forgotten peers could not be written: disk full";
    server.ask(&line, &[]).await.is_error(500, text);
}

#[tokio::test]
async fn members_are_promoted_and_demoted() {
    let server = TestServer::start().await;
    let id = peer(2);
    for (verb, votes) in [("promote", true), ("demote", false)] {
        assert_eq!(server.ask(&format!("POST /peers/{id}/{verb}"), &[]).await.status, 204);
        assert_eq!(server.api.calls(), [format!("set_voter {id} {votes}")]);
        let answer = server.ask(&format!("POST /peers/nobody/{verb}"), &[]).await;
        assert!(answer.status == 400 && answer.body.contains("error decoding Peer ID"), "{}", answer.body);
    }
    server.api.fail_with(|| ApiError::Unsupported { what: "voting" });
    let answer = server.ask(&format!("POST /peers/{id}/promote"), &[]).await;
    answer.is_error(501, "voting is not supported by this version");
}

#[tokio::test]
async fn a_strong_read_waits_and_a_peer_that_is_not_ready_shows_nothing() {
    let server = TestServer::start().await;
    for path in ["/allocations", "/pins", "/totals"] {
        server.ask(&format!("GET {path}?consistency=local"), &[]).await;
        assert!(!server.api.calls().contains(&"read_barrier".to_owned()), "{path}");
        server.ask(&format!("GET {path}?consistency=strong"), &[]).await;
        assert_eq!(server.api.calls().first().map(String::as_str), Some("read_barrier"), "{path}");
        let wrong = server.ask(&format!("GET {path}?consistency=eventual"), &[]).await;
        wrong.is_error(400, "consistency is \"local\" or \"strong\", not \"eventual\"");
        assert_eq!(server.api.calls(), [""; 0], "{path}");
    }
    server.api.unready();
    for path in ["/allocations", "/pins", "/totals", "/events", &format!("/pins/{CID}")] {
        let answer = server.ask(&format!("GET {path}"), &[]).await;
        assert!(
            answer.status == 503 && answer.body.contains("this peer is not ready"),
            "{path}: {}",
            answer.body
        );
    }
    assert_eq!(server.ask("GET /id", &[]).await.status, 200);
}
