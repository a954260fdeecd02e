//! What runs the tasks of all hosts.

use super::chance::Chance;
use crate::Spawned;
use cluster_core::UnixMillis;
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};

/// When virtual time begins.
const BEGIN: UnixMillis = UnixMillis(1_700_000_000_000);

/// Polls between two moments of virtual time; more means that somebody spins.
const MAX_POLLS: u64 = 1_000_000;

/// One life of a simulated machine. What it ran is gone when it is killed; it starts again as another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(u64);

impl Host {
    /// The world around the machines: never paused or killed, and its clock is right.
    pub const WORLD: Self = Self(0);
}

/// How a host's clocks differ from the world's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostClock {
    /// Milliseconds that the wall clock is ahead.
    pub ahead: i64,
    /// Thousandths by which timers are slow; a fast clock has a negative number.
    pub slow: i32,
}

struct HostState {
    clock: HostClock,
    /// When the clock was set, and how much time had gone by for the machine then.
    since: (Instant, Duration),
    /// Longest delay of what waits for the disk, in milliseconds.
    disk: u64,
    is_paused: bool,
}

type Future_ = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task; without its future while it is polled.
struct Task(Option<Future_>);

type Key = (Host, u64);

#[derive(Default)]
struct Ready {
    keys: BTreeSet<Key>,
    root: Option<Waker>,
}

/// Tasks that were woken. Wakers outlive the simulation, and may be anywhere.
#[derive(Default)]
struct Queue(Mutex<Ready>);

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Ready> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, key: Key) {
        let root = {
            let mut ready = self.lock();
            ready.keys.insert(key);
            ready.root.take()
        };
        if let Some(root) = root {
            root.wake();
        }
    }
}

struct TaskWaker {
    key: Key,
    queue: Arc<Queue>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.queue.push(self.key);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.queue.push(self.key);
    }
}

struct Simulation {
    began: Instant,
    queue: Arc<Queue>,
    chance: RefCell<Chance>,
    tasks: RefCell<BTreeMap<Key, Task>>,
    hosts: RefCell<BTreeMap<Host, HostState>>,
    next: Cell<u64>,
    current: Cell<Host>,
}

thread_local! {
    static CURRENT: RefCell<Option<std::rc::Rc<Simulation>>> = const { RefCell::new(None) };
}

fn current() -> Option<std::rc::Rc<Simulation>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// Returns the simulation; whoever calls what needs one outside of it has made a mistake.
#[allow(clippy::panic)]
#[track_caller]
fn expected() -> std::rc::Rc<Simulation> {
    current().unwrap_or_else(|| panic!("there is no simulation on this thread"))
}

/// Ends the simulation of this thread, also after a panic.
struct Ending;

impl Drop for Ending {
    fn drop(&mut self) {
        let simulation = CURRENT.with(|current| current.borrow().clone());
        if let Some(simulation) = simulation {
            // Whatever is dropped may look for the simulation.
            let tasks = std::mem::take(&mut *simulation.tasks.borrow_mut());
            drop(tasks);
        }
        let taken = CURRENT.with(|current| current.borrow_mut().take());
        drop(taken);
    }
}

impl Simulation {
    fn next(&self) -> u64 {
        self.next.replace(self.next.get() + 1)
    }

    fn spawn(&self, host: Host, future: Future_) {
        let key = (host, self.next());
        self.tasks.borrow_mut().insert(key, Task(Some(future)));
        self.queue.push(key);
    }

    /// Takes a task that can go on, by chance.
    fn pick(&self) -> Option<Key> {
        let hosts = self.hosts.borrow();
        let mut ready = self.queue.lock();
        let can_go_on = |key: &&Key| hosts.get(&key.0).is_none_or(|host| !host.is_paused);
        let count = ready.keys.iter().filter(can_go_on).count();
        let number = self.chance.borrow_mut().below(count as u64) as usize;
        let key = ready.keys.iter().filter(can_go_on).nth(number).copied()?;
        ready.keys.remove(&key);
        Some(key)
    }

