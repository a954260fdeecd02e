//! Streamed answers: one JSON object a line, in constant memory (api §3.2).

use crate::failure::{empty, of_api};
use axum::body::Body;
use bytes::Bytes;
use cluster_core::ports::cluster_api::ApiError;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::StreamBody;
use std::{convert::Infallible, pin::Pin};

/// Trailer that carries what went wrong after the head was sent.
const STREAM_ERROR: HeaderName = HeaderName::from_static("x-stream-error");

/// Answers a stream of pages. Nothing at all is 204; an error before the first item is an error answer; one after
/// it goes into the trailer.
pub(crate) async fn answer<T, S, W>(pages: S, write: W) -> Response<Body>
where
    S: Stream<Item = Result<Vec<T>, ApiError>> + Send + 'static,
    T: Send + 'static,
    W: FnMut(&T, &mut Vec<u8>) + Send + 'static,
{
    let mut pages: Pin<Box<S>> = Box::pin(pages);
    let mut response = loop {
        match pages.next().await {
            None => break empty(StatusCode::NO_CONTENT),
            Some(Err(error)) => break of_api(&error),
            Some(Ok(page)) if page.is_empty() => {}
            Some(Ok(page)) => break streaming(page, pages, write),
        }
    };
    if response.status().is_success() {
        response.headers_mut().insert(header::TRAILER, HeaderValue::from_static("X-Stream-Error"));
    }
    response
}

enum State<S> {
    Pages(S),
    End,
}

fn streaming<T, S, W>(first: Vec<T>, pages: Pin<Box<S>>, mut write: W) -> Response<Body>
where
    S: Stream<Item = Result<Vec<T>, ApiError>> + Send + 'static,
    T: Send + 'static,
    W: FnMut(&T, &mut Vec<u8>) + Send + 'static,
{
    let mut encode = move |page: &[T]| {
        let mut lines = Vec::with_capacity(page.len() * 512);
        page.iter().for_each(|item| write(item, &mut lines));
        Bytes::from(lines)
    };
    let head: Result<Frame<Bytes>, Infallible> = Ok(Frame::data(encode(&first)));
    drop(first);
    let rest = stream::unfold((State::Pages(pages), encode), |(state, mut encode)| async move {
        let State::Pages(mut pages) = state else { return None };
        loop {
            let trailer = match pages.next().await {
                Some(Ok(page)) if page.is_empty() => continue,
                Some(Ok(page)) => {
                    let frame = Frame::data(encode(&page));
                    return Some((Ok(frame), (State::Pages(pages), encode)));
                }
                Some(Err(error)) => {
                    tracing::warn!(target: "restapi", %error, "a streamed answer broke off");
                    let text: String = error.to_string().chars().filter(|c| !c.is_control()).collect();
                    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("failed"))
                }
                None => HeaderValue::from_static(""),
            };
            let trailers: HeaderMap = [(STREAM_ERROR, trailer)].into_iter().collect();
            return Some((Ok(Frame::trailers(trailers)), (State::End, encode)));
        }
    });
    Response::new(Body::new(StreamBody::new(stream::iter([head]).chain(rest))))
}
