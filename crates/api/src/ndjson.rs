//! Streamed answers: one JSON object a line, in constant memory (api §3.2).

use crate::{
    failure::{chain, empty, of_api},
    routes::Reply,
};
use axum::body::Body;
use bytes::Bytes;
use cluster_core::ports::cluster_api::ApiError;
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

/// Trailer that carries what went wrong after the head was sent.
const STREAM_ERROR: HeaderName = HeaderName::from_static("x-stream-error");

/// The same as it is written.
const ANNOUNCED: &str = "X-Stream-Error";

/// Bytes gathered before they are handed on; a frame a line costs three times as much.
const FRAME: usize = 48 * 1024;

/// Errors one answer reports; a stream that goes on failing after them is given up.
const MAX_ERRORS: usize = 16;

/// Answers a stream of pages. Nothing at all is 204; when there are errors and no item, the first error is the
/// answer; otherwise they go into the trailer, and items after an error are still sent.
pub(crate) async fn answer<T, S, W>(mut pages: S, write: W) -> Reply
where
    S: Stream<Item = Result<Vec<T>, ApiError>> + Unpin + Send + 'static,
    T: Send + Unpin + 'static,
    W: FnMut(&T, &mut Vec<u8>) + Send + Unpin + 'static,
{
    let mut errors = Vec::new();
    let first = loop {
        match pages.next().await {
            Some(Ok(page)) if page.is_empty() => {}
            Some(Ok(page)) => break page,
            Some(Err(error)) if errors.len() < MAX_ERRORS => errors.push(error),
            Some(Err(_)) | None => {
                return match errors.first() {
                    Some(error) => of_api(error),
                    None => announced(empty(StatusCode::NO_CONTENT)),
                };
            }
        }
    };
    let errors = errors.iter().map(trailer_value).collect();
    lines(pages, first, write, errors)
}

/// Answers at once with a stream whose first page may be long in coming; what goes wrong is in the trailer.
pub(crate) fn follow<T, S, W>(pages: S, write: W) -> Reply
where
    T: Send + Unpin + 'static,
    S: Stream<Item = Result<Vec<T>, ApiError>> + Unpin + Send + 'static,
    W: FnMut(&T, &mut Vec<u8>) + Send + Unpin + 'static,
{
    lines(pages, Vec::new(), write, Vec::new())
}

fn lines<T, S, W>(pages: S, first: Vec<T>, write: W, errors: Vec<HeaderValue>) -> Reply
where
    T: Send + Unpin + 'static,
    S: Stream<Item = Result<Vec<T>, ApiError>> + Unpin + Send + 'static,
    W: FnMut(&T, &mut Vec<u8>) + Send + Unpin + 'static,
{
    let lines =
        Lines { pages, page: first.into_iter(), write, buffer: Vec::new(), errors, state: State::Pages };
    announced(Response::new(Body::new(lines)))
}

/// Announces the trailer. Over HTTP/1 the HTTP layer leaves that out where no body can follow (204, HTTP/1.0).
fn announced(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(header::TRAILER, HeaderValue::from_static(ANNOUNCED));
    reply
}

/// Writes an error as the value of the trailer: one line, however the error looks.
fn trailer_value(error: &ApiError) -> HeaderValue {
    let text: Vec<u8> = chain(error).bytes().map(|b| if b.is_ascii_control() { b' ' } else { b }).collect();
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("the stream failed"))
}

/// Writes trailers as they stand at the end of a chunked body.
pub(crate) fn trailer_lines(trailers: &HeaderMap) -> Bytes {
    let mut lines = Vec::new();
    for value in trailers.get_all(STREAM_ERROR) {
        for part in [ANNOUNCED.as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            lines.extend_from_slice(part);
        }
    }
    lines.into()
}

/// The body: encodes a frame when the connection asks for one, and never holds more than a page and a frame.
struct Lines<T, S, W> {
    pages: S,
    page: std::vec::IntoIter<T>,
    write: W,
    buffer: Vec<u8>,
    errors: Vec<HeaderValue>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// More pages may come.
    Pages,
    /// All lines are in the buffer or sent; the trailer is not.
    Trailer,
    /// Everything is sent.
    End,
}

impl<T, S, W> Lines<T, S, W>
where
    S: Stream<Item = Result<Vec<T>, ApiError>> + Unpin,
    W: FnMut(&T, &mut Vec<u8>),
{
    /// Encodes until the frame is full, nothing is ready or everything has come.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            for item in self.page.by_ref() {
                if self.buffer.capacity() == 0 {
                    self.buffer.reserve(FRAME + 4096);
                }
                (self.write)(&item, &mut self.buffer);
                if self.buffer.len() >= FRAME {
                    return Poll::Ready(());
                }
            }
            match self.pages.poll_next_unpin(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(page))) => self.page = page.into_iter(),
                Poll::Ready(Some(Err(error))) => {
                    tracing::warn!(target: "restapi", error = %chain(&error), "a streamed answer is incomplete");
                    self.errors.push(trailer_value(&error));
                    if self.errors.len() >= MAX_ERRORS {
                        self.state = State::Trailer;
                        return Poll::Ready(());
                    }
                }
                Poll::Ready(None) => {
                    self.state = State::Trailer;
                    return Poll::Ready(());
                }
            }
        }
    }

    fn trailer(&mut self) -> HeaderMap {
        if self.errors.is_empty() {
            self.errors.push(HeaderValue::from_static(""));
        }
        let mut trailers = HeaderMap::new();
        for value in self.errors.drain(..) {
            trailers.append(STREAM_ERROR, value);
        }
        trailers
    }
}

impl<T, S, W> http_body::Body for Lines<T, S, W>
where
    S: Stream<Item = Result<Vec<T>, ApiError>> + Unpin,
    T: Unpin,
    W: FnMut(&T, &mut Vec<u8>) + Unpin,
{
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.state == State::Pages {
            // What is encoded goes out even when more is to come: the first byte must not wait for a full frame.
            let filled = self.fill(cx);
            if filled.is_pending() && self.buffer.is_empty() {
                return Poll::Pending;
            }
        }
        if !self.buffer.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from(std::mem::take(&mut self.buffer))))));
        }
        match self.state {
            State::Pages | State::Trailer => {
                self.state = State::End;
                let trailer = self.trailer();
                Poll::Ready(Some(Ok(Frame::trailers(trailer))))
            }
            State::End => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::End
    }
}
