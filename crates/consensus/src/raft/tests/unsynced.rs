//! A group is visible before it is flushed, but nobody outside hears of it, and a lost one is noticed.

use super::{
    super::{AppliedRow, LogPosition, RaftBackend, RaftInput},
    peer::{add, at, config, rows},
};
use cluster_core::{
    PeerId, ReplicationFactors, UnixMillis,
    pinset::{Input, Ordered, Outcome, TrackerSignal, Writer},
    ports::datastore::Tree,
};
use cluster_datastore::{FailMode, MemoryStore};
use cluster_runtime::{Effects, Group, start_pinset};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::sync::mpsc;

const START: UnixMillis = UnixMillis(1_700_000_000_000);

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    /// Tracker rows, and how many commits a power cut would have lost then.
    Tracked {
        rows: usize,
        unflushed: u64,
    },
    Recovered,
}

struct Recorder(mpsc::UnboundedSender<Heard>, MemoryStore);

impl Effects<Infallible> for Recorder {
    fn committed(&self, _: Vec<Infallible>) {}

    fn tracked(&self, signals: Vec<TrackerSignal>) {
        let unflushed = self.1.unflushed_commits();
        self.0.send(Heard::Tracked { rows: signals.len(), unflushed }).unwrap();
    }

    fn recovered(&self) {
        self.0.send(Heard::Recovered).unwrap();
    }
}

fn group(after: Option<LogPosition>, index: u64) -> Group<RaftInput> {
    let operation = add(u16::try_from(index).unwrap(), "");
    let ordered = Ordered { operation, replication: ReplicationFactors::EVERYWHERE };
    let applied = AppliedRow { last: Some(at(index)), ..AppliedRow::default() };
    [
        Input::Backend(RaftInput::After(after)),
        Input::Ordered(Box::new(ordered)),
        Input::Backend(RaftInput::Applied(applied)),
    ]
    .into_iter()
    .map(|input| (input, START))
    .collect()
}

async fn next(heard: &mut mpsc::UnboundedReceiver<Heard>) -> Heard {
    tokio::time::timeout(Duration::from_secs(30), heard.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_tracker_hears_of_a_group_once_it_is_flushed() {
    let store = MemoryStore::new();
    let (tell, mut heard) = mpsc::unbounded_channel();
    let writer =
        Writer::open(Arc::new(store.clone()), RaftBackend::default(), config(PeerId::random())).unwrap();
    let (pinset, thread) = start_pinset(writer, Arc::new(Recorder(tell, store.clone()))).unwrap();
    let batches = pinset.batches();
    for index in 1..=3 {
        let outcomes = pinset.carry_out(group((index > 1).then(|| at(index - 1)), index)).await.unwrap();
        assert!(matches!(
            outcomes.as_slice(),
            [Outcome::Backend(_), Outcome::Submit(Ok(_)), Outcome::Backend(_)]
        ));
        assert_eq!(rows(&store, Tree::Pins).len() as u64, index, "visible as soon as it is answered");
    }
    let mut tracked = 0;
    while tracked < 3 {
        let Heard::Tracked { rows, unflushed } = next(&mut heard).await else { panic!("nothing failed") };
        assert_eq!(unflushed, 0, "told before it was flushed");
        tracked += rows;
    }
    assert_eq!(rows(&store.power_cut(), Tree::Pins).len(), 3);
    // The last group is flushed when the writer stops.
    pinset.carry_out(group(Some(at(3)), 4)).await.unwrap();
    drop(pinset);
    assert!(tokio::task::spawn_blocking(|| thread.join()).await.unwrap());
    assert_eq!(rows(&store.power_cut(), Tree::Pins).len(), 4);
    assert!(*batches.borrow() >= 4);
}

#[tokio::test]
async fn a_group_that_a_failed_flush_lost_is_noticed() {
    let store = MemoryStore::new();
    let (tell, mut heard) = mpsc::unbounded_channel();
    let writer =
        Writer::open(Arc::new(store.clone()), RaftBackend::default(), config(PeerId::random())).unwrap();
    let (pinset, thread) = start_pinset(writer, Arc::new(Recorder(tell, store.clone()))).unwrap();
    let batches = pinset.batches();
    let before = *batches.borrow();
    store.fail_next_commit(FailMode::Unknown { survives: false });
    pinset.carry_out(group(None, 1)).await.unwrap();
    assert_eq!(next(&mut heard).await, Heard::Recovered, "nobody heard of what was lost");
    // Streams of events end at the last batch that is told: the number of a lost one is given again.
    assert_eq!(*batches.borrow(), before, "its number was told");
    assert!(rows(&store, Tree::Pins).is_empty());
    assert!(pinset.carry_out(group(Some(at(1)), 2)).await.is_err(), "it was carried out behind a gap");
    // The log has it: it is carried out again.
    let again = async {
        while pinset.carry_out(group(None, 1)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), again).await.unwrap();
    assert_eq!(rows(&store, Tree::Pins).len(), 1);
    drop(pinset);
    assert!(tokio::task::spawn_blocking(|| thread.join()).await.unwrap());
}
