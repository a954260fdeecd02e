//! Performs what the tracker's machine decides: calls the IPFS daemon and hands results to the writer.

use crate::Informers;
use cluster_core::{
    PinKey, TrackerStatus,
    pinset::{
        TrackedState, TrackerInput, TrackerOutcome, TrackerSignal,
        counters::{Counter, Counters},
        read,
    },
    ports::{
        BoxFuture, Datastore, IpfsConnector,
        datastore::{Snapshot, StoreError},
        ipfs_connector::{PinProgress, PinRequest},
    },
    tracker::{
        Action, InFlight, InFlightPin, Job, JobResult, Tracker, TrackerCommand, TrackerConfig, TrackerEvent,
    },
};
use cluster_runtime::{Feed, Pinset, WorkerThread, now};
use opentelemetry::{
    Context, KeyValue, global,
    trace::{FutureExt, Span, Status, TraceContextExt, Tracer},
};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::task::JoinError;
use tokio_util::{sync::CancellationToken, task::JoinMap};

/// How often the clock is looked at for retries and checks.
const TICK: Duration = Duration::from_secs(1);

/// How long transitions wait for a place in the writer's full queue before they are offered again.
const OFFER_AGAIN: Duration = Duration::from_millis(10);

/// The writer, as far as the tracker needs it.
pub trait TrackerPort: Send + Sync + 'static {
    /// Hands in a transition and waits until it is durable or dropped.
    fn transition(&self, input: TrackerInput) -> BoxFuture<'static, TrackerOutcome>;

    /// Hands in a transition without waiting. A signal tells what the row says then; when the store fails, everything
    /// is told anew.
    ///
    /// # Errors
    /// The transition, when the writer's queue is full.
    fn try_transition(&self, input: TrackerInput) -> Result<(), TrackerInput>;
}

impl<I: Send + 'static> TrackerPort for Pinset<I> {
    fn transition(&self, input: TrackerInput) -> BoxFuture<'static, TrackerOutcome> {
        let pinset = self.clone();
        Box::pin(async move { pinset.transition(input).await })
    }

    fn try_transition(&self, input: TrackerInput) -> Result<(), TrackerInput> {
        self.try_transition(input)
    }
}

/// What the tracker works with.
pub struct TrackerParts {
    /// Where the rows are.
    pub store: Arc<dyn Datastore>,
    /// The IPFS daemon.
    pub ipfs: Arc<dyn IpfsConnector>,
    /// The writer.
    pub port: Arc<dyn TrackerPort>,
    /// Where the running requests are told.
    pub in_flight: InFlight,
    /// Told of the start and the end of each pin.
    pub informers: Informers,
}

/// Runs the tracker's machine.
pub struct TrackerWorker {
    tracker: Tracker,
    store: Arc<dyn Datastore>,
    jobs: Jobs,
    /// Told to the machine in order, as soon as the store can be read.
    events: VecDeque<TrackerEvent>,
    /// The store failed, and the rows were not looked at anew since.
    failing: bool,
}

