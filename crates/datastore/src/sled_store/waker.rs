//! Wakes a flush that waits for a write that failed.

use super::failure::{guarded, translate};
use cluster_core::ports::datastore::StoreError;
use sled::Db;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// A thread beside an opened engine. When the write of the buffer in which a batch begins fails, the engine notes the
/// error, but does not wake whoever waits in a flush. Another flush finds the note, and wakes everybody.
pub(super) struct Waker {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Waker {
    /// Starts it.
    pub(super) fn start(tree: &Db, folder: &Path) -> Result<Self, StoreError> {
        let (stop, stopped) = mpsc::channel();
        let (tree, place) = (tree.clone(), folder.to_owned());
        let look = move || {
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                if tree.context.global_error().is_err() {
                    let flush = || tree.flush().map_err(|error| translate(error, "flush", &place));
                    // Its answer is the error that is known.
                    drop(guarded(&place, flush));
                }
            }
        };
        let thread = thread::Builder::new().name("sled-waker".to_owned()).spawn(look);
        let thread = thread.map_err(|error| StoreError::io("start a thread for", folder, error))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        // It ends when this is gone.
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // It catches the panics of the engine; there is nothing else to learn from it.
            let _ = thread.join();
        }
    }
}
