//! Searching the pinset, and making the indexes for it on a store that is in use.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_core::{
    Cid, PeerId, Pin, PinKind, PinKindFilter, ReplicationFactors, UnixMillis, UnixSeconds,
    pinset::{
        Input, NoBackend, Writer, WriterConfig,
        check::check,
        format,
        indexing::{self, IndexState},
        mutation::LaneRule,
        search::{self, PinSearch, SearchError, SearchOrder},
        search_index::SearchIndex,
    },
    ports::{
        consensus::{AppliedOn, Operation, OperationKind},
        datastore::{Batch, Cursor, Datastore, Durability, Tree},
    },
};
use cluster_datastore::MemoryStore;
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn cid(n: u32) -> Cid {
    let digest = [n.to_be_bytes(); 8].concat();
    Cid::new_v1(0x55, multihash::Multihash::wrap(0x12, &digest).unwrap())
}

/// Makes a pin with one of few names, values and times, so that searches find some.
fn some_pin(n: u32, rng: &mut ChaCha8Rng) -> Pin {
    let mut pin = Pin::new(cid(n));
    let names =
        ["", "a", "a\0", "ab", "abc", "b", "ü", &"long".repeat(100), &format!("{}x", "long".repeat(100))];
    pin.options.name = (*names.choose(rng).unwrap()).to_owned();
    for key in ["k", "l", ""] {
        if rng.random_bool(0.5) {
            pin.options.metadata.insert(key.to_owned(), format!("v{}", rng.random_range(0..4)));
        }
    }
    pin
}

struct World {
    store: Arc<MemoryStore>,
    writer: Writer<NoBackend>,
    local: PeerId,
    rng: ChaCha8Rng,
}

fn open(store: &Arc<MemoryStore>, local: PeerId) -> Writer<NoBackend> {
    format::ensure(&**store, Path::new("store")).unwrap();
    let config = WriterConfig {
        local,
        replication: ReplicationFactors::EVERYWHERE,
        lanes: LaneRule { max_age: Duration::from_secs(86_400), max_retries: 5 },
        applied_on: AppliedOn::Local,
    };
    Writer::open(store.clone(), NoBackend, config).unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        let (store, local) = (Arc::new(MemoryStore::new()), PeerId::random());
        Self { writer: open(&store, local), store, local, rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Adds, replaces or removes `count` pins, some seconds apart.
    fn change(&mut self, count: u32, of: u32) {
        for _ in 0..count {
            let n = self.rng.random_range(0..of);
            let kind = if self.rng.random_bool(0.8) {
                OperationKind::Pin(Box::new(some_pin(n, &mut self.rng)))
            } else {
                OperationKind::Unpin(Pin::new(cid(n)).key())
            };
            let at = UnixMillis(NOW.0 + self.rng.random_range(0..50) * 1000);
            self.writer.stage(Input::Submit(Box::new(Operation::new(kind))), at);
        }
        self.writer.commit(NOW).unwrap();
    }

    fn pins(&self) -> Vec<Pin> {
        let search = PinSearch::default();
        let found = search::page(&*self.store.snapshot().unwrap(), &search, None, usize::MAX - 1).unwrap();
        assert_eq!(found.next, None);
        found.pins
    }

    /// Reads a search to its end.
    fn search(&self, search: &PinSearch, limit: usize) -> Vec<Pin> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let found = search::page(&*self.store.snapshot().unwrap(), search, after, limit).unwrap();
            assert!(found.pins.len() <= limit);
            all.extend(found.pins);
            after = found.next;
            if after.is_none() {
                return all;
            }
        }
    }

    fn check(&self) {
        let report = check(&*self.store, &self.local).unwrap();
        assert_eq!(report.total_mismatches(), 0, "{report}");
    }
}

fn searches() -> Vec<PinSearch> {
    let text = |text: &str| Some(text.to_owned());
    let metadata = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let at = |seconds: u64| Some(UnixMillis(NOW.0 + seconds * 1000));
    let any = PinSearch::default;
    let mut searches = vec![any()];
    for name in ["a", "a\0", "ab", "none", &"long".repeat(100), &"long".repeat(64)] {
        searches.push(PinSearch { name: text(name), ..any() });
        searches.push(PinSearch { name_prefix: text(name), ..any() });
        let both = vec![metadata("k", "v1"), metadata("l", "v2")];
        searches.push(PinSearch { name_prefix: text(name), metadata: both, created_from: at(10), ..any() });
    }
    for order in [SearchOrder::Any, SearchOrder::Newest, SearchOrder::Oldest] {
        searches.push(PinSearch { order, ..any() });
        searches.push(PinSearch { metadata: vec![metadata("", "v0")], order, ..any() });
        searches.push(PinSearch { created_from: at(5), created_before: at(20), order, ..any() });
        searches.push(PinSearch { created_before: at(7), name: text("b"), order, ..any() });
        searches.push(PinSearch { created_from: at(20), created_before: at(5), order, ..any() });
    }
    searches.push(PinSearch { kinds: PinKindFilter::parse(PinKind::Meta.name()).0, ..any() });
    searches
}

