//! `<name> stop`: an orderly end of the peer that runs, whoever started it.

use super::{FollowError, Follower};
use crate::ExecutionLock;
use rustix::process::{Signal, kill_process};
use std::time::{Duration, Instant};

/// How long the peer may take: longer than its own limits add up to.
const LIMIT: Duration = Duration::from_secs(60);

/// Between two looks whether it is gone.
const POLL: Duration = Duration::from_millis(20);

/// What `stop` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopAnswer {
    /// The peer has ended.
    Stopped,
    /// None ran.
    NotRunning,
}

/// Stops the peer and waits for its end. The system knows which process has the lock of the folder, so a file that a
/// crash left names nobody.
///
/// # Errors
/// It is not initialised, it may not be told to stop, or does not end in time.
pub fn stop(follower: &Follower) -> Result<StopAnswer, FollowError> {
    follower.check_initialized()?;
    let holder = || ExecutionLock::holder(follower.base()).map_err(FollowError::Stop);
    let Some(pid) = holder()? else { return Ok(StopAnswer::NotRunning) };
    kill_process(pid, Signal::TERM).map_err(|error| FollowError::Stop(error.into()))?;
    let deadline = Instant::now() + LIMIT;
    while holder()? == Some(pid) {
        if Instant::now() > deadline {
            return Err(FollowError::StillRunning { pid: pid.as_raw_nonzero().get(), limit: LIMIT });
        }
        std::thread::sleep(POLL);
    }
    Ok(StopAnswer::Stopped)
}
