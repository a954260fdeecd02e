//! What runs the machines of the core: the thread that drives the pinset's writer, supervised tasks, signals and
//! the clock.

mod clock;
mod pinset;
mod stop_signal;
mod tasks;

pub use clock::now;
pub use pinset::{Effects, Pinset, PinsetThread, SubmitQueueFull};
pub use stop_signal::StopSignal;
pub use tasks::{OnEnd, Tasks};
