//! From the writer's commits to a worker that follows them: a bounded queue that never makes the writer wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

/// Commits that may wait. When one does not fit, the reader is told that it missed something and reads the rows
/// anew.
const QUEUE: usize = 256;

/// How long a reader that was given news is left alone: under load it is woken for several commits at once, since
/// waking a thread costs as much as what it does for one of them. News after a quiet time come at once.
const PACE: Duration = Duration::from_millis(2);

/// The writer's end.
#[derive(Debug)]
pub struct FeedSender<T> {
    queue: mpsc::Sender<Option<T>>,
    missed: Arc<AtomicBool>,
}

/// The reader's end.
#[derive(Debug)]
pub struct Feed<T> {
    queue: mpsc::Receiver<Option<T>>,
    missed: Arc<AtomicBool>,
    rests_until: Instant,
}

/// What a reader has to catch up with.
#[derive(Debug, PartialEq, Eq)]
pub struct News<T> {
    /// What was handed over, in order.
    pub items: Vec<T>,
    /// Something was lost: the rows must be read anew, after the items were looked at.
    pub missed: bool,
}

/// Makes both ends.
pub fn feed<T>() -> (FeedSender<T>, Feed<T>) {
    let (sender, queue) = mpsc::channel(QUEUE);
    let missed = Arc::new(AtomicBool::new(false));
    let feed = Feed { queue, missed: missed.clone(), rests_until: Instant::now() };
    (FeedSender { queue: sender, missed }, feed)
}

impl<T> FeedSender<T> {
    /// Hands over what a commit brought.
    pub fn push(&self, item: T) {
        if self.queue.try_send(Some(item)).is_err() {
            self.lose();
        }
    }

    /// Makes the reader read the rows anew.
    pub fn lose(&self) {
        self.missed.store(true, Ordering::Release);
        // Wakes a reader that waits; one whose queue is full is awake.
        let _ = self.queue.try_send(None);
    }
}

impl<T> Feed<T> {
    /// Waits for news, at least for [`PACE`] after the last ones; `None` when the writer has gone.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<News<T>> {
        if self.rests_until > Instant::now() {
            tokio::time::sleep_until(self.rests_until).await;
        }
        let mut waiting = Vec::new();
        if self.queue.recv_many(&mut waiting, QUEUE).await == 0 {
            return None;
        }
        self.rests_until = Instant::now() + PACE;
        let items = waiting.into_iter().flatten().collect();
        Some(News { items, missed: self.missed.swap(false, Ordering::AcqRel) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_fit_is_told_once() {
        let (sender, mut feed) = feed();
        for n in 0..=QUEUE {
            sender.push(n);
        }
        let news = feed.next().await.unwrap();
        assert_eq!((news.items, news.missed), ((0..QUEUE).collect(), true));
        sender.push(7);
        assert_eq!(feed.next().await, Some(News { items: vec![7], missed: false }));
        sender.lose();
        assert_eq!(feed.next().await, Some(News { items: vec![], missed: true }));
        drop(sender);
        assert_eq!(feed.next().await, None);
    }
}
