//! The tracker's machine over the production writer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_core::{
    Cid, PeerId, Pin, PinKey, ReplicationFactors, UnixMillis,
    pinset::{
        Input, NoBackend, Outcome, TrackedState, TrackerInput, TrackerOutcome, Writer, WriterConfig,
        mutation::LaneRule, read,
    },
    ports::{
        consensus::{AppliedOn, Operation, OperationKind},
        datastore::Datastore,
    },
    tracker::{Action, Backoff, Job, JobResult, Tracker, TrackerCommand, TrackerConfig, TrackerEvent},
};
use cluster_datastore::MemoryStore;
use std::{collections::VecDeque, sync::Arc, time::Duration};

struct World {
    store: Arc<MemoryStore>,
    writer: Writer<NoBackend>,
    tracker: Tracker,
    now: UnixMillis,
    started: VecDeque<Job>,
    cancelled: Vec<PinKey>,
}

fn config() -> TrackerConfig {
    TrackerConfig {
        concurrent_pins: 3,
        concurrent_unpins: 1,
        backoff: Backoff { first: Duration::from_secs(4), max: Duration::from_secs(60) },
        ..TrackerConfig::default()
    }
}

impl World {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let writer = WriterConfig {
            local: PeerId::random(),
            replication: ReplicationFactors::EVERYWHERE,
            lanes: LaneRule { max_age: Duration::from_secs(86_400), max_retries: 5 },
            applied_on: AppliedOn::Local,
        };
        Self {
            writer: Writer::open(store.clone(), NoBackend, writer).unwrap(),
            store,
            tracker: Tracker::new(config()),
            now: UnixMillis(1_700_000_000_000),
            started: VecDeque::new(),
            cancelled: Vec::new(),
        }
    }

    fn submit(&mut self, kinds: impl IntoIterator<Item = OperationKind>) {
        for kind in kinds {
            self.writer.stage(Input::Submit(Box::new(Operation::new(kind))), self.now);
        }
        self.commit();
    }

    fn commit(&mut self) {
        let committed = self.writer.commit(self.now).unwrap();
        for (_, outcome) in &committed.outcomes {
            assert!(!matches!(outcome, Outcome::Submit(Err(_))), "{outcome:?}");
        }
        let ignored =
            committed.outcomes.iter().any(|(_, o)| matches!(o, Outcome::Tracker(TrackerOutcome::Ignored)));
        assert!(!ignored);
        for signal in committed.signals {
            self.tell(TrackerEvent::Signal(signal));
        }
    }

    fn tell(&mut self, event: TrackerEvent) {
        let view = self.store.snapshot().unwrap();
        let mut commands = Vec::new();
        self.tracker.handle(event, self.now, &*view, &mut commands).unwrap();
        for command in commands {
            match command {
                TrackerCommand::Start(job) => self.started.push_back(job),
                TrackerCommand::Cancel { key, .. } => self.cancelled.push(key),
                TrackerCommand::Transition(input) => {
                    self.writer.stage(Input::Tracker(input), self.now);
                }
            }
        }
    }

    fn finish(&mut self, job: &Job, result: JobResult) {
        self.report(job, result);
        self.commit();
    }

    /// Tells the tracker how a job ended, and leaves the transition with the writer.
    fn report(&mut self, job: &Job, result: JobResult) {
        let event =
            TrackerEvent::Finished { key: job.key.clone(), revision: job.revision, result, random: 250 };
        self.tell(event);
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.plus(time);
        self.tell(TrackerEvent::Tick { pinned: 1000 });
    }

    fn state(&self, key: &PinKey) -> Option<TrackedState> {
        read::tracker_row(&*self.store.snapshot().unwrap(), key).unwrap().map(|row| row.state)
    }
}

fn cid(n: u32) -> Cid {
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&n.to_be_bytes());
    Cid::new_v1(0x55, multihash::Multihash::wrap(0x12, &digest).unwrap())
}

fn key(n: u32) -> PinKey {
    PinKey::from_cid(&cid(n))
}

fn add(n: u32) -> OperationKind {
    OperationKind::Pin(Box::new(Pin::new(cid(n))))
}

fn done() -> JobResult {
    JobResult::Done { size: 0 }
}

#[test]
fn every_pin_gets_one_request_and_no_more_run_at_once_than_allowed() {
    let mut w = World::new();
    // More than the look-ahead holds, so that the sweep has to find the rest.
    w.submit((0..10_000).map(add));
    let mut requests = std::collections::BTreeMap::new();
    while let Some(job) = w.started.pop_front() {
        assert!(w.tracker.running() <= 3);
        assert_eq!(job.action, Action::Pin);
        *requests.entry(job.key.clone()).or_insert(0) += 1;
        w.finish(&job, done());
    }
    assert_eq!(requests.len(), 10_000);
    assert!(requests.values().all(|n| *n == 1));
    assert_eq!(w.state(&key(9_999)), Some(TrackedState::Pinned));
}

#[test]
fn a_slow_writer_neither_holds_the_tracker_up_nor_makes_it_large() {
    let mut w = World::new();
    w.submit((0..10_000).map(add));
    let mut done_before = 0;
    for slow_at in [0, 9_600] {
        while done_before < slow_at {
            let job = w.started.pop_front().unwrap();
            w.finish(&job, done());
            done_before += 1;
        }
        // Until the writer commits, the rows still say that these pins are queued, and a sweep finds them again.
        let mut unsettled = 0;
        while let Some(job) = w.started.pop_front() {
            w.report(&job, done());
            unsettled += 1;
        }
        assert!((256..=1024).contains(&unsettled), "{unsettled}");
        w.commit();
        done_before += unsettled;
    }
    assert_eq!(done_before, 10_000);
    assert_eq!(w.state(&key(9_999)), Some(TrackedState::Pinned));
}

