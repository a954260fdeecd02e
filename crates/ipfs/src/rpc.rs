//! One call to the daemon: request, status, streamed body, trailers, and a deadline over all of it.

use crate::{
    answer::ErrorAnswer,
    config::{KuboConfig, KuboConfigError},
    endpoint::Route,
    lines::{Lines, MAX_LINE},
    metrics::KuboMetrics,
    throttle::Throttle,
};
use bytes::{Bytes, BytesMut};
use cluster_core::ports::ipfs_connector::IpfsError;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{CONTENT_TYPE, TE},
};
use http_body_util::BodyExt;
use opentelemetry::{
    Context, KeyValue, global,
    trace::{SpanKind, Status, TraceContextExt, Tracer},
};
use opentelemetry_http::HeaderInjector;
use reqwest::Url;
use std::{error::Error, time::Duration};
use tokio::time::Instant;

/// Part of an error's body that is kept, in bytes.
pub(crate) const MAX_ERROR_BODY: usize = 4 * 1024;

/// Largest body of an ordinary call that answers with one object, in bytes.
pub(crate) const MAX_BODY: usize = 1024 * 1024;

/// Longest a TCP handshake may take; a daemon that listens answers far sooner.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The trailer that carries an error which came up after the daemon began to answer.
const STREAM_ERROR: &str = "x-stream-error";

/// When a call is given up, and how that is called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    /// The moment.
    pub(crate) at: Instant,
    after: Duration,
    stall: bool,
}

impl Deadline {
    /// Gives a call that long.
    pub(crate) fn within(after: Duration) -> Self {
        Self { at: later(after), after, stall: false }
    }

    /// Gives a pin that long to show progress.
    pub(crate) fn progress_within(after: Duration) -> Self {
        Self { at: later(after), after, stall: true }
    }

    /// Returns the one of two that comes first.
    pub(crate) fn sooner(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }
}

/// Adds without overflow: a century is as good as "for ever".
fn later(after: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(after).unwrap_or(now + Duration::from_hours(24 * 36_500))
}

/// The HTTP side of the connector.
#[derive(Debug)]
pub(crate) struct Rpc {
    client: reqwest::Client,
    /// Ends in `/api/v0/`. Parsed once: reading the whole address again for each call costs as much as sending it.
    base: Url,
    node: String,
    throttle: Throttle,
    metrics: Option<KuboMetrics>,
}

