//! A thread of its own for a worker that reads or writes the store, with a runtime for its timers and requests.

use std::{future::Future, io, thread::JoinHandle};
use tokio_util::sync::CancellationToken;

/// A running worker.
#[derive(Debug)]
pub struct WorkerThread {
    /// None where the simulator runs the worker.
    thread: Option<JoinHandle<()>>,
    ended: CancellationToken,
}

impl WorkerThread {
    /// Starts a thread named `name` and runs on it the future that `worker` makes.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start<M, F>(name: &'static str, worker: M) -> io::Result<Self>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        #[cfg(feature = "simulation")]
        if crate::simulation::is_running() {
            return Ok(Self::simulate(worker()));
        }
        Self::run(name, tokio::runtime::Builder::new_current_thread().enable_time().build()?, worker)
    }

    /// As [`WorkerThread::start`], for a worker that also makes requests; waking it costs a little more.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start_with_io<M, F>(name: &'static str, worker: M) -> io::Result<Self>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::run(name, tokio::runtime::Builder::new_current_thread().enable_all().build()?, worker)
    }

    fn run<M, F>(name: &'static str, runtime: tokio::runtime::Runtime, worker: M) -> io::Result<Self>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Dropped also when the worker panics.
            let _guard = guard;
            // As a task: what wakes the future of `block_on` goes through the system even from this very thread.
            if let Err(error) = runtime.block_on(runtime.spawn(worker()))
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        })?;
        Ok(Self { thread: Some(thread), ended })
    }

    #[cfg(feature = "simulation")]
    fn simulate(worker: impl Future<Output = ()> + Send + 'static) -> Self {
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        let worker = crate::simulation::paced(worker);
        drop(crate::spawn(async move {
            let _guard = guard;
            worker.await;
        }));
        Self { thread: None, ended }
    }

    /// Returns the token that tells when the worker has ended, by itself or by a panic.
    pub fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Waits for the thread to end; false when it panicked. Blocks.
    pub fn join(self) -> bool {
        self.thread.is_none_or(|thread| thread.join().is_ok())
    }

    /// Waits for the worker to end; false when it panicked.
    pub async fn wait(self) -> bool {
        self.ended.cancelled().await;
        // The thread itself is over a moment later.
        crate::blocking(|| self.join()).await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_worker_that_panics_has_ended_and_says_so() {
        let worker = WorkerThread::start("test", || async { panic!("on purpose") }).unwrap();
        worker.ended().cancelled().await;
        assert!(!worker.join());
        let worker = WorkerThread::start("test", || async {}).unwrap();
        worker.ended().cancelled().await;
        assert!(worker.join());
    }
}
