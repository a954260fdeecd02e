use super::{Connection, get};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Serves one connection whose answers arrive in writes of `step` bytes.
async fn served(answers: &'static [u8], step: usize) -> Connection {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request = [0; 512];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        for part in answers.chunks(step) {
            stream.write_all(part).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    Connection::open(address, 64).await.unwrap()
}

#[tokio::test]
async fn a_chunked_answer_is_the_same_however_it_is_cut() {
    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Stream-Error\r\n\r\n\
        5\r\nhello\r\n10;x=y\r\n, wide world 123\r\n0\r\nX-Stream-Error: it broke\r\n\r\n";
    for step in 1..answer.len() {
        let mut connection = served(answer, step).await;
        let (status, body) = connection.fetch(&get("/")).await.unwrap();
        assert_eq!((status, body.as_slice()), (200, b"hello, wide world 123".as_slice()), "step {step}");
        assert_eq!(connection.take_stream_error().as_deref(), Some("it broke"));
    }
}

#[tokio::test]
async fn empty_success_and_interim_answers_are_understood() {
    let answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    assert_eq!(served(answer, 7).await.exchange(&get("/")).await.unwrap(), 204);
}

#[tokio::test]
async fn a_torn_answer_is_an_error() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    let error = served(answer, 50).await.exchange(&get("/")).await.unwrap_err();
    assert!(error.to_string().contains("middle of an answer"), "{error}");
}
