//! Tasks, and work that blocks, where the simulator can take them over.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::task::{JoinError, JoinHandle};

/// A task ended without a result: it panicked, or its runtime stopped.
#[derive(Debug, thiserror::Error)]
pub enum TaskGone {
    /// The runtime ended it, or it panicked.
    #[error(transparent)]
    Tokio(#[from] JoinError),
    /// The simulated machine that it ran on is gone.
    #[error("the machine is gone")]
    Killed,
}

impl TaskGone {
    /// Says whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self, Self::Tokio(error) if error.is_panic())
    }
}

/// A task that runs whether or not somebody waits for its result.
#[derive(Debug)]
pub struct Spawned<T>(Running<T>);

#[derive(Debug)]
enum Running<T> {
    Tokio(JoinHandle<T>),
    #[cfg(feature = "simulation")]
    Simulated(tokio::sync::oneshot::Receiver<T>),
}

impl<T> Spawned<T> {
    #[cfg(feature = "simulation")]
    pub(crate) fn simulated(answer: tokio::sync::oneshot::Receiver<T>) -> Self {
        Self(Running::Simulated(answer))
    }
}

impl<T> Future for Spawned<T> {
    type Output = Result<T, TaskGone>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            Running::Tokio(task) => Pin::new(task).poll(context).map_err(TaskGone::from),
            #[cfg(feature = "simulation")]
            Running::Simulated(answer) => Pin::new(answer).poll(context).map_err(|_| TaskGone::Killed),
        }
    }
}

/// Spawns a task on the runtime of the caller.
pub fn spawn<F>(future: F) -> Spawned<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[cfg(feature = "simulation")]
    if crate::simulation::is_running() {
        return crate::simulation::spawn(future);
    }
    Spawned(Running::Tokio(tokio::spawn(future)))
}

/// Runs what blocks on the disk, on a thread for that.
///
/// # Errors
/// When it panics or the runtime stops.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, TaskGone> {
    #[cfg(feature = "simulation")]
    if crate::simulation::is_running() {
        tokio::time::sleep(crate::simulation::delay()).await;
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(TaskGone::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_says_so() {
        assert_eq!(spawn(async { 7 }).await.unwrap(), 7);
        let panicked = spawn(async { panic!("on purpose") }).await;
        assert!(panicked.is_err_and(|gone: TaskGone| gone.is_panic()));
        assert_eq!(blocking(|| 8).await.unwrap(), 8);
    }
}