    fn poll(&self, key: Key) {
        let future = self.tasks.borrow_mut().get_mut(&key).and_then(|task| task.0.take());
        let Some(mut future) = future else { return };
        let waker = Waker::from(Arc::new(TaskWaker { key, queue: self.queue.clone() }));
        let before = self.current.replace(key.0);
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        let is_over = match self.tasks.borrow_mut().get_mut(&key) {
            Some(task) if polled.is_pending() => {
                task.0 = Some(future);
                None
            }
            _ => Some(future),
        };
        // Outside of any borrow: what is dropped may spawn and wake.
        if is_over.is_some() {
            self.tasks.borrow_mut().remove(&key);
        }
        drop(is_over);
        self.current.set(before);
    }
}

/// Runs a future as a task of the world, with all that it spawns, until it ends. One seed is one course of events.
///
/// # Errors
/// When the runtime of the timers cannot be made.
///
/// # Panics
/// When a task panics, when tasks keep each other busy while time stands still, and when nothing will ever happen again.
pub fn run<F>(seed: u64, main: F) -> std::io::Result<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let output = runtime.block_on(tokio::task::unconstrained(async {
        let simulation = std::rc::Rc::new(Simulation {
            began: Instant::now(),
            queue: Arc::default(),
            chance: RefCell::new(Chance::new(seed)),
            tasks: RefCell::default(),
            hosts: RefCell::default(),
            next: Cell::new(1),
            current: Cell::new(Host::WORLD),
        });
        CURRENT.with(|current| *current.borrow_mut() = Some(simulation.clone()));
        let ending = Ending;
        let (reply, mut answer) = oneshot::channel();
        simulation.spawn(
            Host::WORLD,
            Box::pin(async move {
                // Nobody else waits for it.
                let _ = reply.send(main.await);
            }),
        );
        let mut polls = (Instant::now(), 0);
        let output = std::future::poll_fn(|context| {
            loop {
                if let Ok(output) = answer.try_recv() {
                    return Poll::Ready(output);
                }
                let Some(key) = simulation.pick() else {
                    simulation.queue.lock().root = Some(context.waker().clone());
                    return Poll::Pending;
                };
                if polls.0 != Instant::now() {
                    polls = (Instant::now(), 0);
                }
                polls.1 += 1;
                assert!(polls.1 < MAX_POLLS, "tasks keep each other busy while time stands still");
                simulation.poll(key);
            }
        })
        .await;
        drop(ending);
        output
    }));
    Ok(output)
}

/// Says whether this thread runs a simulation.
pub(crate) fn is_running() -> bool {
    current().is_some()
}

/// Makes a machine; `disk` is the longest time, in milliseconds, that its disk usually takes.
pub fn host(clock: HostClock, disk: u64) -> Host {
    let simulation = expected();
    let host = Host(simulation.next());
    simulation.hosts.borrow_mut().insert(
        host,
        HostState { clock, since: (Instant::now(), simulation.began.elapsed()), disk, is_paused: false },
    );
    host
}

/// Ends all that a machine runs, at once.
pub fn kill(host: Host) {
    let simulation = expected();
    let gone: Vec<Task> = {
        let mut tasks = simulation.tasks.borrow_mut();
        let keys: Vec<Key> = tasks.range((host, 0)..=(host, u64::MAX)).map(|(key, _)| *key).collect();
        keys.iter().filter_map(|key| tasks.remove(key)).collect()
    };
    let before = simulation.current.replace(host);
    drop(gone);
    simulation.current.set(before);
    simulation.hosts.borrow_mut().remove(&host);
    simulation.queue.lock().keys.retain(|key| key.0 != host);
}

/// Stops a machine while time goes on.
pub fn pause(host: Host) {
    if let Some(host) = expected().hosts.borrow_mut().get_mut(&host) {
        host.is_paused = true;
    }
}

