//! Every endpoint with its success and its failures (api §3.5, §3.6).

use crate::{
    fake_api::{CID, RESOLVED, status_of},
    server::TestServer,
};
use cluster_core::ports::{
    cluster_api::ApiError,
    consensus::{Rejection, SubmitError},
    ipfs_connector::IpfsError,
};

#[tokio::test]
async fn id_version_and_health() {
    let server = TestServer::start().await;
    let id = server.ask("GET /id", &[]).await;
    assert_eq!((id.status, id.header("content-type")), (200, Some("application/json")));
    assert_eq!(id.json()["peername"], "alpha");
    assert!(id.body.ends_with("}\n"));
    assert_eq!(server.api.calls(), ["id"]);

    let version = server.ask("GET /version", &[]).await;
    assert_eq!(version.body, format!("{{\"version\":\"{}\"}}\n", env!("CARGO_PKG_VERSION")));
    assert!(server.api.calls().is_empty(), "the version must not wait for the IPFS daemon");

    let health = server.ask("GET /health", &[]).await;
    assert_eq!((health.status, health.body.as_str()), (204, ""));
    assert_eq!(health.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn pin_by_cid_and_by_path() {
    let server = TestServer::start().await;
    for (line, call) in [
        (format!("POST /pins/{CID}"), vec![format!("pin {CID}")]),
        (format!("POST /pins/ipfs/{CID}"), vec![format!("pin {CID}")]),
        (format!("POST /pins/ipld/{CID}"), vec![format!("pin {CID}")]),
        (
            format!("POST /pins/ipfs/{CID}/a%20b/c"),
            vec![format!("resolve /ipfs/{CID}/a b/c"), format!("pin {RESOLVED}")],
        ),
        (
            format!("POST /pins/ipfs/{CID}/ipfs/bafkqaaa"),
            vec![format!("resolve /ipfs/{CID}/ipfs/bafkqaaa"), format!("pin {RESOLVED}")],
        ),
        (
            "POST /pins/ipns/example.org".to_owned(),
            vec!["resolve /ipns/example.org".to_owned(), format!("pin {RESOLVED}")],
        ),
    ] {
        let answer = server.ask(&line, &[]).await;
        assert_eq!(answer.status, 200, "{line} {answer:?}");
        assert_eq!(server.api.calls(), call, "{line}");
        let pin = answer.json();
        assert_eq!(pin["metadata"], serde_json::json!({}), "a fresh pin has a map");
        assert_eq!((&pin["type"], &pin["max_depth"]), (&"pin".into(), &(-1).into()));
    }
}

#[tokio::test]
async fn unpin_by_cid_and_by_path() {
    let server = TestServer::start().await;
    for line in [format!("DELETE /pins/{CID}"), format!("DELETE /pins/ipfs/{CID}")] {
        let answer = server.ask(&line, &[]).await;
        assert_eq!((answer.status, &answer.json()["cid"]), (200, &CID.into()));
        assert_eq!(server.api.calls(), [format!("unpin {CID} None None")]);
    }
    server.api.fail_with(|| ApiError::Submit(SubmitError::Rejected(Rejection::NotPinned)));
    let missing = server.ask(&format!("DELETE /pins/{CID}"), &[]).await;
    missing.is_error(404, "pin is not part of the pinset");
}

#[tokio::test]
async fn allocations() {
    let server = TestServer::start().await;
    let one = server.ask(&format!("GET /allocations/{CID}"), &[]).await;
    assert_eq!((one.status, &one.json()["cid"]), (200, &CID.into()));
    server.api.calls();
    for (query, bits) in [
        ("", 255),
        ("?filter=all", 255),
        ("?filter=pin", 2),
        ("?filter=meta-pin,shard-pin", 20),
        ("?filter=pin,odd", 3),
    ] {
        assert_eq!(server.ask(&format!("GET /allocations{query}"), &[]).await.status, 204);
        assert_eq!(server.api.calls(), [format!("allocations PinKindFilter({bits})")], "{query}");
    }
    assert_eq!(server.ask("GET /allocations?at-once=true&filter=pin", &[]).await.status, 204);
    assert_eq!(server.api.calls(), ["pinset_at_once PinKindFilter(2)"]);
    server.ask("GET /allocations?filter=odd,strange", &[]).await.is_error(400, "invalid filter value");
    server.api.fail_with(|| ApiError::NotPinned);
    let missing = server.ask(&format!("GET /allocations/{CID}"), &[]).await;
    missing.is_error(404, "pin is not part of the pinset");
}

#[tokio::test]
async fn status_of_one_and_recover() {
    let server = TestServer::start().await;
    for (line, call) in [
        (format!("GET /pins/{CID}"), format!("status {CID} Cluster")),
        (format!("GET /pins/{CID}?local=true"), format!("status {CID} Local")),
        (format!("GET /pins/{CID}?local=1"), format!("status {CID} Cluster")),
        (format!("GET /pins/{CID}?local=TRUE"), format!("status {CID} Cluster")),
        (format!("POST /pins/{CID}/recover"), format!("recover {CID} Cluster")),
        (format!("POST /pins/{CID}/recover?local=true"), format!("recover {CID} Local")),
    ] {
        let answer = server.ask(&line, &[]).await;
        assert_eq!(answer.status, 200, "{line}");
        assert_eq!(answer.json()["peer_map"].as_object().unwrap().len(), 1);
        assert_eq!(server.api.calls(), [call], "{line}");
    }
}

#[tokio::test]
async fn status_of_all_and_recover_all() {
    let server = TestServer::start().await;
    for (line, call) in [
        ("GET /pins", "status_all 0 Cluster"),
        ("GET /pins?local=true&filter=pinned", "status_all 16 Local"),
        ("GET /pins?filter=error,queued", "status_all 1550 Cluster"),
        ("GET /pins?filter=pinned,odd", "status_all 16 Cluster"),
        ("GET /pins?stream-channels=true", "status_all 0 Cluster"),
        ("POST /pins/recover", "recover_all Cluster"),
        ("POST /pins/recover?local=true", "recover_all Local"),
    ] {
        let answer = server.ask(line, &[]).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{line}");
        assert_eq!(server.api.calls(), [call], "{line}");
        server.api.stream_statuses(vec![Ok(vec![status_of(CID.parse().unwrap())])]);
        let answer = server.ask(line, &[]).await;
        assert_eq!((answer.status, &answer.json()["cid"]), (200, &CID.into()), "{line}");
        server.api.calls();
    }
    server.ask("GET /pins?filter=odd", &[]).await.is_error(400, "invalid filter value");
}

#[tokio::test]
async fn what_is_no_cid_or_path_is_a_bad_request() {
    let server = TestServer::start().await;
    for line in [
        "GET /pins/nonsense",
        "POST /pins/nonsense",
        "DELETE /pins/nonsense",
        "POST /pins/nonsense/recover",
        "GET /allocations/nonsense",
        "GET /pins?cids=nonsense",
        "GET /pins/recover",
        "POST /pins/ipfs/recover",
        "POST /pins/ipfs",
        // Not the CID at the end.
        "DELETE /pins/x%2Fipfs%2Fbafkqaaa",
        "GET /pins/x%2Fipfs%2Fbafkqaaa",
    ] {
        let answer = server.ask(line, &[]).await;
        assert_eq!(answer.status, 400, "{line} {answer:?}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("error decoding Cid: "), "{line} {message}");
    }
    for line in
        ["POST /pins/ipfs/nonsense", "DELETE /pins/ipld/nonsense/x", "POST /pins/ipfs/nonsense/ipfs/bafkqaaa"]
    {
        let answer = server.ask(line, &[]).await;
        assert_eq!(answer.status, 400, "{line}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("error parsing path: "), "{line} {message}");
    }
    assert!(server.api.calls().is_empty());
}

/// What fails, with which status and text.
type Case = (fn() -> ApiError, u16, &'static str);

#[tokio::test]
async fn failures_keep_status_and_text() {
    let server = TestServer::start().await;
    let cases: [Case; 8] = [
        (
            || ApiError::FollowerMode,
            500,
            "this peer is configured to be in follower mode. Write operations are disabled",
        ),
        (
            || {
                ApiError::Submit(SubmitError::Rejected(Rejection::NotEnoughPeers {
                    needed: 2,
                    wanted: 3,
                    available: 1,
                }))
            },
            500,
            "not enough peers to allocate CID. Needed at least: 2. Wanted at most: 3. Available candidates: 1. See logs for more info.",
        ),
        (
            || {
                ApiError::Ipfs(IpfsError::Api {
                    path: "resolve".to_owned(),
                    status: 500,
                    message: "no link <named> \"x\"".to_owned(),
                })
            },
            500,
            "IPFS error (resolve). Code: 500. Message: no link <named> \"x\"",
        ),
        (|| ApiError::Unsupported { what: "this" }, 501, "this is not supported by this version"),
        (|| ApiError::Stopping, 503, "the peer is stopping"),
        (
            || ApiError::Submit(SubmitError::Rejected(Rejection::PreconditionFailed)),
            412,
            "the pin is not the one expected: it has changed or does not exist",
        ),
        (
            || ApiError::Submit(SubmitError::Rejected(Rejection::RequestMismatch)),
            422,
            "this idempotency key was used before for another request: use a new one",
        ),
        (|| ApiError::Submit(SubmitError::Busy { cause: "full".to_owned() }), 429, "full"),
    ];
    for (failure, status, message) in cases {
        server.api.fail_with(failure);
        for line in [
            format!("POST /pins/ipfs/{CID}"),
            format!("DELETE /pins/{CID}"),
            format!("GET /allocations/{CID}"),
            "GET /pins".to_owned(),
        ] {
            let answer = server.ask(&line, &[]).await;
            assert_eq!(answer.status, status, "{line}");
            assert_eq!(answer.json()["message"], message, "{line}");
            assert_eq!(answer.header("retry-after"), (status == 429).then_some("1"));
        }
    }
    // Texts are escaped as Go escapes them.
    server.api.fail_with(|| ApiError::Submit(SubmitError::Busy { cause: "<&>".to_owned() }));
    let answer = server.ask(&format!("POST /pins/{CID}"), &[]).await;
    assert_eq!(answer.body, "{\"code\":429,\"message\":\"\\u003c\\u0026\\u003e\"}\n");
}

#[tokio::test]
async fn what_is_not_built_says_so() {
    let server = TestServer::start().await;
    for line in ["POST /add"] {
        let answer = server.ask(line, &[]).await;
        assert_eq!((answer.status, &answer.json()["code"]), (501, &501.into()), "{line}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.ends_with(" is not in this version yet"), "{line} {message}");
    }
}
