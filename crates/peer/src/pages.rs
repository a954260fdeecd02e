//! Streams of pages that are read on threads that may block.

use cluster_core::ports::{BoxStream, cluster_api::ApiError};
use futures_core::Stream;
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio::sync::mpsc;

/// Pages read ahead of a slow reader.
const AHEAD: usize = 1;

/// Streams what `next` returns, page by page, until it returns an empty page or an error. The reading stops when
/// the stream is dropped.
pub(crate) fn stream<T, F>(mut next: F) -> BoxStream<'static, Result<Vec<T>, ApiError>>
where
    T: Send + 'static,
    F: FnMut() -> Result<Option<Vec<T>>, ApiError> + Send + 'static,
{
    let (sender, pages) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        loop {
            match next() {
                Ok(None) => return,
                Ok(Some(page)) if page.is_empty() => {}
                Ok(Some(page)) => {
                    if sender.blocking_send(Ok(page)).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    // A reader that went does not want the error either.
                    let _ = sender.blocking_send(Err(error));
                    return;
                }
            }
        }
    });
    Box::pin(Pages(pages))
}

struct Pages<T>(mpsc::Receiver<Result<Vec<T>, ApiError>>);

impl<T> Stream for Pages<T> {
    type Item = Result<Vec<T>, ApiError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}
