//! Streams of one JSON object per line, read in constant memory.

use crate::{AnswerProblem, BodyFrames, ClientError, Host};
use bytes::{Buf, Bytes, BytesMut};
use cluster_api_types::{Error, json};
use futures_core::Stream;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use std::{
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Longest line or whole body held: a status that names thousands of peers fits.
const MAX_PIECE: usize = 16 << 20;

/// The trailer in which a stream reports that it ended early (api §3.2).
const STREAM_ERROR: &str = "x-stream-error";

/// Objects of a stream, decoded as they arrive. After an error it ends. Use [`Lines::next`], or the
/// [`Stream`] it implements.
pub struct Lines<T> {
    body: Option<BodyFrames>,
    buffer: BytesMut,
    /// Bytes of the buffer known to hold no line end.
    searched: usize,
    host: Host,
    request: String,
    item: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Lines<T> {
    pub(crate) fn new(body: BodyFrames, host: Host, request: String) -> Self {
        Self { body: Some(body), buffer: BytesMut::new(), searched: 0, host, request, item: PhantomData }
    }

    /// Returns the host that answers.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Waits for the next object; `None` at the end.
    ///
    /// # Errors
    /// When the connection fails, the server reports an error at the end, or a line is not the object expected.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Result<T, ClientError>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Cuts the next line off the buffer; at the end of the body what is left counts as one.
    fn take_line(&mut self) -> Option<BytesMut> {
        loop {
            let line = match self.buffer.iter().skip(self.searched).position(|b| *b == b'\n') {
                Some(at) => {
                    let line = self.buffer.split_to(self.searched + at);
                    self.buffer.advance(1);
                    line
                }
                None if self.body.is_none() && !self.buffer.is_empty() => self.buffer.split(),
                None => {
                    self.searched = self.buffer.len();
                    return None;
                }
            };
            self.searched = 0;
            if !line.trim_ascii().is_empty() {
                return Some(line);
            }
        }
    }

    fn end(&mut self, error: ClientError) -> Poll<Option<Result<T, ClientError>>> {
        self.body = None;
        self.buffer.clear();
        Poll::Ready(Some(Err(error)))
    }

    fn problem(&self, problem: AnswerProblem) -> ClientError {
        ClientError::Answer { host: self.host.clone(), request: self.request.clone(), problem }
    }
}

impl<T: DeserializeOwned> Stream for Lines<T> {
    type Item = Result<T, ClientError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(line) = this.take_line() {
                return match json::from_slice(&line) {
                    Ok(item) => Poll::Ready(Some(Ok(item))),
                    Err(error) => {
                        let error = this.problem(AnswerProblem::Json(error.to_string()));
                        this.end(error)
                    }
                };
            }
            let Some(body) = this.body.as_mut() else { return Poll::Ready(None) };
            match ready!(body.as_mut().poll_next(cx)) {
                None => this.body = None,
                Some(Err(source)) => {
                    let host = this.host.clone();
                    return this.end(ClientError::Transport { host, source });
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if this.buffer.len() + data.len() > MAX_PIECE && !data.contains(&b'\n') => {
                        let error = this.problem(AnswerProblem::TooLong { limit: MAX_PIECE });
                        return this.end(error);
                    }
                    Ok(data) => this.buffer.extend_from_slice(&data),
                    Err(frame) => {
                        if let Some(error) = frame.trailers_ref().and_then(stream_error) {
                            return this.end(error.into());
                        }
                    }
                },
            }
        }
    }
}

/// Joins the values that are not empty; a server may send an empty one before the error (api §3.2).
fn stream_error(trailers: &HeaderMap) -> Option<Error> {
    let texts: Vec<String> = trailers
        .get_all(STREAM_ERROR)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .filter(|text| !text.is_empty())
        .collect();
    (!texts.is_empty()).then(|| Error { code: 500, message: texts.join("; ") })
}

/// Reads a whole body of bounded size.
pub(crate) async fn read_whole(
    mut body: BodyFrames,
    host: &Host,
    request: &str,
) -> Result<Bytes, ClientError> {
    let mut whole = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await {
        let frame = frame.map_err(|source| ClientError::Transport { host: host.clone(), source })?;
        if let Ok(data) = frame.into_data() {
            if whole.len() + data.len() > MAX_PIECE {
                return Err(ClientError::Answer {
                    host: host.clone(),
                    request: request.to_owned(),
                    problem: AnswerProblem::TooLong { limit: MAX_PIECE },
                });
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}
