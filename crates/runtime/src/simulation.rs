//! Hosts in virtual time: tasks of production code on one thread, in an order that one number decides.
//!
//! Inside [`run`], [`spawn`](crate::spawn()), [`blocking`](crate::blocking), [`WorkerThread`](crate::WorkerThread) and the clocks
//! belong to the simulated host whose task is polled; outside of it they are what they always are. Of the tasks that could go
//! on, chance picks the next one, so every order that threads could bring about may come up, and does again with the same
//! seed. Time stands still while a task can go on, and jumps to the next timer when none can.

mod chance;
mod executor;
mod paced;

pub use executor::{
    Host, HostClock, chance_bytes, host, host_elapsed, host_instant, kill, pause, resume, run, set_clock,
    spawn_on,
};

pub(crate) use executor::{delay, is_running, spawn, steady_now, wall_now};
pub(crate) use paced::paced;