#[test]
fn what_was_queued_is_taken_up_after_a_restart() {
    let mut w = World::new();
    w.submit((0..5).map(add));
    w.started.clear();
    w.tracker = Tracker::new(config());
    w.pass(Duration::from_secs(1));
    assert_eq!(w.started.len(), 3);
}

#[test]
fn a_failure_waits_longer_each_time_keeps_its_error_and_blocks_nobody() {
    let mut w = World::new();
    w.submit([add(1)]);
    for (attempt, wait) in [(1, 4), (2, 8), (3, 16)] {
        let job = w.started.pop_front().unwrap();
        assert_eq!(job.attempts + 1, attempt);
        w.finish(&job, JobResult::Failed("unreachable".into()));
        let row = read::tracker_row(&*w.store.snapshot().unwrap(), &key(1)).unwrap().unwrap();
        assert_eq!(
            (row.state, row.attempts, row.error.as_str()),
            (TrackedState::PinError, attempt, "unreachable")
        );
        w.pass(Duration::from_secs(wait - 1));
        assert!(w.started.is_empty(), "too early");
        if attempt == 1 {
            w.submit([add(2)]);
            let other = w.started.pop_front().unwrap();
            w.finish(&other, done());
            assert_eq!(w.state(&key(2)), Some(TrackedState::Pinned));
        }
        w.pass(Duration::from_secs(1));
    }
    let job = w.started.pop_front().unwrap();
    w.finish(&job, done());
    let row = read::tracker_row(&*w.store.snapshot().unwrap(), &key(1)).unwrap().unwrap();
    assert_eq!((row.state, row.attempts, row.error.as_str()), (TrackedState::Pinned, 4, ""));
}

#[test]
fn an_unpin_cancels_the_running_pin_and_starts_only_when_that_has_ended() {
    let mut w = World::new();
    w.submit([add(1)]);
    let pin = w.started.pop_front().unwrap();
    w.submit([OperationKind::Unpin(key(1))]);
    assert_eq!(w.cancelled, [key(1)]);
    assert!(w.started.is_empty(), "the pin request is still running");
    w.finish(&pin, JobResult::Cancelled);
    let unpin = w.started.pop_front().unwrap();
    assert_eq!(unpin.action, Action::Unpin);
    w.finish(&unpin, done());
    assert_eq!(w.state(&key(1)), None);
}

#[test]
fn a_pin_that_ends_while_it_is_given_up_does_not_hide_the_removal() {
    let mut w = World::new();
    w.submit([add(1)]);
    let pin = w.started.pop_front().unwrap();
    w.submit([OperationKind::Unpin(key(1))]);
    w.finish(&pin, done());
    let unpin = w.started.pop_front().unwrap();
    assert_eq!(unpin.action, Action::Unpin);
    assert_eq!(w.state(&key(1)), Some(TrackedState::UnpinQueued));
}

#[test]
fn lost_signals_are_made_good_by_a_resync() {
    let mut w = World::new();
    w.submit((0..6).map(add));
    let first: Vec<Job> = w.started.drain(..).collect();
    // The removal's signals never arrive.
    for n in 0..6 {
        w.writer.stage(Input::Submit(Box::new(Operation::new(OperationKind::Unpin(key(n))))), w.now);
    }
    w.writer.commit(w.now).unwrap();
    w.tell(TrackerEvent::Resync);
    assert_eq!(w.cancelled.len(), 3);
    for job in &first {
        w.finish(job, JobResult::Cancelled);
    }
    let mut unpins = 0;
    while let Some(job) = w.started.pop_front() {
        assert_eq!(job.action, Action::Unpin);
        unpins += 1;
        w.finish(&job, done());
    }
    assert_eq!(unpins, 6);
}

#[test]
fn pinned_rows_are_checked_within_a_pass_and_missing_ones_pinned_again() {
    let mut w = World::new();
    w.submit((0..100).map(add));
    while let Some(job) = w.started.pop_front() {
        w.finish(&job, done());
    }
    w.pass(Duration::from_secs(600));
    let mut checked = std::collections::BTreeSet::new();
    let mut repinned = false;
    for _ in 0..3000 {
        while let Some(job) = w.started.pop_front() {
            match job.action {
                Action::Check => {
                    checked.insert(job.key.clone());
                    let missing = job.key == key(42) && !repinned;
                    w.finish(&job, if missing { JobResult::Missing } else { done() });
                }
                Action::Pin => {
                    assert_eq!(job.key, key(42));
                    assert_eq!(w.state(&key(42)), Some(TrackedState::UnexpectedlyUnpinned));
                    repinned = true;
                    w.finish(&job, done());
                }
                Action::Unpin => panic!("nobody asked for that"),
            }
        }
        w.pass(Duration::from_millis(250));
    }
    assert_eq!(checked.len(), 100);
    assert!(repinned);
    assert_eq!(w.state(&key(42)), Some(TrackedState::Pinned));
}

#[test]
fn the_writer_reads_nothing_of_a_pin_nobody_tracks() {
    let mut w = World::new();
    let stray = TrackerInput::Pinned { key: key(7), revision: 1, size: 0 };
    w.writer.stage(Input::Tracker(stray), w.now);
    let outcomes = w.writer.commit(w.now).unwrap().outcomes;
    assert!(matches!(outcomes[0].1, Outcome::Tracker(TrackerOutcome::Ignored)));
}
