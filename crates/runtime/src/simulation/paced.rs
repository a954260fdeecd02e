//! A worker on a disk that takes its time.

use super::executor;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::time::Sleep;

/// Lets a worker go on only some time after it was woken: what it is told meanwhile waits, as it does for a thread that
/// writes.
pub(crate) fn paced(worker: impl Future<Output = ()> + Send + 'static) -> impl Future<Output = ()> + Send {
    Paced { worker: Box::pin(worker), pause: None }
}

struct Paced {
    worker: Pin<Box<dyn Future<Output = ()> + Send>>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Future for Paced {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let pause = match &mut self.pause {
            Some(pause) => pause,
            none => none.insert(Box::pin(tokio::time::sleep(executor::delay()))),
        };
        ready!(pause.as_mut().poll(context));
        self.pause = None;
        self.worker.as_mut().poll(context)
    }
}
