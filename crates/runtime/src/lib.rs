//! What runs the machines of the core: the thread that drives the pinset's writer, supervised tasks, signals and
//! the clock.

mod clock;
mod feed;
mod pinset;
#[cfg(feature = "simulation")]
pub mod simulation;
mod spawned;
mod stop_signal;
mod tasks;
mod worker_thread;

pub use clock::{now, steady_now};
pub use feed::{Feed, FeedSender, News, feed};
pub use pinset::{Effects, Group, GroupFailed, Pinset, start_pinset};
pub use spawned::{Spawned, TaskGone, blocking, spawn};
pub use stop_signal::StopSignal;
pub use tasks::{OnEnd, Tasks};
pub use worker_thread::WorkerThread;