impl TrackerWorker {
    /// Starts the worker on a thread of its own, since it reads the store. Requests to the daemon run on that thread
    /// as well: passing each between threads costs more than making it.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(
        config: TrackerConfig,
        parts: TrackerParts,
        commits: Feed<Vec<TrackerSignal>>,
        stop: CancellationToken,
    ) -> std::io::Result<WorkerThread> {
        let worker = Self {
            tracker: Tracker::new(config),
            store: parts.store.clone(),
            jobs: Jobs::new(parts),
            events: VecDeque::new(),
            failing: false,
        };
        WorkerThread::start_with_io("tracker", move || worker.run(commits, stop))
    }

    async fn run(mut self, mut commits: Feed<Vec<TrackerSignal>>, stop: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                news = commits.next() => match news {
                    Some(news) => {
                        self.events.extend(news.items.into_iter().flatten().map(TrackerEvent::Signal));
                        self.events.extend(news.missed.then_some(TrackerEvent::Resync));
                    }
                    None => break,
                },
                Some(ended) = self.jobs.running.join_next() => {
                    self.events.push_back(finished(ended));
                    let others = std::iter::from_fn(|| self.jobs.running.try_join_next());
                    self.events.extend(others.map(finished));
                }
                () = tokio::time::sleep(OFFER_AGAIN), if !self.jobs.outbox.is_empty() => {}
                // What waits for the store waits without more of it.
                _ = tick.tick(), if self.events.is_empty() => {
                    self.events.extend(self.failing.then_some(TrackerEvent::Resync));
                    self.events.push_back(TrackerEvent::Tick { pinned: self.pinned() });
                }
                () = tokio::time::sleep(TICK), if !self.events.is_empty() => {}
            }
            if let Err(error) = self.handle()
                && !std::mem::replace(&mut self.failing, true)
            {
                tracing::error!(target: "pintracker", %error, "cannot read the store; trying again");
            }
            self.jobs.offer();
        }
        self.jobs.give_up();
    }

    fn pinned(&self) -> u64 {
        let pinned = Counter::State(TrackedState::Pinned);
        // Without the number nothing is checked until the next look.
        self.store.snapshot().and_then(|s| Counters::read(&*s, pinned)).unwrap_or(0)
    }

    /// Tells the machine what happened and performs what it wants. Nothing that happened is lost when the store fails.
    fn handle(&mut self) -> Result<(), StoreError> {
        let view = self.store.snapshot()?;
        let mut result = Ok(());
        while let Some(event) = self.events.pop_front() {
            let is_resync = matches!(event, TrackerEvent::Resync);
            let finished = match &event {
                TrackerEvent::Finished { key, revision, .. } => Some((key.clone(), *revision)),
                TrackerEvent::Signal(TrackerSignal { key, .. }) => {
                    self.jobs.settled(key);
                    None
                }
                TrackerEvent::Resync => {
                    self.jobs.all_settled();
                    None
                }
                TrackerEvent::Tick { .. } => None,
            };
            let mut commands = Vec::new();
            let handled = self.tracker.handle(event, now(), &*view, &mut commands);
            // A request whose result is on the way to the writer still counts as running, so that no status
            // falls back to queued in between.
            if let Some((key, revision)) = finished
                && !commands.iter().any(|c| matches!(c, TrackerCommand::Transition(_)))
            {
                self.jobs.in_flight.end(&key, revision);
            }
            for command in commands {
                match command {
                    TrackerCommand::Start(job) => self.jobs.start(job, &*view),
                    TrackerCommand::Cancel { key, revision } => {
                        self.jobs.running.abort(&(key, revision));
                    }
                    TrackerCommand::Transition(input) => self.jobs.transition(input),
                }
            }
            self.failing &= !(is_resync && handled.is_ok());
            result = result.and(handled);
        }
        result
    }
}

/// The requests that run now.
struct Jobs {
    ipfs: Arc<dyn IpfsConnector>,
    port: Arc<dyn TrackerPort>,
    in_flight: InFlight,
    informers: Informers,
    /// By the pin and the revision that the request is made for.
    running: JoinMap<(PinKey, u64), JobResult>,
    /// Transitions for the writer. The machine bounds them.
    outbox: VecDeque<TrackerInput>,
    /// Transitions on the way to the writer, with the revision of the request that brought each.
    settling: HashMap<PinKey, u64>,
}

impl Jobs {
    fn new(parts: TrackerParts) -> Self {
        let TrackerParts { ipfs, port, in_flight, informers, .. } = parts;
        Self {
            ipfs,
            port,
            in_flight,
            informers,
            running: JoinMap::new(),
            outbox: VecDeque::new(),
            settling: HashMap::new(),
        }
    }

    fn start(&mut self, job: Job, view: &dyn Snapshot) {
        let pin = read::pin(view, &job.key).map(|found| found.map(|(pin, _)| pin));
        if job.action != Action::Check {
            let request = InFlightPin {
                action: job.action,
                revision: job.revision,
                since: now(),
                progress: PinProgress::default(),
            };
            self.in_flight.start(job.key.clone(), request);
        }
        tracing::debug!(target: "pintracker", cid = %job.key, action = ?job.action, attempt = job.attempts + 1, "starting");
        let (ipfs, in_flight, informers) =
            (self.ipfs.clone(), self.in_flight.clone(), self.informers.clone());
        let (place, traced) = ((job.key.clone(), job.revision), traced(&job));
        let span = traced.clone();
        let work = async move {
            let result = match pin {
                Ok(pin) => perform(&*ipfs, &job, pin, &in_flight, &informers).await,
                Err(error) => JobResult::Failed(error.to_string()),
            };
            if let JobResult::Failed(error) = &result {
                span.span().set_status(Status::error(error.clone()));
            }
            result
        };
        self.running.spawn(place, work.with_context(traced));
    }

