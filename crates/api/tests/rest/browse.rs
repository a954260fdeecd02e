//! Pages, searches, totals and events.

use crate::{
    fake_api::{CID, FAILING, RESOLVED},
    server::TestServer,
};
use cluster_core::ports::{browse_api::EventPosition, cluster_api::ApiError};

fn cids(body: &str) -> Vec<String> {
    let object = |line| serde_json::from_str::<serde_json::Value>(line).unwrap();
    body.lines().map(|line| object(line)["cid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_lead_to_each_other() {
    let server = TestServer::start().await;
    for (path, first_call, second_call) in [
        ("/allocations", "search_pins \"\" None 2", "search_pins \"\" Some([1]) 1000"),
        (
            "/pins?local=true",
            "search_statuses \"\" 0 Local None 2",
            "search_statuses \"\" 0 Local Some([1]) 1000",
        ),
    ] {
        let with = if path.contains('?') { '&' } else { '?' };
        let first = server.ask(&format!("GET {path}{with}limit=2"), &[]).await;
        assert_eq!((first.status, cids(&first.body)), (200, vec![CID.to_owned(), RESOLVED.to_owned()]));
        let cursor = first.header("x-next-cursor").unwrap();
        let second = server.ask(&format!("GET {path}{with}cursor={cursor}"), &[]).await;
        assert_eq!((second.status, cids(&second.body)), (200, vec![FAILING.to_owned()]));
        assert_eq!(second.header("x-next-cursor"), None);
        assert_eq!(server.api.calls(), [first_call, second_call]);
        let other = server.ask(&format!("GET {path}{with}name=x&cursor={cursor}"), &[]).await;
        other.is_error(400, "the cursor belongs to another search or filter: begin without one");
    }
    // The status of other peers is another list than that of this one.
    let local = server.ask("GET /pins?local=true&limit=1", &[]).await;
    let cursor = local.header("x-next-cursor").unwrap();
    server
        .ask(&format!("GET /pins?cursor={cursor}"), &[])
        .await
        .is_error(400, "the cursor belongs to another search or filter: begin without one");
}

#[tokio::test]
async fn a_search_without_a_limit_streams_all_pages() {
    let server = TestServer::start().await;
    for (path, calls) in [
        ("/allocations?name=a", ["search_pins \"a\" None 1000", "search_pins \"a\" Some([1]) 1000"]),
        (
            "/pins?name=a&filter=pinned",
            ["search_statuses \"a\" 16 Cluster None 1000", "search_statuses \"a\" 16 Cluster Some([1]) 1000"],
        ),
    ] {
        let all = server.ask(&format!("GET {path}"), &[]).await;
        assert_eq!((all.status, cids(&all.body).len()), (200, 3));
        assert_eq!(all.header("x-next-cursor"), None);
        assert_eq!(server.api.calls(), calls);
    }
    for (query, message) in [
        ("limit=0", "limit must be a number from 1 to 1000"),
        ("order=up", "order must be newest or oldest"),
        ("created-from=x", "created-from must be a time as 2026-01-31T12:00:00Z, not before 1970"),
        ("cursor=x", "the cursor cannot be read: pass it as X-Next-Cursor gave it"),
    ] {
        server.ask(&format!("GET /allocations?{query}"), &[]).await.is_error(400, message);
        server.ask(&format!("GET /pins?{query}"), &[]).await.is_error(400, message);
    }
    assert!(server.api.calls().is_empty());
}

#[tokio::test]
async fn totals_name_what_occurs() {
    let server = TestServer::start().await;
    let totals = server.ask("GET /totals", &[]).await.json();
    assert_eq!(totals["pins"], 7);
    assert_eq!(totals["types"], serde_json::json!({"pin": 5, "meta-pin": 2}));
    assert_eq!(totals["statuses"], serde_json::json!({"pinned": 6, "pin_error": 1}));
    assert_eq!(totals["allocations"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn events_come_as_lines_or_as_server_sent_events() {
    let server = TestServer::start().await;
    let lines = server.ask("GET /events?cursor=0a0b0c0d-6&follow=false", &[]).await;
    assert_eq!((lines.status, lines.header("content-type")), (200, Some("application/json")));
    let all: Vec<serde_json::Value> =
        lines.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let texts: Vec<_> = all
        .iter()
        .map(|event| (event["cursor"].as_str().unwrap(), event["type"].as_str().unwrap()))
        .collect();
    assert_eq!(
        texts,
        [
            ("0a0b0c0d-7-1", "pinned"),
            ("0a0b0c0d-7-2", "status"),
            ("0a0b0c0d-7-3", "unpinned"),
            ("0a0b0c0d-9", "quiet")
        ]
    );
    assert_eq!((all[0]["cid"].as_str(), all[1]["status"].as_str()), (Some(CID), Some("pinned")));
    assert_eq!(all[0]["etag"].as_str().unwrap().len(), 32);
    assert_eq!(lines.trailer("x-stream-error"), ["the peer is stopping"]);

    let sent = server.ask("GET /events", &["Accept: text/event-stream", "Last-Event-ID: 0a0b0c0d-7-2"]).await;
    assert_eq!((sent.status, sent.header("content-type")), (200, Some("text/event-stream")));
    assert!(
        sent.body.starts_with("id: 0a0b0c0d-7-1\nevent: pinned\ndata: {\"cursor\":\"0a0b0c0d-7-1\","),
        "{}",
        sent.body
    );
    assert!(sent.body.ends_with("}\n\nid: 0a0b0c0d-9\n\n"), "{}", sent.body);
    server.ask("GET /events?cursor=oldest", &[]).await;
    server.ask("GET /events", &[]).await;
    assert_eq!(
        server.api.calls(),
        [
            "events After(EventPosition { history: 168496141, batch: 6, index: 18446744073709551615 }) false",
            "events After(EventPosition { history: 168496141, batch: 7, index: 2 }) true",
            "events Oldest true",
            "events Now true",
        ]
    );
    assert_eq!(server.ask("GET /events?cursor=x", &[]).await.status, 400);
    server.api.fail_with(|| ApiError::EventsGone { oldest: EventPosition::end_of(1, 12) });
    let gone = server.ask("GET /events?cursor=00000001-3", &[]).await;
    assert_eq!(gone.status, 410);
    assert!(
        gone.json()["message"].as_str().unwrap().contains("the oldest cursor is 00000001-12;"),
        "{gone:?}"
    );
}
