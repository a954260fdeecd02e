//! A server that answers from a table and remembers what it was asked.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Response, StatusCode},
};
use http_body::Frame;
use http_body_util::StreamBody;
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

/// An answer; several for one request come in turn, the last for ever.
#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    body: String,
    stream_error: Option<&'static str>,
}

/// One object.
pub(crate) fn ok(body: impl Into<String>) -> Answer {
    Answer { status: 200, body: body.into(), stream_error: None }
}

/// An error object.
pub(crate) fn error(status: u16, message: &str) -> Answer {
    Answer { status, body: format!("{{\"code\":{status},\"message\":\"{message}\"}}\n"), stream_error: None }
}

/// Nothing.
pub(crate) fn empty() -> Answer {
    Answer { status: 204, body: String::new(), stream_error: None }
}

/// Lines, then a trailer.
pub(crate) fn stream(lines: impl Into<String>, error: &'static str) -> Answer {
    Answer { status: 200, body: lines.into(), stream_error: Some(error) }
}

type Table = HashMap<&'static str, Vec<Answer>>;

pub(crate) struct FakeServer {
    pub(crate) host: String,
    asked: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Shared {
    table: Arc<Mutex<Table>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl FakeServer {
    /// Serves `table`, whose keys are method and path.
    pub(crate) async fn start(table: impl IntoIterator<Item = (&'static str, Vec<Answer>)>) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let shared =
            Shared { table: Arc::new(Mutex::new(table.into_iter().collect())), asked: Arc::clone(&asked) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("/ip4/127.0.0.1/tcp/{}", listener.local_addr().unwrap().port());
        let router = Router::new().fallback(answer).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { host, asked }
    }

    /// What was asked so far: method, path, query and, when there is one, the body.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 16).await.unwrap();
    let asked = format!("{} {} {}", head.method, head.uri, String::from_utf8_lossy(&body));
    shared.asked.lock().unwrap().push(asked.trim_end().to_owned());
    let key = format!("{} {}", head.method, head.uri.path());
    let answer = match shared.table.lock().unwrap().get_mut(key.as_str()) {
        Some(answers) if answers.len() > 1 => answers.remove(0),
        Some(answers) => answers[0].clone(),
        None => error(501, "not supported by this version"),
    };
    let body = match answer.stream_error {
        None => Body::from(answer.body),
        Some(text) => {
            let mut trailers = HeaderMap::new();
            trailers.append("x-stream-error", HeaderValue::from_static(""));
            trailers.append("x-stream-error", HeaderValue::from_static(text));
            let frames: Vec<Result<_, Infallible>> =
                vec![Ok(Frame::data(Bytes::from(answer.body))), Ok(Frame::trailers(trailers))];
            Body::new(StreamBody::new(futures_util::stream::iter(frames)))
        }
    };
    Response::builder()
        .status(StatusCode::from_u16(answer.status).unwrap())
        .header("trailer", "X-Stream-Error")
        .body(body)
        .unwrap()
}