    fn transition(&mut self, input: TrackerInput) {
        self.settling.insert(input.key().clone(), input.revision().unwrap_or_default());
        self.outbox.push_back(input);
    }

    /// Hands over to the writer what its queue has room for: the worker never waits for another's queue.
    fn offer(&mut self) {
        while let Some(input) = self.outbox.pop_front() {
            if let Err(input) = self.port.try_transition(input) {
                return self.outbox.push_front(input);
            }
        }
    }

    /// Notes that the row of a pin is durable, whatever it says: its request counts as running no longer.
    fn settled(&mut self, key: &PinKey) {
        if let Some(revision) = self.settling.remove(key) {
            self.in_flight.end(key, revision);
        }
    }

    fn all_settled(&mut self) {
        for (key, revision) in self.settling.drain() {
            self.in_flight.end(&key, revision);
        }
    }

    fn give_up(&mut self) {
        for (key, revision) in self.running.keys() {
            self.in_flight.end(key, *revision);
        }
        self.running.abort_all();
    }
}

/// Begins a span of a job, to which its calls belong (api §11.2). It stands for itself: the request that it serves was
/// answered once it was stored, perhaps on another peer and days ago. Nothing where nobody collects traces.
fn traced(job: &Job) -> Context {
    let tracer = global::tracer("pintracker");
    let mut span = tracer.start_with_context(name_of(job.action), &Context::new());
    if span.is_recording() {
        span.set_attribute(KeyValue::new("cid", job.key.to_string()));
        span.set_attribute(KeyValue::new("attempt", i64::from(job.attempts) + 1));
    }
    Context::new().with_span(span)
}

fn name_of(action: Action) -> &'static str {
    match action {
        Action::Pin => "tracker pin",
        Action::Unpin => "tracker unpin",
        Action::Check => "tracker check",
    }
}

/// Says how a job ended. What no result is known of is still queued; a signal of that is on its way, or will be.
fn finished(((key, revision), result): ((PinKey, u64), Result<JobResult, JoinError>)) -> TrackerEvent {
    let result = result.unwrap_or_else(|error| {
        if error.is_cancelled() {
            JobResult::Cancelled
        } else {
            JobResult::Failed("the request broke down".to_owned())
        }
    });
    TrackerEvent::Finished { key, revision, result, random: rand::random() }
}

async fn perform(
    ipfs: &dyn IpfsConnector,
    job: &Job,
    pin: Option<cluster_core::Pin>,
    in_flight: &InFlight,
    informers: &Informers,
) -> JobResult {
    let cid = job.key.cid();
    let result = match (job.action, pin) {
        (Action::Unpin, _) => ipfs.unpin(cid).await.map(|()| JobResult::Done { size: 0 }),
        // The pin went while its job was being started; a signal of that is on its way.
        (_, None) => Ok(JobResult::Cancelled),
        (Action::Check, Some(pin)) => ipfs.pin_status(cid, pin.depth).await.map(|status| {
            if status.satisfies(pin.depth) { JobResult::Done { size: 0 } } else { JobResult::Missing }
        }),
        (Action::Pin, Some(pin)) => {
            let last = Arc::new(Mutex::new(PinProgress::default()));
            let (key, in_flight, seen) = (job.key.clone(), in_flight.clone(), last.clone());
            let sink = Arc::new(move |progress: PinProgress| {
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = progress;
                in_flight.progress(&key, progress);
            });
            let request = PinRequest {
                cid,
                depth: pin.depth,
                origins: pin.options.origins,
                update_from: pin.options.pin_update,
            };
            informers.on_pin_event();
            let pinned = ipfs.pin(request, sink).await;
            informers.on_pin_event();
            pinned.map(|()| {
                let progress = *last.lock().unwrap_or_else(PoisonError::into_inner);
                JobResult::Done { size: progress.bytes.unwrap_or(0) }
            })
        }
    };
    result.unwrap_or_else(|error| {
        let status = match job.action {
            Action::Pin => TrackerStatus::PinError,
            Action::Unpin => TrackerStatus::UnpinError,
            Action::Check => TrackerStatus::ClusterError,
        };
        tracing::warn!(target: "pintracker", cid = %job.key, %status, %error, "a request to IPFS failed");
        JobResult::Failed(error.to_string())
    })
}
