//! The client against bare sockets: failover, errors, streams and their trailers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::{AnswerProblem, Client, ClientError, Credentials, Host, Scope};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, UnixListener},
    sync::mpsc,
};

/// Answers every connection with the same bytes, closes it, and reports the request's head.
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
