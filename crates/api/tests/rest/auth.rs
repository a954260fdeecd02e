//! Basic authentication (api §3.3).

use crate::server::{TestServer, config};
use cluster_api::{ConnectionLimits, Credentials};

const BEARER: &str = "Bearer realm=\"Restricted IPFS Cluster API\"";
const BASIC: &str = "Basic realm=\"Restricted IPFS Cluster API\"";

async fn server() -> TestServer {
    let mut config = config();
    let pairs =
        [("ann", "se:cret"), ("bob", "")].map(|(user, password)| (user.to_owned(), password.to_owned()));
    config.credentials = Some(Credentials::new(pairs));
    TestServer::with(config, ConnectionLimits::default()).await
}

fn basic(pair: &str) -> String {
    format!("Authorization: Basic {}", data_encoding::BASE64.encode(pair.as_bytes()))
}

#[tokio::test]
async fn the_right_pair_passes() {
    let server = server().await;
    assert_eq!(server.ask("GET /version", &[&basic("ann:se:cret")]).await.status, 200);
    let lower = basic("ann:se:cret").replace("Basic", "bAsIc");
    assert_eq!(server.ask("GET /version", &[&lower]).await.status, 200);
}

#[tokio::test]
async fn wrong_pairs_are_denied() {
    let server = server().await;
    for pair in ["ann:wrong", "ann:", ":se:cret", "bob:", "bob:x", "eve:se:cret", ":", "ann:se:cret "] {
        let answer = server.ask("GET /version", &[&basic(pair)]).await;
        answer.is_error(401, "unauthorized: access denied");
        assert_eq!(answer.all("www-authenticate"), [BASIC], "{pair}");
    }
    assert!(server.api.calls().is_empty());
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let server = server().await;
    for header in ["Authorization: Bearer abc.def.ghi", "Authorization: bearer x", "Authorization: Bearer"] {
        let answer = server.ask("POST /pins/bafkqaaa", &[header]).await;
        answer.is_error(401, "unauthorized: invalid token");
        assert_eq!(answer.all("www-authenticate"), [format!("{BEARER}, error=\"invalid_token\"")]);
    }
}

#[tokio::test]
async fn a_token_stands_for_the_password_of_its_user() {
    let server = server().await;
    let token = |answer: crate::raw_client::Answer| {
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        answer.json()["token"].as_str().unwrap().to_owned()
    };
    let first = token(server.ask("POST /token", &[&basic("ann:se:cret")]).await);
    for scheme in ["Bearer", "bearer"] {
        let header = format!("Authorization: {scheme} {first}");
        assert_eq!(server.ask("GET /version", &[&header]).await.status, 200, "{scheme}");
        assert_eq!(token(server.ask("POST /token", &[&header]).await), first);
    }
    for bad in [&first[..first.len() - 1], &format!("{first}A"), "e30.e30."] {
        let answer = server.ask("POST /token", &[&format!("Authorization: Bearer {bad}")]).await;
        answer.is_error(401, "unauthorized: invalid token");
        assert!(!answer.body.contains(bad));
    }
    server.ask("POST /token", &[]).await.is_error(401, "unauthorized: no auth provided");
    server.ask("POST /token", &[&basic("bob:")]).await.is_error(401, "unauthorized: access denied");
}

#[tokio::test]
async fn where_nobody_logs_in_there_are_no_tokens() {
    let server = TestServer::start().await;
    for headers in [vec![], vec!["Authorization: Bearer x"]] {
        server.ask("POST /token", &headers).await.is_error(401, "unauthorized");
    }
}

#[tokio::test]
async fn nothing_and_nonsense_are_no_authentication() {
    let server = server().await;
    let unreadable = "Authorization: Basic %%%";
    let no_colon = basic("ann");
    for headers in [vec![], vec!["Authorization: Digest x"], vec![unreadable], vec![no_colon.as_str()]] {
        for line in ["GET /version", "POST /health", "GET /health/graph", "GET /nothing", "GET /id/"] {
            let answer = server.ask(line, &headers).await;
            answer.is_error(401, "unauthorized: no auth provided");
            assert_eq!(answer.all("www-authenticate"), [BEARER, BASIC]);
        }
    }
}

#[tokio::test]
async fn health_and_options_need_none() {
    let server = server().await;
    assert_eq!(server.ask("GET /health", &[]).await.status, 204);
    assert_eq!(server.ask("GET /health?x=y", &[]).await.status, 204);
    assert_eq!(server.ask("OPTIONS /pins", &[]).await.status, 405);
    let preflight = ["Origin: http://a.example", "Access-Control-Request-Method: GET"];
    assert_eq!(server.ask("OPTIONS /pins", &preflight).await.status, 204);
}
