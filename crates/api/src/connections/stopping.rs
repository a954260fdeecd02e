//! Tells what serves connections that the server stops.

use tokio::sync::watch;

/// Sees whether the server stops. Requests whose answers last until the client has enough carry one.
#[derive(Debug, Clone)]
pub(crate) struct Stopping(watch::Receiver<bool>);

/// Tells all that see it; so does dropping it.
#[derive(Debug)]
pub(crate) struct Stop(watch::Sender<bool>);

impl Stop {
    /// Tells that the server stops.
    pub(crate) fn begin(&self) {
        self.0.send_replace(true);
    }
}

impl Stopping {
    /// Makes one and what tells it.
    pub(crate) fn new() -> (Stop, Self) {
        let (stop, stopping) = watch::channel(false);
        (Stop(stop), Self(stopping))
    }

    /// Waits until the server stops.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn begun(&mut self) {
        // An error says that the server itself is gone.
        let _ = self.0.wait_for(|stops| *stops).await;
    }
}
