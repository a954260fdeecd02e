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

/// Streams what `next` returns, page by page, until it returns `None` or an error. The reading stops when the stream is
/// dropped. Threads are few: none is taken while the reader has not made room for a page.
pub(crate) fn stream<T, F>(mut next: F) -> BoxStream<'static, Result<Vec<T>, ApiError>>
where
    T: Send + 'static,
    F: FnMut() -> Result<Option<Vec<T>>, ApiError> + Send + 'static,
{
    let (sender, pages) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        // Without a reader there is no room either.
        while let Ok(room) = sender.reserve().await {
            let read = tokio::task::spawn_blocking(move || {
                let page = next();
                (next, page)
            });
            let page;
            (next, page) = match read.await {
                Ok(read) => read,
                Err(_) => return room.send(Err(ApiError::Stopping)),
            };
            match page {
                Ok(None) => return,
                Ok(Some(page)) if page.is_empty() => {}
                Ok(Some(page)) => room.send(Ok(page)),
                Err(error) => return room.send(Err(error)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;
    use std::time::Duration;

    const LIMIT: Duration = Duration::from_secs(20);

    fn numbers(count: u32) -> BoxStream<'static, Result<Vec<u32>, ApiError>> {
        let mut left = 0..count;
        stream(move || Ok(left.next().map(|number| if number == 1 { Vec::new() } else { vec![number] })))
    }

    #[test]
    fn readers_that_stop_reading_keep_no_thread() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().max_blocking_threads(1).build().unwrap();
        let reading = async {
            let mut unread: Vec<_> = (0..8).map(|_| numbers(100)).collect();
            for pages in &mut unread {
                assert_eq!(pages.next().await.unwrap().unwrap(), [0]);
            }
            let all: Vec<_> = numbers(4).map(Result::unwrap).collect().await;
            assert_eq!(all, [[0], [2], [3]]);
        };
        let read = runtime.block_on(async { tokio::time::timeout(LIMIT, reading).await });
        // A thread that never ends would be waited for.
        runtime.shutdown_background();
        read.unwrap();
    }

    #[tokio::test]
    async fn an_error_ends_the_stream() {
        let mut calls = 0;
        let pages = stream(move || {
            calls += 1;
            if calls < 3 { Ok(Some(vec![calls])) } else { Err(ApiError::Stopping) }
        });
        let all: Vec<_> = pages.map(Result::ok).collect().await;
        assert_eq!(all, [Some(vec![1]), Some(vec![2]), None]);
    }
}
