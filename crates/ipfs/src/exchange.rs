//! One request to the daemon and its answer.

use crate::{
    KuboConfig, KuboConfigError,
    answers::Failure,
    config::base_url,
    lines::{Lines, MAX_LINE},
};
use bytes::{Bytes, BytesMut};
use cluster_core::ports::ipfs_connector::IpfsError;
use http_body_util::BodyExt;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// Bytes of an error answer that are read.
const MAX_FAILURE: usize = 4096;

/// Which budget of connections a call uses. Pins may take hours; they must never keep a short call waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Budget {
    Short,
    Long,
}

/// Sends requests, bounded in number and time.
#[derive(Debug)]
pub(crate) struct Exchange {
    client: reqwest::Client,
    base: String,
    node: String,
    short: Arc<Semaphore>,
    long: Arc<Semaphore>,
}

impl Exchange {
    pub(crate) fn new(config: &KuboConfig) -> Result<Self, KuboConfigError> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_secs(10))
            .pool_max_idle_per_host(config.max_connections)
            .build()?;
        let permits = config.max_connections.max(1);
        Ok(Self {
            client,
            base: base_url(&config.node)?,
            node: config.node.to_string(),
            short: Arc::new(Semaphore::new(permits)),
            long: Arc::new(Semaphore::new(permits)),
        })
    }

    /// Sends a request and waits for the head of a good answer, at most until `deadline`.
    pub(crate) async fn send(
        &self,
        path: &'static str,
        query: &[(&str, &str)],
        budget: Budget,
        limit: Duration,
    ) -> Result<Answer, IpfsError> {
        let deadline = Instant::now() + limit;
        let timed_out = || IpfsError::Timeout { path: path.to_owned(), after: limit };
        let semaphore = match budget {
            Budget::Short => &self.short,
            Budget::Long => &self.long,
        };
        let permit =
            timeout_at(deadline, semaphore.clone().acquire_owned()).await.map_err(|_| timed_out())?;
        let permit = permit.map_err(|_| timed_out())?;
        let request = self.client.post(format!("{}{path}", self.base)).query(query).header("TE", "trailers");
        let response = timeout_at(deadline, request.send()).await.map_err(|_| timed_out())?;
        let response = response.map_err(|error| self.unreachable(path, &error))?;
        let status = response.status();
        let body: http::Response<reqwest::Body> = response.into();
        let mut answer = Answer {
            path,
            node: self.node.clone(),
            body: body.into_body(),
            lines: Lines::default(),
            done: false,
            _permit: permit,
        };
        if status.is_success() {
            return Ok(answer);
        }
        let text = timeout_at(deadline, answer.text(MAX_FAILURE)).await.map_err(|_| timed_out())??;
        Err(match serde_json::from_slice::<Failure>(&text) {
            Ok(failure) => {
                IpfsError::Api { path: path.to_owned(), status: status.as_u16(), message: failure.message }
            }
            Err(_) => IpfsError::Http {
                path: path.to_owned(),
                status: status.as_u16(),
                body: String::from_utf8_lossy(&text).trim().to_owned(),
            },
        })
    }

    fn unreachable(&self, path: &str, error: &reqwest::Error) -> IpfsError {
        IpfsError::Unreachable { node: self.node.clone(), path: path.to_owned(), cause: innermost(error) }
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// The answer to a request, while it is being read.
#[derive(Debug)]
pub(crate) struct Answer {
    path: &'static str,
    node: String,
    body: reqwest::Body,
    lines: Lines,
    done: bool,
    _permit: OwnedSemaphorePermit,
}

impl Answer {
    /// Reads the next piece of the body; `None` at its end. An error in the trailer is the daemon's own.
    async fn piece(&mut self) -> Result<Option<Bytes>, IpfsError> {
        loop {
            let frame = match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    return Err(IpfsError::Unreachable {
                        node: self.node.clone(),
                        path: self.path.to_owned(),
                        cause: innermost(&error),
                    });
                }
            };
            match frame.into_data() {
                Ok(data) => return Ok(Some(data)),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    let message =
                        trailers.get("x-stream-error").and_then(|v| v.to_str().ok()).unwrap_or_default();
                    if !message.is_empty() {
                        return Err(self.api(message.to_owned()));
                    }
                }
            }
        }
    }

    /// Makes the error that the daemon reports in the middle of an answer.
    pub(crate) fn api(&self, message: String) -> IpfsError {
        IpfsError::Api { path: self.path.to_owned(), status: 200, message }
    }

    /// Makes the error of an answer that is not what the call promises.
    pub(crate) fn bad(&self, cause: impl Into<String>) -> IpfsError {
        IpfsError::BadAnswer { path: self.path.to_owned(), cause: cause.into() }
    }

    /// Reads the whole body, at most `limit` bytes of it.
    async fn text(&mut self, limit: usize) -> Result<BytesMut, IpfsError> {
        let mut text = BytesMut::new();
        while let Some(piece) = self.piece().await? {
            let room = limit - text.len();
            text.extend_from_slice(&piece[..piece.len().min(room)]);
            if text.len() == limit {
                break;
            }
        }
        Ok(text)
    }

    /// Reads the whole body as one JSON value.
    pub(crate) async fn json<T: serde::de::DeserializeOwned>(mut self) -> Result<T, IpfsError> {
        let text = self.text(MAX_LINE).await?;
        serde_json::from_slice(&text).map_err(|error| self.bad(error.to_string()))
    }

    /// Reads the next JSON object of a stream; `None` at its end.
    pub(crate) async fn object<T: serde::de::DeserializeOwned>(&mut self) -> Result<Option<T>, IpfsError> {
        loop {
            match self.lines.next() {
                Err(_) => return Err(self.bad("an object is longer than 1 MiB")),
                Ok(Some(line)) if line.iter().all(u8::is_ascii_whitespace) => {}
                Ok(Some(line)) => return self.parse(&line).map(Some),
                Ok(None) if self.done => return Ok(None),
                Ok(None) => match self.piece().await? {
                    Some(piece) => self.lines.push(&piece),
                    None => {
                        self.done = true;
                        let rest = self.lines.rest();
                        if !rest.iter().all(u8::is_ascii_whitespace) {
                            return self.parse(&rest).map(Some);
                        }
                    }
                },
            }
        }
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, line: &[u8]) -> Result<T, IpfsError> {
        serde_json::from_slice(line).map_err(|error| self.bad(error.to_string()))
    }
}