impl Rpc {
    /// Sets up the client; opens no connection.
    pub(crate) fn new(config: &KuboConfig) -> Result<Self, KuboConfigError> {
        let endpoint = config.endpoint()?;
        // Kubo sends trailers anyway, other servers only to those who ask.
        let headers = HeaderMap::from_iter([(TE, HeaderValue::from_static("trailers"))]);
        let mut client = reqwest::Client::builder()
            .http1_only()
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(config.ipfs_request_timeout))
            .pool_max_idle_per_host(config.max_connections);
        if !endpoint.is_tls() {
            // Reading the system's certificates takes time, and fails on systems that have none.
            client = client.tls_certs_only([]);
        }
        client = match endpoint.route {
            Route::Remote => client,
            Route::Loopback => client.no_proxy(),
            Route::Socket(path) => client.no_proxy().unix_socket(path),
        };
        Ok(Self {
            client: client.build()?,
            base: endpoint.base,
            node: config.node.to_string(),
            throttle: Throttle::new(),
            metrics: None,
        })
    }

    /// Counts requests from now on.
    pub(crate) fn measure(&mut self, metrics: KuboMetrics) {
        self.metrics = Some(metrics);
    }

    /// Sends a call and waits for the head of its answer; an error status becomes the daemon's error. `path` is
    /// everything after `/api/v0/`, arguments included and already encoded.
    pub(crate) async fn open<'a>(
        &'a self,
        path: &'a str,
        deadline: Deadline,
    ) -> Result<Answer<'a>, IpfsError> {
        self.execute(path, deadline, reqwest::Request::new(Method::POST, self.url(path))).await
    }

    /// Sends a call with a body, as [`Rpc::open`]; the answer may begin before the body has ended.
    pub(crate) async fn send<'a>(
        &'a self,
        path: &'a str,
        deadline: Deadline,
        content_type: &str,
        body: reqwest::Body,
    ) -> Result<Answer<'a>, IpfsError> {
        let mut request = reqwest::Request::new(Method::POST, self.url(path));
        let content_type =
            HeaderValue::from_str(content_type).map_err(|error| self.unreachable(path, error.to_string()))?;
        request.headers_mut().insert(CONTENT_TYPE, content_type);
        *request.body_mut() = Some(body);
        self.execute(path, deadline, request).await
    }

    async fn execute<'a>(
        &'a self,
        path: &'a str,
        deadline: Deadline,
        mut request: reqwest::Request,
    ) -> Result<Answer<'a>, IpfsError> {
        let span = traced(path, request.headers_mut());
        let request = async {
            self.throttle.pass().await;
            let began = Instant::now();
            let response = self.client.execute(request).await;
            if let Some(metrics) = &self.metrics {
                let status = response.as_ref().ok().map(|response| response.status().as_u16());
                metrics.answered(status, began.elapsed());
            }
            response
        };
        let response = match tokio::time::timeout_at(deadline.at, request).await {
            // Most of that time may have gone by in the line of those that wait for a daemon that is gone.
            Err(_) => match self.throttle.why() {
                Some(cause) => return Err(self.unreachable(path, cause)),
                None => return Err(self.too_late(path, deadline)),
            },
            Ok(Err(error)) => {
                let cause = cause_of(error);
                self.throttle.failed(&cause);
                span.span().set_status(Status::error(cause.clone()));
                return Err(self.unreachable(path, cause));
            }
            Ok(Ok(response)) => {
                self.throttle.answered();
                response
            }
        };
        let status = response.status();
        let body = http::Response::<reqwest::Body>::from(response).into_body();
        span.span().set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        let mut answer = Answer { rpc: self, path, body, lines: Lines::default(), _span: span };
        if status == StatusCode::OK { Ok(answer) } else { Err(answer.refusal(status, deadline).await) }
    }

    fn url(&self, path: &str) -> Url {
        let (name, query) = path.split_once('?').map_or((path, None), |(name, query)| (name, Some(query)));
        let mut url = self.base.clone();
        url.set_path(&format!("{}{name}", self.base.path()));
        url.set_query(query);
        url
    }

    /// Makes the error of a call that ran into its deadline.
    pub(crate) fn too_late(&self, path: &str, deadline: Deadline) -> IpfsError {
        let (node, path, after) = (self.node.clone(), path.to_owned(), deadline.after);
        if deadline.stall {
            IpfsError::Stalled { node, path, after }
        } else {
            IpfsError::Timeout { node, path, after }
        }
    }

    /// Makes the error for an answer that breaks its promise.
    pub(crate) fn bad_answer(&self, path: &str, cause: impl Into<String>) -> IpfsError {
        IpfsError::BadAnswer { node: self.node.clone(), path: path.to_owned(), cause: cause.into() }
    }

    fn unreachable(&self, path: &str, cause: String) -> IpfsError {
        IpfsError::Unreachable { node: self.node.clone(), path: path.to_owned(), cause }
    }
}

/// Begins a span of a call (api §11.2), which the daemon is told of, too. Nothing where nobody collects traces.
fn traced(path: &str, headers: &mut HeaderMap) -> Context {
    let caller = Context::current();
    let tracer = global::tracer("ipfshttp");
    let span = tracer.span_builder("request").with_kind(SpanKind::Client);
    let context = caller.with_span(tracer.build_with_context(span, &caller));
    if context.span().is_recording() {
        let name = path.split('?').next().unwrap_or_default().to_owned();
        context.span().update_name(format!("ipfs {name}"));
    }
    global::get_text_map_propagator(|format| format.inject_context(&context, &mut HeaderInjector(headers)));
    context
}

