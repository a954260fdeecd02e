//! openraft's tasks, timers and chance, where the simulator can take them over. Outside of a simulation it is tokio.

use cluster_runtime::{Spawned, TaskGone, simulation, spawn};
use openraft::{AsyncRuntime, OptionalSend, TokioRuntime, async_runtime::Instant};
use rand_of_openraft::{SeedableRng as _, rngs::SmallRng};
use std::{
    future::Future,
    ops::{Add, AddAssign, Sub, SubAssign},
    time::Duration,
};
use tokio::time;

/// Runs openraft.
pub struct SimulatedRuntime(TokioRuntime);

impl std::fmt::Debug for SimulatedRuntime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SimulatedRuntime").field(&self.0).finish()
    }
}

/// A moment by the clock of the machine, which may be slow or fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MachineInstant {
    /// So long after the beginning of the simulation.
    Simulated(Duration),
    /// Outside of one.
    Real(time::Instant),
}

impl MachineInstant {
    fn to_tokio(self) -> time::Instant {
        match self {
            Self::Real(at) => at,
            Self::Simulated(at) => simulation::host_instant(at).unwrap_or_else(time::Instant::now),
        }
    }
}

impl Add<Duration> for MachineInstant {
    type Output = Self;
    fn add(self, time: Duration) -> Self {
        match self {
            Self::Simulated(at) => Self::Simulated(at + time),
            Self::Real(at) => Self::Real(at + time),
        }
    }
}

impl Sub<Duration> for MachineInstant {
    type Output = Self;
    fn sub(self, time: Duration) -> Self {
        match self {
            Self::Simulated(at) => Self::Simulated(at.saturating_sub(time)),
            Self::Real(at) => Self::Real(at - time),
        }
    }
}

impl Sub for MachineInstant {
    type Output = Duration;
    fn sub(self, other: Self) -> Duration {
        match (self, other) {
            (Self::Simulated(at), Self::Simulated(other)) => at.saturating_sub(other),
            (Self::Real(at), Self::Real(other)) => at - other,
            _ => Duration::ZERO,
        }
    }
}

impl AddAssign<Duration> for MachineInstant {
    fn add_assign(&mut self, time: Duration) {
        *self = *self + time;
    }
}

impl SubAssign<Duration> for MachineInstant {
    fn sub_assign(&mut self, time: Duration) {
        *self = *self - time;
    }
}

impl Instant for MachineInstant {
    fn now() -> Self {
        simulation::host_elapsed().map_or_else(|| Self::Real(time::Instant::now()), Self::Simulated)
    }
}

impl AsyncRuntime for SimulatedRuntime {
    type JoinError = TaskGone;
    type JoinHandle<T: OptionalSend + 'static> = Spawned<T>;
    type Sleep = time::Sleep;
    type Instant = MachineInstant;
    type TimeoutError = time::error::Elapsed;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = time::Timeout<T>;
    type ThreadLocalRng = SmallRng;

    fn spawn<T>(future: T) -> Spawned<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        spawn(future)
    }

    fn sleep(duration: Duration) -> time::Sleep {
        Self::sleep_until(MachineInstant::now() + duration)
    }

    fn sleep_until(deadline: MachineInstant) -> time::Sleep {
        time::sleep_until(deadline.to_tokio())
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(duration: Duration, future: F) -> time::Timeout<F> {
        Self::timeout_at(MachineInstant::now() + duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(
        deadline: MachineInstant,
        future: F,
    ) -> time::Timeout<F> {
        time::timeout_at(deadline.to_tokio(), future)
    }

    fn is_panic(error: &TaskGone) -> bool {
        error.is_panic()
    }

    fn thread_rng() -> SmallRng {
        SmallRng::seed_from_u64(u64::from_be_bytes(super::chance::bytes()))
    }

    type Mpsc = <TokioRuntime as AsyncRuntime>::Mpsc;
    type Watch = <TokioRuntime as AsyncRuntime>::Watch;
    type Oneshot = <TokioRuntime as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::Mutex<T>;

    fn new(threads: usize) -> Self {
        Self(TokioRuntime::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }
}
