//! The client: one request, tried host by host.

mod browse;
mod health;
mod peers;
mod pins;

pub use browse::{Order, Page, Search};

use crate::{
    AnswerProblem, BodyFrames, ClientBuilder, ClientError, Connector, Credentials, Host, Lines,
    lines::read_whole, percent,
};
use bytes::Bytes;
use cluster_api_types::{Error, json};
use http::{HeaderValue, Method, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// Where a page of a list says how to ask for the next one.
const NEXT_CURSOR: &str = "x-next-cursor";

/// A typed client of the REST API.
///
/// Hosts are tried in their order, moving on only when one cannot be reached or its connection fails before an
/// answer: a request that changes something may then have taken effect already, which is harmless, for pinning,
/// unpinning, adding or removing twice is the same as once.
#[derive(Clone)]
pub struct Client {
    pub(crate) hosts: Vec<Host>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) connector: Arc<dyn Connector>,
    /// Whether reads ask for the latest state.
    pub(crate) is_strong: bool,
}

/// One call: method, path, query and body.
pub(crate) struct Call {
    method: Method,
    target: String,
    body: Bytes,
}

impl Call {
    fn new(method: Method, path: &str) -> Self {
        let mut target = String::with_capacity(path.len() + 16);
        percent::push_path(&mut target, path);
        Self { method, target, body: Bytes::new() }
    }

    fn segment(mut self, text: &str) -> Self {
        percent::push_segment(&mut self.target, text);
        self
    }

    fn query<'a>(mut self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        percent::push_query(&mut self.target, pairs);
        self
    }

    fn json<T: Serialize>(mut self, value: &T) -> Self {
        let mut body = Vec::new();
        // None of the wire structs can fail here; were one to, the server refuses the empty body.
        if json::to_line(value, &mut body).is_ok() {
            self.body = body.into();
        }
        self
    }
}

/// An answer whose head has come, with what errors need to name.
struct Answer {
    host: Host,
    request: String,
    status: StatusCode,
    next_cursor: Option<String>,
    body: BodyFrames,
}

impl Client {
    /// Starts putting a client together that tries `hosts` in their order.
    pub fn builder(hosts: Vec<Host>) -> ClientBuilder {
        ClientBuilder::new(hosts)
    }

    /// Returns a client of one host alone: what a peer says of its own changes means nothing to another.
    #[must_use]
    pub fn only(&self, host: Host) -> Self {
        Self { hosts: vec![host], ..self.clone() }
    }

    /// Calls and reads one object.
    async fn object<T: DeserializeOwned>(&self, call: Call) -> Result<T, ClientError> {
        let answer = self.send(call).await?;
        if answer.status != StatusCode::OK {
            return Err(answer.fail(AnswerProblem::Status(answer.status)));
        }
        let Answer { host, request, body, .. } = answer;
        let bytes = read_whole(body, &host, &request).await?;
        json::from_slice(&bytes).map_err(|e| ClientError::Answer {
            host,
            request,
            problem: AnswerProblem::Json(e.to_string()),
        })
    }

    /// Calls where success has no body.
    async fn nothing(&self, call: Call) -> Result<(), ClientError> {
        self.send(call).await.map(drop)
    }

    /// Calls and reads objects line by line.
    async fn stream<T: DeserializeOwned>(&self, call: Call) -> Result<Lines<T>, ClientError> {
        let answer = self.send(call).await?;
        match answer.status {
            StatusCode::OK | StatusCode::NO_CONTENT => {
                Ok(Lines::new(answer.body, answer.host, answer.request))
            }
            other => Err(answer.fail(AnswerProblem::Status(other))),
        }
    }

    /// Calls and reads one page.
    async fn page<T: DeserializeOwned>(
        &self,
        call: Call,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<T>, ClientError> {
        let limit = limit.to_string();
        let query = [("limit", limit.as_str())].into_iter().chain(cursor.map(|cursor| ("cursor", cursor)));
        let answer = self.send(call.query(query)).await?;
        let mut page = Page { entries: Vec::new(), next: answer.next_cursor };
        let mut lines = Lines::new(answer.body, answer.host, answer.request);
        while let Some(entry) = lines.next().await {
            page.entries.push(entry?);
        }
        Ok(page)
    }

    /// Sends to the hosts in turn until one answers; an error status becomes an error.
    async fn send(&self, call: Call) -> Result<Answer, ClientError> {
        let mut failure = None;
        for host in &self.hosts {
            match self.connector.send(host, self.request(&call)?).await {
                Ok(response) => {
                    let status = response.status();
                    let path = call.target.split('?').next().unwrap_or_default();
                    let next_cursor = response.headers().get(NEXT_CURSOR).and_then(|text| text.to_str().ok());
                    let answer = Answer {
                        host: host.clone(),
                        request: format!("{} {path}", call.method),
                        status,
                        next_cursor: next_cursor.map(str::to_owned),
                        body: response.into_body(),
                    };
                    return if status.as_u16() < 400 { Ok(answer) } else { Err(answer.into_error().await) };
                }
                Err(source) => failure = Some(ClientError::Transport { host: host.clone(), source }),
            }
        }
        // The builder makes no client without hosts.
        Err(failure.unwrap_or_else(|| Error { code: 0, message: "no host to connect to".into() }.into()))
    }

    fn request(&self, call: &Call) -> Result<http::Request<Bytes>, ClientError> {
        let mut target = call.target.clone();
        if self.is_strong && call.method == Method::GET {
            percent::push_query(&mut target, [("consistency", "strong")]);
        }
        let mut request = http::Request::builder()
            .method(call.method.clone())
            .uri(target)
            // Without it an HTTP/1 server drops the trailer in which a stream reports its error.
            .header(header::TE, HeaderValue::from_static("trailers"));
        if let Some(credentials) = &self.credentials {
            request = request.header(header::AUTHORIZATION, credentials.header());
        }
        if !call.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok(request.body(call.body.clone())?)
    }
}

impl Answer {
    fn fail(&self, problem: AnswerProblem) -> ClientError {
        ClientError::Answer { host: self.host.clone(), request: self.request.clone(), problem }
    }

    /// Reads the error object; a body that is none becomes the message.
    async fn into_error(self) -> ClientError {
        let code = i32::from(self.status.as_u16());
        let bytes = match read_whole(self.body, &self.host, &self.request).await {
            Ok(bytes) => bytes,
            Err(error) => return error,
        };
        match json::from_slice::<Error>(&bytes) {
            Ok(error) if error.code != 0 => error.into(),
            Ok(error) if !error.message.is_empty() => Error { code, ..error }.into(),
            _ => {
                let text = String::from_utf8_lossy(&bytes).trim().to_owned();
                let message = if text.is_empty() {
                    self.status.canonical_reason().unwrap_or("").to_owned()
                } else {
                    text
                };
                Error { code, message }.into()
            }
        }
    }
}