/// Says what the transport ran into. The URL is said elsewhere; the chain below reqwest's own words holds what really
/// happened.
fn cause_of(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let text = inner.to_string();
        if !cause.contains(&text) {
            cause.push_str(": ");
            cause.push_str(&text);
        }
        source = inner.source();
    }
    cause
}

/// An answer whose head said 200. Dropping it before the end closes the connection.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    rpc: &'a Rpc,
    path: &'a str,
    body: reqwest::Body,
    lines: Lines,
    /// Ends with the answer.
    _span: Context,
}

impl Answer<'_> {
    /// Waits for the next line; `None` at the proper end of the answer.
    pub(crate) async fn next_line(&mut self, deadline: Deadline) -> Result<Option<Bytes>, IpfsError> {
        loop {
            match self.lines.next_line() {
                Ok(Some(line)) => return Ok(Some(line)),
                Ok(None) => {}
                Err(_) => return Err(self.bad(format!("a line is longer than {MAX_LINE} bytes"))),
            }
            match self.next_piece(deadline).await? {
                Some(piece) => self.lines.push(&piece),
                None => return Ok(self.lines.rest()),
            }
        }
    }

    /// Waits for the end of an answer of at most `limit` bytes.
    pub(crate) async fn whole(mut self, deadline: Deadline, limit: usize) -> Result<Bytes, IpfsError> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.next_piece(deadline).await? {
            if whole.len() + piece.len() > limit {
                return Err(self.bad(format!("it is longer than {limit} bytes")));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// Makes the error for an answer that breaks its promise.
    pub(crate) fn bad(&self, cause: impl Into<String>) -> IpfsError {
        self.rpc.bad_answer(self.path, cause)
    }

    /// Makes the error for a message the daemon put into an answer it had begun.
    pub(crate) fn api(&self, message: String) -> IpfsError {
        IpfsError::Api { path: self.path.to_owned(), status: StatusCode::OK.as_u16(), message }
    }

    async fn next_piece(&mut self, deadline: Deadline) -> Result<Option<Bytes>, IpfsError> {
        loop {
            let frame = match tokio::time::timeout_at(deadline.at, self.body.frame()).await {
                Err(_) => return Err(self.rpc.too_late(self.path, deadline)),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(self.rpc.unreachable(self.path, cause_of(error))),
                Ok(Some(Ok(frame))) => frame,
            };
            match frame.into_data() {
                Ok(piece) => return Ok(Some(piece)),
                Err(other) => {
                    let message = other.trailers_ref().and_then(|t| t.get(STREAM_ERROR));
                    if let Some(message) = message.filter(|m| !m.is_empty()) {
                        return Err(self.api(String::from_utf8_lossy(message.as_bytes()).into_owned()));
                    }
                }
            }
        }
    }

    /// Turns an answer with an error status into an error (api §10.1).
    async fn refusal(&mut self, status: StatusCode, deadline: Deadline) -> IpfsError {
        let mut start = Vec::new();
        while start.len() < MAX_ERROR_BODY {
            match self.next_piece(deadline).await {
                Ok(Some(piece)) => {
                    let room = MAX_ERROR_BODY - start.len();
                    start.extend_from_slice(&piece[..piece.len().min(room)]);
                }
                // What came of the body is worth more than how it ended.
                Ok(None) | Err(_) => break,
            }
        }
        let (path, status) = (self.path.to_owned(), status.as_u16());
        match serde_json::from_slice::<ErrorAnswer>(&start) {
            Ok(ErrorAnswer { message }) => IpfsError::Api { path, status, message },
            Err(_) => {
                let body = String::from_utf8_lossy(&start).trim_end().to_owned();
                IpfsError::Http { path, status, body }
            }
        }
    }
}
