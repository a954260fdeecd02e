//! The tracker: what this peer's IPFS daemon has to do, when, and how much of it at once.
//!
//! State lives in the pinset's rows; the machine here holds running jobs and a bounded look-ahead.

mod config;
mod engine;
mod in_flight;
mod job;
mod lanes;

pub use config::{Backoff, TrackerConfig};
pub use engine::{Tracker, TrackerCommand, TrackerEvent};
pub use in_flight::{InFlight, InFlightPin};
pub use job::{Action, Job, JobResult};
