//! The client against bare sockets: failover, errors, streams and their trailers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::{AnswerProblem, Client, ClientError, Credentials, Host, PeerId, Scope};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, UnixListener},
    sync::mpsc,
};

/// Answers every connection with the same bytes, closes it, and reports the request.
async fn serve(answer: &'static str) -> (Host, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = Host::Tcp(listener.local_addr().unwrap());
    let (heads, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            answer_one(socket, answer, &heads).await;
        }
    });
    (host, received)
}

async fn answer_one<S: AsyncReadExt + AsyncWriteExt + Unpin>(
    mut socket: S,
    answer: &str,
    heads: &mpsc::UnboundedSender<String>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let length = String::from_utf8_lossy(&head)
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.unwrap();
    head.append(&mut body);
    socket.write_all(answer.as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    let _ = heads.send(String::from_utf8(head).unwrap());
}

/// A port that is taken but does not listen: connections to it are refused for as long as the test runs.
fn dead_host() -> Host {
    let socket = Box::leak(Box::new(TcpSocket::new_v4().unwrap()));
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    Host::Tcp(socket.local_addr().unwrap())
}

async fn client(hosts: Vec<Host>) -> Client {
    Client::builder(hosts).timeout(Duration::from_secs(20)).build().await.unwrap()
}

const VERSION: &str = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"version\":\"1.1.6\"}\n";

#[tokio::test]
async fn dead_hosts_are_passed_over_and_the_request_is_complete() {
    let (host, mut heads) = serve(VERSION).await;
    let client = Client::builder(vec![dead_host(), host])
        .credentials(Credentials::basic("user", "pass"))
        .build()
        .await
        .unwrap();
    assert_eq!(client.version().await.unwrap().version, "1.1.6");
    let head = heads.recv().await.unwrap().to_lowercase();
    assert!(head.starts_with("get /version http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nte: trailers\r\n"), "{head}");
    assert!(head.contains("\r\nauthorization: basic dxnlcjpwyxnz\r\n"), "{head}");
}

#[tokio::test]
async fn all_dead_names_the_last_host_and_has_code_zero() {
    let last = dead_host();
    let error = client(vec![dead_host(), last.clone()]).await.id().await.unwrap_err();
    assert_eq!(error.code(), 0);
    let text = error.to_string();
    assert!(text.starts_with(&last.to_string()) && text.contains("refused"), "{text}");
}

#[tokio::test]
async fn an_error_status_is_not_failed_over() {
    let body =
        "HTTP/1.1 404 Not Found\r\nContent-Length: 37\r\n\r\n{\"code\":404,\"message\":\"not so found\"}";
    let (first, _heads) = serve(body).await;
    let (second, mut unused) = serve(VERSION).await;
    let error = client(vec![first, second]).await.version().await.unwrap_err();
    let ClientError::Server(object) = error else { panic!("{error}") };
    assert_eq!((object.code, object.message.as_str()), (404, "not so found"));
    assert!(unused.try_recv().is_err());
}

#[tokio::test]
async fn a_raw_error_body_becomes_the_message() {
    let (host, _heads) = serve("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\noops\n").await;
    let error = client(vec![host]).await.version().await.unwrap_err();
    assert_eq!((error.code(), error.to_object().message.as_str()), (502, "oops"));
}

async fn cids(answer: &'static str) -> (Vec<String>, Option<ClientError>) {
    let (host, _heads) = serve(answer).await;
    let mut lines = client(vec![host]).await.status_all("", Scope::Cluster).await.unwrap();
    let mut seen = Vec::new();
    while let Some(item) = lines.next().await {
        match item {
            Ok(info) => seen.push(info.cid.to_string()),
            Err(error) => {
                assert!(lines.next().await.is_none(), "a stream goes on after its error");
                return (seen, Some(error));
            }
        }
    }
    (seen, None)
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Stream-Error\r\n\r\n";

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

#[tokio::test]
async fn lines_may_be_cut_anywhere_and_the_last_needs_no_end() {
    let (seen, error) = cids(leak(format!(
        "{HEAD}8\r\n{{\"cid\":\"\r\n5\r\na\"}}\n\n\r\nb\r\n{{\"cid\":\"b\"}}\r\n0\r\nX-Stream-Error: \r\n\r\n"
    )))
    .await;
    assert_eq!(seen, ["a", "b"]);
    assert!(error.is_none(), "{error:?}");
}

#[tokio::test]
async fn a_trailer_error_comes_after_the_items() {
    let (seen, error) = cids(leak(format!(
        "{HEAD}c\r\n{{\"cid\":\"a\"}}\n\r\n0\r\nX-Stream-Error: \r\nX-Stream-Error: boom\r\n\r\n"
    )))
    .await;
    assert_eq!(seen, ["a"]);
    let object = error.unwrap().to_object();
    assert_eq!((object.code, object.message.as_str()), (500, "boom"));
}

#[tokio::test]
async fn a_broken_stream_is_an_error_not_an_end() {
    let (seen, error) = cids(leak(format!("{HEAD}c\r\n{{\"cid\":\"a\"}}\n\r\n40\r\n{{\"ci"))).await;
    assert_eq!(seen, ["a"]);
    assert!(matches!(error, Some(ClientError::Transport { .. })), "{error:?}");
}

#[tokio::test]
async fn empty_lists_and_wrong_answers() {
    assert!(cids("HTTP/1.1 204 No Content\r\n\r\n").await.0.is_empty());
    let (host, _heads) = serve("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await;
    let error = client(vec![host]).await.allocations("all").await.err().unwrap();
    assert!(
        matches!(error, ClientError::Answer { problem: AnswerProblem::Status(s), .. } if s == 202),
        "{error}"
    );
    let (_, error) = cids(leak(format!("{HEAD}5\r\nnope\n\r\n0\r\n\r\n"))).await;
    assert!(matches!(error, Some(ClientError::Answer { problem: AnswerProblem::Json(_), .. })));
}

const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\n\r\n";

fn peer() -> PeerId {
    "12D3KooWRmuMWTCRDPJgU6Lhgovh16Mc6pUAeynoz9uii3NSraDu".parse().unwrap()
}

#[tokio::test]
async fn a_peer_is_added_with_a_body_that_is_sent_to_every_host() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"id\":\"new\"}";
    let (host, mut requests) = serve(answer).await;
    let client = client(vec![dead_host(), host]).await;
    assert_eq!(client.add_peer(&peer(), &[]).await.unwrap().id.as_str(), "new");
    let request = requests.recv().await.unwrap();
    assert!(request.starts_with("POST /peers HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("\r\ncontent-type: application/json\r\n"), "{request}");
    assert!(request.ends_with(&format!("\r\n\r\n{{\"peer_id\":\"{}\"}}\n", peer())), "{request}");

    let address = "/ip4/192.0.2.1/tcp/9096".parse().unwrap();
    client.add_peer(&peer(), &[address]).await.unwrap();
    let request = requests.recv().await.unwrap();
    assert!(request.ends_with(",\"addresses\":[\"/ip4/192.0.2.1/tcp/9096\"]}\n"), "{request}");
}

#[tokio::test]
async fn a_peer_is_removed_and_perhaps_forgotten() {
    let (host, mut requests) = serve(NO_CONTENT).await;
    let client = client(vec![host]).await;
    for (forget, query) in [(false, ""), (true, "?forget=true")] {
        client.remove_peer(&peer(), forget).await.unwrap();
        let request = requests.recv().await.unwrap();
        assert!(request.starts_with(&format!("DELETE /peers/{}{query} HTTP/1.1\r\n", peer())), "{request}");
        assert!(!request.to_lowercase().contains("content-type"), "{request}");
    }
}

async fn client_of(body: &str) -> Client {
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (host, _) = serve(leak(answer)).await;
    client(vec![host]).await
}

#[tokio::test]
async fn null_is_nothing_and_what_is_missing_is_empty() {
    let nothing = client_of("null\n").await;
    assert_eq!(nothing.graph().await.unwrap(), Default::default());
    assert_eq!(nothing.collect_garbage(Scope::Local).await.unwrap(), Default::default());
    assert!(nothing.alerts().await.unwrap().is_empty() && nothing.metrics("x").await.unwrap().is_empty());
    assert!(nothing.metric_names().await.unwrap().is_empty());

    let graph = client_of(r#"{"cluster_id":"a","cluster_links":{"a":null},"ipfs_links":null,"new":1}"#).await;
    let graph = graph.graph().await.unwrap();
    assert_eq!((graph.cluster_id.as_str(), graph.ipfs_links), ("a", None));
    assert_eq!(graph.cluster_links.unwrap()["a"], None);
    let metrics =
        client_of(r#"[{"name":"ping","weight":-1,"new":{}},{}]"#).await.metrics("ping").await.unwrap();
    assert_eq!((metrics[0].weight, metrics[1].name.as_str()), (-1, ""));
    let alerts =
        client_of(r#"[{"name":"ping","new":null,"triggered_at":null}]"#).await.alerts().await.unwrap();
    assert!(alerts[0].metric.name == "ping" && alerts[0].triggered_at.is_zero());
    let gc =
        client_of(r#"{"peer_map":{"a":{"keys":null},"b":{"keys":[{"key":null,"error":"e"},{}]}}}"#).await;
    let gc = gc.collect_garbage(Scope::Cluster).await.unwrap().peer_map.unwrap();
    assert_eq!((gc["a"].keys.as_ref(), gc["b"].keys.as_ref().unwrap().len()), (None, 2));
}

#[tokio::test]
async fn names_of_metrics_are_one_segment() {
    let (host, mut requests) = serve("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]").await;
    client(vec![host]).await.metrics("tag:a/b c").await.unwrap();
    let request = requests.recv().await.unwrap();
    assert!(request.starts_with("GET /monitor/metrics/tag%3Aa%2Fb%20c HTTP/1.1\r\n"), "{request}");
}

#[tokio::test]
async fn a_unix_socket_is_a_host() {
    let folder = std::env::temp_dir().join(format!("cluster-client-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("api.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (heads, mut received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        answer_one(socket, VERSION, &heads).await;
    });
    let host = Host::parse(&format!("/unix{}", path.display())).unwrap();
    assert_eq!(client(vec![host]).await.version().await.unwrap().version, "1.1.6");
    assert!(received.recv().await.is_some());
    std::fs::remove_dir_all(folder).unwrap();
}
