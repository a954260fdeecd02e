//! Many seeds on all cores.

use anyhow::Result as Anyhow;
use std::{
    ops::{AddAssign, Range},
    panic::{RefUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// A seed that failed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedSeed {
    /// The seed; playing it again fails again.
    pub seed: u64,
    /// What the oracle objected to, with all causes.
    pub reason: String,
}

/// Plays one seed; a panic of the code under test is a failure like others.
///
/// # Errors
/// The failure.
pub fn try_seed<S>(seed: u64, play: impl Fn(u64) -> Anyhow<S> + RefUnwindSafe) -> Result<S, FailedSeed> {
    match catch_unwind(|| play(seed)) {
        Ok(Ok(summary)) => Ok(summary),
        Ok(Err(error)) => Err(FailedSeed { seed, reason: format!("{error:#}") }),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
            Err(FailedSeed { seed, reason: format!("seed {seed} panics: {text}") })
        }
    }
}

/// Plays seeds on all cores until the first failure; `progress` hears how many are done.
///
/// # Errors
/// The failure with the smallest seed among those that were under way.
pub fn run_many<S: AddAssign + Default + Send>(
    seeds: Range<u64>,
    play: impl Fn(u64) -> Anyhow<S> + RefUnwindSafe + Sync,
    progress: impl Fn(u64) + Sync,
) -> Result<S, FailedSeed> {
    let next = AtomicU64::new(seeds.start);
    let done = AtomicU64::new(0);
    let total = Mutex::new(S::default());
    let failed: Mutex<Option<FailedSeed>> = Mutex::new(None);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    match try_seed(seed, &play) {
                        Ok(summary) => {
                            *total.lock().unwrap_or_else(PoisonError::into_inner) += summary;
                            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                        }
                        Err(failure) => {
                            next.store(seeds.end, Ordering::Relaxed);
                            let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                            if failed.as_ref().is_none_or(|other| failure.seed < other.seed) {
                                *failed = Some(failure);
                            }
                        }
                    }
                }
            });
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(failure) => Err(failure),
        None => Ok(total.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}
