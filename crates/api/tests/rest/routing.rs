//! Rules of the router (api §3.1).

use crate::{
    fake_api::CID,
    server::{TestServer, config},
};
use cluster_api::ConnectionLimits;

#[tokio::test]
async fn unknown_paths_are_404() {
    let server = TestServer::start().await;
    for line in [
        "GET /",
        "GET /nothing",
        "POST /pins/a/b",
        "GET /pins/a/b/c",
        "GET /api/v0/id",
        "GET /allocations/a/b",
        "PATCH /nothing",
        "HEAD /nothing",
        "OPTIONS /nothing",
    ] {
        let answer = server.ask(line, &[]).await;
        if line.starts_with("HEAD") {
            assert_eq!((answer.status, answer.body.as_str()), (404, ""), "{line}");
        } else {
            answer.is_error(404, "not found");
        }
    }
}

#[tokio::test]
async fn other_methods_are_405_with_nothing_in_it() {
    let server = TestServer::start().await;
    for path in
        ["/id", "/version", "/pins", "/allocations", "/health", "/peers", "/token", "/add", "/ipfs/gc"]
    {
        for method in ["PUT", "HEAD", "OPTIONS", "TRACE", "STRANGE"] {
            let answer = server.ask(&format!("{method} {path}"), &[]).await;
            assert_eq!((answer.status, answer.body.as_str()), (405, ""), "{method} {path}");
            assert_eq!(answer.header("content-type"), None);
            let allowed = answer.header("allow").unwrap();
            assert!(!allowed.is_empty() && !allowed.contains("HEAD"), "{method} {path}: {allowed}");
        }
    }
    for line in [
        format!("GET /pins/ipfs/{CID}"),
        format!("GET /pins/{CID}/recover"),
        format!("PUT /pins/{CID}"),
        format!("POST /allocations/{CID}"),
        "GET /pins/ipfs/recover".to_owned(),
        "PUT /pins/recover".to_owned(),
        "GET /peers/x".to_owned(),
    ] {
        assert_eq!(server.ask(&line, &[]).await.status, 405, "{line}");
    }
}

#[tokio::test]
async fn variables_that_begin_like_fixed_words() {
    let server = TestServer::start().await;
    for name in ["recoverx", "recov", "ipfsx", "ip", "ipn", "r"] {
        let answer = server.ask(&format!("GET /pins/{name}"), &[]).await;
        assert_eq!(answer.status, 400, "{name}: it is a CID, if a bad one");
        let answer = server.ask(&format!("POST /pins/{name}/recover"), &[]).await;
        assert_eq!(answer.status, 400, "{name}");
    }
}

#[tokio::test]
async fn slashes_and_dots_are_redirected() {
    let server = TestServer::start().await;
    for (path, status, location) in [
        ("/pins/?local=true&filter=a%20b", 307, "/pins?local=true&filter=a%20b"),
        ("/id/", 307, "/id"),
        ("//pins", 301, "/pins"),
        ("/pins//x?y=1", 301, "/pins/x?y=1"),
        ("/pins/../id", 301, "/id"),
        ("/pins/./x/", 301, "/pins/x/"),
        ("//example.org/", 301, "/example.org/"),
    ] {
        for method in ["GET", "POST"] {
            let answer = server.ask(&format!("{method} {path}"), &[]).await;
            assert_eq!((answer.status, answer.header("location")), (status, Some(location)), "{path}");
        }
    }
}

#[tokio::test]
async fn configured_headers_are_added() {
    let mut config = config();
    config.headers.insert("X-Extra".to_owned(), vec!["a".to_owned(), "b".to_owned()]);
    config.headers.insert("Content-Type".to_owned(), vec!["text/odd".to_owned()]);
    config.headers.insert("bad name".to_owned(), vec!["c".to_owned()]);
    let server = TestServer::with(config, ConnectionLimits::default()).await;
    for line in ["GET /version", "GET /nothing", "GET /health", "GET /pins/bad"] {
        let answer = server.ask(line, &[]).await;
        assert_eq!(answer.all("x-extra"), ["a", "b"], "{line}");
        assert_eq!(answer.all("content-type"), ["text/odd", "application/json"], "{line}");
    }
    assert!(server.ask("PUT /id", &[]).await.all("x-extra").is_empty());
}

#[tokio::test]
async fn the_whole_address_may_stand_in_the_request() {
    let server = TestServer::start().await;
    assert_eq!(server.ask("GET http://other:1234/version?x=y", &[]).await.status, 200);
}
