//! Requests from pages of other origins (api §3.4).

use crate::server::{TestServer, config};
use cluster_api::{ConnectionLimits, CorsRules};
use std::time::Duration;

const ORIGIN: &str = "Origin: http://a.example";
const ALL: [&str; 6] = [
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-expose-headers",
    "access-control-allow-credentials",
    "access-control-max-age",
];

async fn with(cors: CorsRules) -> TestServer {
    TestServer::with(cluster_api::RestConfig { cors, ..config() }, ConnectionLimits::default()).await
}

#[tokio::test]
async fn actual_requests_with_the_defaults() {
    let server = TestServer::start().await;
    let get = server.ask("GET /version", &[ORIGIN]).await;
    assert_eq!(get.header("vary"), Some("Origin"));
    assert_eq!(get.header("access-control-allow-origin"), Some("*"));
    assert_eq!(get.header("access-control-allow-credentials"), Some("true"));
    let exposed = "Content-Type, X-Stream-Output, X-Chunked-Output, X-Content-Length";
    assert_eq!(get.header("access-control-expose-headers"), Some(exposed));
    for (line, headers) in [
        ("GET /version", vec![]),
        ("POST /pins/recover", vec![ORIGIN]),
        ("DELETE /pins/x", vec![ORIGIN]),
        ("PUT /id", vec![ORIGIN]),
    ] {
        let answer = server.ask(line, &headers).await;
        assert_eq!(answer.header("vary"), Some("Origin"), "{line}");
        assert!(ALL.iter().all(|name| answer.all(name).is_empty()), "{line} {answer:?}");
    }
    assert_eq!(server.ask("GET /nothing", &[ORIGIN]).await.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn preflights_with_the_defaults() {
    let server = TestServer::start().await;
    let vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
    let get = "Access-Control-Request-Method: GET";
    let answer = server
        .ask(
            "OPTIONS /pins",
            &[ORIGIN, get, "Access-Control-Request-Headers: content-type, X-Requested-With"],
        )
        .await;
    assert_eq!((answer.status, answer.body.as_str(), answer.header("vary")), (204, "", Some(vary)));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("content-type, X-Requested-With"));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.header("access-control-max-age"), None);
    for headers in [
        vec![ORIGIN, "Access-Control-Request-Method: POST"],
        vec![ORIGIN, get, "Access-Control-Request-Headers: authorization"],
        vec![get],
    ] {
        let answer = server.ask("OPTIONS /nothing", &headers).await;
        assert_eq!((answer.status, answer.header("vary")), (204, Some(vary)), "{headers:?}");
        assert!(ALL.iter().all(|name| answer.all(name).is_empty()), "{headers:?} {answer:?}");
    }
}

#[tokio::test]
async fn configured_rules() {
    let server = with(CorsRules {
        allowed_origins: vec!["http://a.example".to_owned(), "https://*.b.example".to_owned()],
        allowed_methods: vec!["GET".to_owned(), "POST".to_owned()],
        allowed_headers: vec!["Authorization".to_owned()],
        exposed_headers: Vec::new(),
        allow_credentials: false,
        max_age: Duration::from_secs(600),
    })
    .await;
    for (origin, allowed) in [
        ("http://a.example", true),
        ("https://x.b.example", true),
        ("https://b.example", false),
        ("http://c.example", false),
        ("http://a.example.evil", false),
    ] {
        let answer = server.ask("GET /version", &[&format!("Origin: {origin}")]).await;
        assert_eq!(answer.header("access-control-allow-origin"), allowed.then_some(origin), "{origin}");
        assert!(answer.all("access-control-allow-credentials").is_empty());
        assert!(answer.all("access-control-expose-headers").is_empty());
    }
    let ask = |headers: &'static str| {
        let server = &server;
        async move { server.ask("OPTIONS /pins", &[ORIGIN, "Access-Control-Request-Method: POST", headers]).await }
    };
    let answer = ask("Access-Control-Request-Headers: authorization").await;
    assert_eq!(answer.header("access-control-max-age"), Some("600"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://a.example"));
    assert!(ask("Access-Control-Request-Headers: x-other").await.all(ALL[0]).is_empty());
}
