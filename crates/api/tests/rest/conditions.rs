//! `ETag`, `If-Match`, `If-None-Match` and `Idempotency-Key`.

use crate::{
    fake_api::{CID, etag},
    server::TestServer,
};
use cluster_core::ports::consensus::{Precondition, RequestId};

#[tokio::test]
async fn tags_come_with_answers_and_go_back_as_conditions() {
    let server = TestServer::start().await;
    let tag = format!("\"{}\"", etag());
    for line in [format!("GET /allocations/{CID}"), format!("POST /pins/{CID}")] {
        assert_eq!(server.ask(&line, &[]).await.header("etag"), Some(tag.as_str()), "{line}");
    }
    let line = format!("POST /pins/ipfs/{CID}");
    server.ask(&line, &[&format!("If-Match: {tag}"), "Idempotency-Key: k-1"]).await;
    let wish = server.api.wish();
    assert_eq!(wish.precondition, Precondition::IfMatch(etag()));
    assert_eq!(wish.request_id, RequestId::new("k-1"));
    server.ask(&line, &["If-None-Match: *"]).await;
    assert_eq!(server.api.wish().precondition, Precondition::IfAbsent);
    server.ask(&line, &[]).await;
    let wish = server.api.wish();
    assert_eq!((wish.precondition, wish.request_id), (Precondition::None, None));

    server.api.calls();
    server.ask(&format!("DELETE /pins/{CID}"), &[&format!("If-Match: {tag}"), "Idempotency-Key: k-2"]).await;
    let call = format!("unpin {CID} {:?} Some(\"k-2\")", Precondition::IfMatch(etag()));
    assert_eq!(server.api.calls(), [call]);
}

#[tokio::test]
async fn conditions_that_cannot_be_kept_are_refused() {
    let server = TestServer::start().await;
    let long = format!("Idempotency-Key: {}", "k".repeat(256));
    for header in ["If-Match: *", "If-Match: abc", "If-None-Match: \"x\"", "Idempotency-Key:", &long] {
        for line in [format!("POST /pins/{CID}"), format!("DELETE /pins/ipfs/{CID}")] {
            let answer = server.ask(&line, &[header]).await;
            assert_eq!(answer.status, 400, "{line} {header}");
        }
    }
    assert!(server.api.calls().is_empty());
}
