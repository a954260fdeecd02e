//! Who waits for an outcome: submissions of this peer that are on their way through the log.

use cluster_core::ports::consensus::{Applied, SubmitError};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

type Answer = Result<Applied, SubmitError>;

/// Submissions by the nonce of their entry. As many as there are callers who wait.
#[derive(Debug, Default)]
pub struct Waiters {
    waiting: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
}

impl Waiters {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the entry of this nonce, from now on until the answer or until it is dropped.
    pub(crate) fn register(self: &Arc<Self>, nonce: u64) -> Waiter {
        let (sender, answer) = oneshot::channel();
        self.lock().insert(nonce, sender);
        Waiter { waiters: self.clone(), nonce, answer }
    }

    /// Tells the outcome of an entry to whoever waits for it.
    pub(super) fn answer(&self, nonce: u64, answer: Answer) {
        if let Some(waiter) = self.lock().remove(&nonce) {
            // Whoever waited may have gone.
            let _ = waiter.send(answer);
        }
    }

    /// Says that nobody here will learn the outcomes that are waited for.
    pub(super) fn give_up(&self, cause: &str) {
        let waiting = std::mem::take(&mut *self.lock());
        for waiter in waiting.into_values() {
            let _ = waiter.send(Err(SubmitError::Unknown { cause: cause.to_owned() }));
        }
    }

    /// Counts those who wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }
}

/// Waits for one outcome.
#[derive(Debug)]
pub(crate) struct Waiter {
    waiters: Arc<Waiters>,
    nonce: u64,
    answer: oneshot::Receiver<Answer>,
}

impl Waiter {
    /// Waits for the outcome.
    ///
    /// # Cancel safety
    /// The outcome is there the next time.
    pub(crate) async fn outcome(&mut self) -> Answer {
        let lost = || SubmitError::Unknown { cause: "nobody carries out the log any more".to_owned() };
        (&mut self.answer).await.unwrap_or_else(|_| Err(lost()))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.waiters.lock().remove(&self.nonce);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster_core::ports::consensus::Rejection;

    #[tokio::test]
    async fn each_learns_of_its_own_entry() {
        let waiters = Arc::new(Waiters::default());
        let (mut one, mut two, three) = (waiters.register(1), waiters.register(2), waiters.register(3));
        drop(three);
        assert_eq!(waiters.len(), 2);
        waiters.answer(2, Err(Rejection::NotPinned.into()));
        waiters.answer(7, Err(Rejection::NotPinned.into()));
        assert!(matches!(two.outcome().await, Err(SubmitError::Rejected(Rejection::NotPinned))));
        waiters.give_up("gone");
        assert!(matches!(one.outcome().await, Err(SubmitError::Unknown { .. })));
        assert_eq!(waiters.len(), 0);
    }
}