/// Lets a paused machine go on.
pub fn resume(host: Host) {
    let simulation = expected();
    if let Some(host) = simulation.hosts.borrow_mut().get_mut(&host) {
        host.is_paused = false;
    }
    let root = simulation.queue.lock().root.take();
    if let Some(root) = root {
        root.wake();
    }
}

/// Sets the clocks of a machine.
pub fn set_clock(host: Host, clock: HostClock) {
    if let Some(host) = expected().hosts.borrow_mut().get_mut(&host) {
        host.since = (Instant::now(), host.elapsed());
        host.clock = clock;
    }
}

/// Spawns a task on a machine; its end brings nothing if the machine is killed before.
pub fn spawn_on<F>(host: Host, future: F) -> Spawned<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let simulation = expected();
    let (reply, answer) = oneshot::channel();
    if host == Host::WORLD || simulation.hosts.borrow().contains_key(&host) {
        simulation.spawn(
            host,
            Box::pin(async move {
                // Whoever spawned it may not care.
                let _ = reply.send(future.await);
            }),
        );
    }
    Spawned::simulated(answer)
}

/// Spawns a task on the machine whose task runs.
pub(crate) fn spawn<F>(future: F) -> Spawned<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_on(expected().current.get(), future)
}

/// Draws how long the disk takes this time.
pub(crate) fn delay() -> Duration {
    let simulation = expected();
    let disk = simulation.hosts.borrow().get(&simulation.current.get()).map_or(0, |host| host.disk);
    let mut chance = simulation.chance.borrow_mut();
    let longest = match chance.below(32) {
        // Now and then something holds it up.
        0 => disk * 8,
        1..16 => disk,
        _ => 0,
    };
    Duration::from_millis(chance.below(longest + 1))
}

/// Draws bytes; `None` outside of a simulation.
pub fn chance_bytes<const LEN: usize>() -> Option<[u8; LEN]> {
    let simulation = current()?;
    let mut chance = simulation.chance.borrow_mut();
    Some(std::array::from_fn(|_| chance.any() as u8))
}

/// Asks about the machine whose task runs; `None` for the world.
fn of_host<T>(simulation: &Simulation, ask: impl FnOnce(&HostState) -> T) -> Option<T> {
    simulation.hosts.borrow().get(&simulation.current.get()).map(ask)
}

/// Reads the wall clock of the machine whose task runs; `None` outside of a simulation.
pub(crate) fn wall_now() -> Option<UnixMillis> {
    let simulation = current()?;
    let now = BEGIN.plus(simulation.began.elapsed());
    let ahead = of_host(&simulation, |host| host.clock.ahead).unwrap_or_default();
    Some(UnixMillis(now.0.saturating_add_signed(ahead)))
}

/// Reads a clock that nobody sets; `None` outside of a simulation.
pub(crate) fn steady_now() -> Option<UnixMillis> {
    Some(BEGIN.plus(host_elapsed()?))
}

/// Returns how much time has gone by for the machine whose task runs: its own clock may be slow or fast. `None` outside of a
/// simulation.
pub fn host_elapsed() -> Option<Duration> {
    let simulation = current()?;
    Some(of_host(&simulation, HostState::elapsed).unwrap_or_else(|| simulation.began.elapsed()))
}

/// Returns when that much time will have gone by for the machine whose task runs.
pub fn host_instant(elapsed: Duration) -> Option<Instant> {
    let simulation = current()?;
    let at = of_host(&simulation, |host| {
        let (since, then) = host.since;
        since + elapsed.saturating_sub(then) * host.rate() / 1000
    });
    Some(at.unwrap_or(simulation.began + elapsed))
}

impl HostState {
    fn elapsed(&self) -> Duration {
        let (since, then) = self.since;
        then + since.elapsed() * 1000 / self.rate()
    }

    /// Thousandths of a second that the machine takes for its own second.
    fn rate(&self) -> u32 {
        1000_u32.saturating_add_signed(self.clock.slow).max(1)
    }
}