#[test]
fn a_search_finds_what_a_look_at_every_pin_finds() {
    let mut world = World::new(1);
    world.change(4000, 3000);
    world.check();
    let pins = world.pins();
    assert!(pins.len() > 1000);
    let mut hits = 0;
    for search in searches() {
        let expected: BTreeSet<_> = pins.iter().filter(|pin| search.matches(pin)).map(Pin::key).collect();
        for limit in [7, 1000] {
            let found = world.search(&search, limit);
            let keys: BTreeSet<_> = found.iter().map(Pin::key).collect();
            assert_eq!((keys, found.len()), (expected.clone(), expected.len()), "{search:?}");
            let mut times: Vec<_> = found.iter().map(|pin| pin.timestamp.map(UnixSeconds::millis)).collect();
            match search.order {
                SearchOrder::Any => {}
                SearchOrder::Oldest => assert!(times.is_sorted()),
                SearchOrder::Newest => {
                    times.reverse();
                    assert!(times.is_sorted());
                }
            }
        }
        hits += usize::from(!expected.is_empty());
    }
    assert!(hits > 20, "only {hits} searches find anything");
}

#[test]
fn a_search_of_which_little_is_found_ends_its_pages_early_and_misses_nothing() {
    let mut world = World::new(2);
    for n in 0..40_000 {
        let mut pin = Pin::new(cid(n));
        pin.options.name = if n % 13_000 == 5 { "wanted" } else { "other" }.to_owned();
        world.writer.stage(Input::Import(Box::new(pin)), NOW);
    }
    world.writer.commit(NOW).unwrap();
    // Nothing leads here: every pin is looked at.
    let search = PinSearch {
        name_prefix: Some(String::new()),
        name: Some("wanted".to_owned()),
        ..PinSearch::default()
    };
    assert_eq!(world.search(&search, 1000).len(), 4);
    let by_kind = PinSearch { kinds: PinKindFilter::parse("meta-pin").0, ..PinSearch::default() };
    let first = search::page(&*world.store.snapshot().unwrap(), &by_kind, None, 1000).unwrap();
    assert!(first.pins.is_empty() && first.next.is_some());
    assert_eq!(world.search(&by_kind, 1000), []);
}

/// Takes a store back to the format without indexes, with some rows of an index nobody knows any more.
fn forget_indexes(store: &MemoryStore) {
    let mut batch = Batch::new();
    format::stamp(&mut batch, 3);
    for index in SearchIndex::ALL {
        batch.delete(Tree::Meta, [b"index/".as_slice(), &[index.tree().number()]].concat());
        let mut cursor = Cursor::all(index.tree());
        while !cursor.is_done() {
            for (key, _) in cursor.next_page(store, 4096).unwrap() {
                batch.delete(index.tree(), key);
            }
        }
        for n in 0..1500u32 {
            batch.put(
                index.tree(),
                [b"of another version".as_slice(), &n.to_be_bytes()].concat(),
                Vec::new(),
            );
        }
    }
    store.commit(batch, Durability::Flushed).unwrap();
}

#[test]
fn indexes_are_made_while_the_pinset_changes_and_after_a_stop_amid_it() {
    for stop_after in [usize::MAX, 1, 2, 4, 9, 14] {
        let mut world = World::new(stop_after as u64);
        world.change(1500, 1200);
        forget_indexes(&world.store);
        world.writer = open(&world.store, world.local);
        let search = PinSearch { name: Some("a".to_owned()), ..PinSearch::default() };
        let error = search::page(&*world.store.snapshot().unwrap(), &search, None, 1).unwrap_err();
        assert!(matches!(error, SearchError::NotReady { index: "name", .. }), "{error}");
        let mut steps = 0;
        while let Some((index, state)) = world.writer.stage_index_step(NOW) {
            steps += 1;
            // A change in the batch of the step, and some in one of their own.
            world.change(1, 1200);
            world.change(20, 1200);
            world.check();
            if state == IndexState::Ready {
                assert_eq!(
                    indexing::state(&*world.store.snapshot().unwrap(), index).unwrap(),
                    IndexState::Ready
                );
            }
            if steps == stop_after {
                // What was staged goes with the process.
                world.writer.stage_index_step(NOW);
                world.writer = open(&world.store, world.local);
            }
        }
        assert!(steps > 15, "{steps}");
        assert_eq!(world.writer.unfinished_index(), None);
        world.check();
        let pins = world.pins();
        for search in searches() {
            let expected = pins.iter().filter(|pin| search.matches(pin)).count();
            assert_eq!(world.search(&search, 100).len(), expected, "{search:?}");
        }
    }
}
