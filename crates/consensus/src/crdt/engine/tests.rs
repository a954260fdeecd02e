use super::*;
use crate::crdt::{Delta, rows::encode_height};
use cluster_core::ports::datastore::{Row, prefix_end};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    time::Duration,
};

/// Rows by hand.
#[derive(Default)]
struct View(BTreeMap<(Tree, Vec<u8>), Vec<u8>>);

impl View {
    fn put(&mut self, tree: Tree, key: impl Into<Vec<u8>>, value: Vec<u8>) {
        self.0.insert((tree, key.into()), value);
    }

    fn miss(&mut self, id: &BlockId) {
        self.put(Tree::Frontier, WalkRow::missing_key(id), WalkRow::encode_owner(1));
    }

    fn got(&mut self, id: &BlockId) {
        self.0.remove(&(Tree::Frontier, WalkRow::missing_key(id)));
    }
}

impl Snapshot for View {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(&(tree, key.to_vec())).cloned())
    }

    fn page(
        &self,
        tree: Tree,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let inside = |key: &[u8]| std::ops::RangeBounds::<[u8]>::contains(&(from, to), key);
        let rows = self.0.iter().filter(|((t, key), _)| *t == tree && inside(key));
        Ok(rows.take(limit).map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn page_back(&self, _: Tree, _: Bound<&[u8]>, _: Bound<&[u8]>, _: usize) -> Result<Vec<Row>, StoreError> {
        Ok(Vec::new())
    }
}

fn block(number: u64) -> (BlockId, Vec<u8>) {
    let delta = Delta { priority: number, ..Delta::default() };
    let bytes = Block { links: Vec::new(), delta }.encode();
    (BlockId::of(&bytes), bytes)
}

fn at(seconds: u64) -> UnixMillis {
    UnixMillis(1_700_000_000_000 + seconds * 1000)
}

fn engine(config: EngineConfig, view: &View) -> CrdtEngine {
    let mut engine = CrdtEngine::new(config);
    assert_eq!(engine.handle(EngineInput::Start { random: 300 }, at(0), view).unwrap(), []);
    engine
}

fn fetches(outputs: &[EngineOutput]) -> Vec<BlockId> {
    let ids =
        outputs.iter().filter_map(|o| if let EngineOutput::Fetch { id, .. } = o { Some(*id) } else { None });
    ids.collect()
}

fn fetch(id: BlockId, from: Option<PeerId>) -> EngineOutput {
    EngineOutput::Fetch { id, from }
}

fn heads_of(author: PeerId, heads: Vec<BlockId>) -> EngineInput {
    EngineInput::HeadsHeard { author, heads }
}

#[test]
fn only_unknown_heads_are_asked_for_and_their_author_first() {
    let mut view = View::default();
    let [(a, _), (b, _), (c, _)] = [block(1), block(2), block(3)];
    view.put(Tree::Merged, a.0, Vec::new());
    let mut engine = engine(EngineConfig::default(), &view);
    view.miss(&b);
    let author = PeerId::random();
    let outputs = engine.handle(heads_of(author, vec![a, b, c]), at(1), &view).unwrap();
    assert_eq!(outputs, [fetch(c, Some(author))]);
    // Asked for once.
    assert_eq!(engine.handle(heads_of(author, vec![c]), at(1), &view).unwrap(), []);
}

#[test]
fn wants_are_bounded_and_the_rest_comes_from_the_frontier() {
    let mut view = View::default();
    let blocks: Vec<_> = (1..=1000).map(block).collect();
    let mut engine = engine(EngineConfig { max_wants: 3, ..EngineConfig::default() }, &view);
    blocks.iter().for_each(|(id, _)| view.miss(id));
    let ids: Vec<BlockId> = blocks.iter().map(|(id, _)| *id).collect();
    let all: BTreeMap<_, _> = blocks.into_iter().collect();
    let done = vec![CrdtOutput::Fetch(ids)];
    let mut open = fetches(&engine.handle(EngineInput::Committed(done), at(1), &view).unwrap());
    assert_eq!(open.len(), 3);
    // What is here makes room for the next one, and what is asked for stays bounded.
    let mut fetched = 0;
    while let Some(id) = open.pop() {
        fetched += 1;
        let input = EngineInput::BlockReceived { id, bytes: all[&id].clone() };
        let outputs = engine.handle(input, at(1), &view).unwrap();
        assert_eq!(outputs[0], EngineOutput::Stage(CrdtInput::Block { id, bytes: all[&id].clone() }));
        open.extend(fetches(&outputs));
        view.got(&id);
        let done = vec![CrdtOutput::Taken(id)];
        open.extend(fetches(&engine.handle(EngineInput::Committed(done), at(1), &view).unwrap()));
        assert!(open.len() <= 3);
    }
    assert_eq!(fetched, 1000);
}

#[test]
fn a_restart_goes_on_with_the_stored_frontier() {
    let mut view = View::default();
    let (id, _) = block(1);
    view.miss(&id);
    let mut engine = CrdtEngine::new(EngineConfig::default());
    let outputs = engine.handle(EngineInput::Start { random: 0 }, at(0), &view).unwrap();
    assert_eq!(outputs, [fetch(id, None)]);
}

#[test]
fn failures_silence_and_wrong_bytes_are_retried_with_growing_waits() {
    let mut view = View::default();
    let (id, bytes) = block(1);
    view.miss(&id);
    let mut engine = CrdtEngine::new(EngineConfig::default());
    engine.handle(EngineInput::Start { random: 0 }, at(0), &view).unwrap();
    let outputs = engine.handle(EngineInput::FetchFailed(id), at(0), &view).unwrap();
    assert_eq!(outputs, []);
    assert!(engine.deadline() > at(0) && engine.deadline() < at(2));
    let outputs = engine.handle(EngineInput::Tick { random: 0 }, at(2), &view).unwrap();
    assert_eq!(outputs, [fetch(id, None)]);
    // Wrong bytes count as a failure.
    let wrong = EngineInput::BlockReceived { id, bytes: block(2).1 };
    assert_eq!(engine.handle(wrong, at(2), &view).unwrap(), []);
    let second = engine.deadline();
    assert!(second > UnixMillis(at(3).0 + 400) && second < at(5), "{second:?}");
    assert_eq!(engine.handle(EngineInput::Tick { random: 0 }, at(5), &view).unwrap(), [fetch(id, None)]);
    // Nobody answers at all.
    let silent = engine.handle(EngineInput::Tick { random: 0 }, at(35), &view).unwrap();
    assert_eq!(fetches(&silent), []);
    // A late answer is still welcome.
    let late = EngineInput::BlockReceived { id, bytes: bytes.clone() };
    let outputs = engine.handle(late, at(36), &view).unwrap();
    assert_eq!(outputs, [EngineOutput::Stage(CrdtInput::Block { id, bytes })]);
    // What nobody asked for is not.
    let (other, bytes) = block(3);
    let input = EngineInput::BlockReceived { id: other, bytes };
    assert_eq!(engine.handle(input, at(36), &view).unwrap(), []);
}

#[test]
fn blocks_that_a_failed_commit_lost_are_fetched_again() {
    let mut view = View::default();
    let (id, bytes) = block(1);
    view.miss(&id);
    let mut engine = CrdtEngine::new(EngineConfig::default());
    engine.handle(EngineInput::Start { random: 0 }, at(0), &view).unwrap();
    engine.handle(EngineInput::BlockReceived { id, bytes }, at(0), &view).unwrap();
    let outputs = engine.handle(EngineInput::CommitFailed, at(0), &view).unwrap();
    assert_eq!(outputs, [fetch(id, None)]);
}

#[test]
fn large_blocks_go_to_the_writer_a_mebibyte_at_a_time() {
    let mut view = View::default();
    let blocks: Vec<(BlockId, Vec<u8>)> = (1..=4)
        .map(|n| {
            let element = crate::crdt::Element { key: "/A".to_owned(), value: vec![n; 500_000] };
            let delta = Delta { elements: vec![element], priority: 1, ..Delta::default() };
            let bytes = Block { links: Vec::new(), delta }.encode();
            (BlockId::of(&bytes), bytes)
        })
        .collect();
    blocks.iter().for_each(|(id, _)| view.miss(id));
    let mut engine = CrdtEngine::new(EngineConfig::default());
    engine.handle(EngineInput::Start { random: 0 }, at(0), &view).unwrap();
    let mut staged = Vec::new();
    for (id, bytes) in blocks {
        let input = EngineInput::BlockReceived { id, bytes };
        staged.extend(engine.handle(input, at(0), &view).unwrap());
    }
    assert_eq!(staged.len(), 2);
    let done = staged.iter().map(|o| match o {
        EngineOutput::Stage(CrdtInput::Block { id, .. }) => CrdtOutput::Taken(*id),
        other => panic!("{other:?}"),
    });
    let done = done.collect();
    assert_eq!(engine.handle(EngineInput::Committed(done), at(0), &view).unwrap().len(), 2);
}

#[test]
fn only_the_last_of_several_deltas_is_announced() {
    let view = View::default();
    let mut engine = engine(EngineConfig::default(), &view);
    let [(a, _), (b, _)] = [block(1), block(2)];
    let done = vec![CrdtOutput::Announce(a), CrdtOutput::Announce(b)];
    let outputs = engine.handle(EngineInput::Committed(done), at(1), &view).unwrap();
    assert_eq!(outputs, [EngineOutput::Announce(vec![b])]);
}

#[test]
fn of_many_writes_in_a_short_while_the_first_and_the_last_are_announced() {
    let view = View::default();
    let announce_interval = Duration::from_secs(2);
    let mut engine = engine(EngineConfig { announce_interval, ..EngineConfig::default() }, &view);
    let ids: Vec<BlockId> = (1..=3).map(|n| block(n).0).collect();
    let mut written =
        |id, at| engine.handle(EngineInput::Committed(vec![CrdtOutput::Announce(id)]), at, &view).unwrap();
    assert_eq!(written(ids[0], at(10)), [EngineOutput::Announce(vec![ids[0]])]);
    assert_eq!(written(ids[1], at(11)), []);
    assert_eq!(written(ids[2], at(11)), []);
    assert_eq!(engine.deadline(), at(12));
    let tick = EngineInput::Tick { random: 0 };
    assert_eq!(engine.handle(tick, at(12), &view).unwrap(), [EngineOutput::Announce(vec![ids[2]])]);
    assert_eq!(engine.deadline(), at(60));
}

#[test]
fn heads_are_announced_again_unless_heard_in_the_window() {
    let mut view = View::default();
    let [(a, _), (b, _)] = [block(1), block(2)];
    view.put(Tree::Heads, a.0, encode_height(1));
    view.put(Tree::Heads, b.0, encode_height(2));
    view.put(Tree::Merged, a.0, Vec::new());
    let mut engine = engine(EngineConfig::default(), &view);
    // 300 is the middle of the spread.
    assert_eq!(engine.deadline(), at(60));
    assert_eq!(engine.handle(heads_of(PeerId::random(), vec![a]), at(30), &view).unwrap(), []);
    assert_eq!(engine.handle(EngineInput::Tick { random: 600 }, at(59), &view).unwrap(), []);
    let outputs = engine.handle(EngineInput::Tick { random: 600 }, at(60), &view).unwrap();
    assert_eq!(outputs, [EngineOutput::Announce(vec![b])]);
    // 60 s and 30 % more; the window starts anew.
    assert_eq!(engine.deadline(), at(138));
    let outputs = engine.handle(EngineInput::Tick { random: 0 }, at(138), &view).unwrap();
    let mut both = vec![a, b];
    both.sort_unstable();
    assert_eq!(outputs, [EngineOutput::Announce(both)]);
    assert_eq!(engine.deadline(), at(180));
}

#[test]
fn many_heads_are_told_in_turn_in_messages_that_go_peers_can_keep() {
    let mut view = View::default();
    let room = rebroadcast::MESSAGE_HEADS * rebroadcast::MESSAGES;
    let all: BTreeSet<BlockId> = (0..room as u64 * 2 + 1).map(|number| block(number).0).collect();
    for head in &all {
        view.put(Tree::Heads, head.0, encode_height(1));
    }
    let mut engine = engine(EngineConfig::default(), &view);
    let mut told = Vec::new();
    for turn in 1..=3 {
        let outputs = engine.handle(EngineInput::Tick { random: 300 }, at(60 * turn), &view).unwrap();
        assert!(outputs.len() <= 16);
        for output in outputs {
            let EngineOutput::Announce(heads) = output else { panic!("{output:?}") };
            assert!((1..=32).contains(&heads.len()), "{}", heads.len());
            told.extend(heads);
        }
        assert_eq!(told.len(), room * turn as usize);
    }
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), all);
}

fn waiting(operations: u64, held: bool) -> EngineInput {
    EngineInput::Committed(vec![CrdtOutput::Waiting { operations, held }])
}

const PACK: EngineOutput = EngineOutput::Stage(CrdtInput::Pack);

#[test]
fn a_batch_is_packed_when_it_is_large_or_old_enough() {
    let view = View::default();
    let batching = Batching::new(10, Duration::from_secs(5));
    let announce_interval = Duration::ZERO;
    let config = EngineConfig { batching, announce_interval, ..EngineConfig::default() };
    let mut engine = engine(config, &view);
    assert_eq!(engine.packing(), Packing::Deferred);
    assert_eq!(engine.handle(waiting(9, false), at(1), &view).unwrap(), []);
    assert_eq!(engine.deadline(), at(6));
    assert_eq!(engine.handle(waiting(10, false), at(2), &view).unwrap(), [PACK]);
    // Asked once.
    assert_eq!(engine.handle(EngineInput::Tick { random: 0 }, at(3), &view).unwrap(), []);
    // The delta was full: the rest follows at once.
    let announce = CrdtOutput::Announce(block(1).0);
    let rest = CrdtOutput::Waiting { operations: 2, held: false };
    let outputs = engine.handle(EngineInput::Committed(vec![announce.clone(), rest]), at(3), &view).unwrap();
    assert_eq!(outputs[1..], [PACK]);
    engine.handle(EngineInput::Committed(vec![announce]), at(3), &view).unwrap();
    assert_eq!(engine.handle(waiting(1, false), at(10), &view).unwrap(), []);
    assert_eq!(engine.handle(EngineInput::Tick { random: 0 }, at(14), &view).unwrap(), []);
    assert_eq!(engine.handle(EngineInput::Tick { random: 0 }, at(15), &view).unwrap(), [PACK]);
    // The batch with the pack is lost: the operations are still there.
    let mut view = View::default();
    let row = cluster_core::pinset::RowWriter::new(1).raw(b"w ").int(1).finish();
    view.put(Tree::Counters, b"totals".to_vec(), row);
    assert_eq!(engine.handle(EngineInput::CommitFailed, at(16), &view).unwrap(), [PACK]);
    assert_eq!(Batching::new(0, Duration::from_secs(5)), None);
    assert_eq!(Batching::new(5, Duration::ZERO), None);
}

#[test]
fn operations_held_by_a_first_walk_are_packed_when_it_ends_or_stalls() {
    let view = View::default();
    let mut ended = engine(EngineConfig::default(), &view);
    assert_eq!(ended.handle(waiting(3, true), at(1), &view).unwrap(), []);
    assert_eq!(ended.handle(waiting(3, false), at(2), &view).unwrap(), [PACK]);

    let mut stalled = engine(EngineConfig::default(), &view);
    stalled.handle(waiting(3, true), at(1), &view).unwrap();
    let progress = vec![CrdtOutput::Taken(block(1).0), CrdtOutput::Waiting { operations: 3, held: true }];
    stalled.handle(EngineInput::Committed(progress), at(50), &view).unwrap();
    let stall = EngineOutput::Stage(CrdtInput::WalkStalled);
    let early = stalled.handle(EngineInput::Tick { random: 0 }, at(109), &view).unwrap();
    assert!(!early.contains(&stall));
    let late = stalled.handle(EngineInput::Tick { random: 0 }, at(110), &view).unwrap();
    assert!(late.contains(&stall));
}

#[test]
fn the_rate_cap_defers_deltas_until_its_interval_is_over() {
    let view = View::default();
    let slow_delta_time = Duration::from_secs(10);
    let mut engine = engine(EngineConfig { slow_delta_time, ..EngineConfig::default() }, &view);
    engine.handle(EngineInput::SlowPeers(true), at(0), &view).unwrap();
    let (id, _) = block(1);
    let defer = EngineOutput::Stage(CrdtInput::SetPacking(Packing::Deferred));
    let outputs =
        engine.handle(EngineInput::Committed(vec![CrdtOutput::Announce(id)]), at(1), &view).unwrap();
    assert_eq!(outputs, [EngineOutput::Announce(vec![id]), defer]);
    assert_eq!(engine.handle(waiting(5, false), at(2), &view).unwrap(), []);
    assert_eq!(engine.deadline(), at(11));
    assert_eq!(engine.handle(EngineInput::Tick { random: 0 }, at(11), &view).unwrap(), [PACK]);
    engine.handle(EngineInput::Committed(vec![CrdtOutput::Announce(id)]), at(11), &view).unwrap();
    let outputs = engine.handle(EngineInput::Tick { random: 0 }, at(21), &view).unwrap();
    assert_eq!(outputs, [EngineOutput::Stage(CrdtInput::SetPacking(Packing::Immediate))]);
}

#[test]
fn ranges_of_the_view_are_what_the_tests_think() {
    let mut view = View::default();
    view.miss(&block(1).0);
    assert_eq!(view.prefix(Tree::Frontier, b"m", 10).unwrap().len(), 1);
    assert_eq!(prefix_end(b"m"), Some(b"n".to_vec()));
}

#[test]
fn the_share_of_a_writer_shrinks_with_their_number() {
    let view = View::default();
    let slow_delta_time = Duration::from_secs(2);
    let mut engine = engine(EngineConfig { slow_delta_time, ..EngineConfig::default() }, &view);
    engine.handle(EngineInput::SlowPeers(true), at(0), &view).unwrap();
    for (number, writer) in [PeerId::random(), PeerId::random()].into_iter().enumerate() {
        engine.handle(heads_of(writer, vec![block(10 + number as u64).0]), at(0), &view).unwrap();
    }
    let written = || EngineInput::Committed(vec![CrdtOutput::Announce(block(1).0)]);
    engine.handle(written(), at(1), &view).unwrap();
    engine.handle(waiting(1, false), at(2), &view).unwrap();
    assert_eq!(engine.handle(EngineInput::Tick { random: 0 }, at(6), &view).unwrap(), []);
    assert_eq!(engine.handle(EngineInput::Tick { random: 0 }, at(7), &view).unwrap(), [PACK]);
    // The others fell silent.
    engine.handle(written(), at(11), &view).unwrap();
    engine.handle(waiting(1, false), at(11), &view).unwrap();
    assert_eq!(engine.handle(EngineInput::Tick { random: 0 }, at(13), &view).unwrap(), [PACK]);
}

#[test]
fn a_chain_is_asked_for_block_by_block_without_waiting_for_commits() {
    let view = View::default();
    let mut below = None;
    let mut chain = Vec::new();
    for priority in 1..=5 {
        let delta = Delta { priority, ..Delta::default() };
        let bytes = Block { links: below.into_iter().collect(), delta }.encode();
        let id = BlockId::of(&bytes);
        below = Some(id);
        chain.push((id, bytes));
    }
    let mut engine = engine(EngineConfig::default(), &view);
    let author = PeerId::random();
    let mut outputs = engine.handle(heads_of(author, vec![chain[4].0]), at(1), &view).unwrap();
    for (id, bytes) in chain.iter().rev() {
        assert_eq!(outputs.iter().filter(|o| **o == fetch(*id, Some(author))).count(), 1, "{outputs:?}");
        let input = EngineInput::BlockReceived { id: *id, bytes: bytes.clone() };
        outputs = engine.handle(input, at(1), &view).unwrap();
        assert!(outputs.contains(&EngineOutput::Stage(CrdtInput::Block { id: *id, bytes: bytes.clone() })));
    }
    assert_eq!(outputs.len(), 1);
}

#[test]
fn heads_that_nobody_serves_delay_only_their_author_and_are_dropped_in_the_end() {
    let view = View::default();
    let mut engine = engine(EngineConfig::default(), &view);
    let [liar, honest] = [PeerId::random(), PeerId::random()];
    let lies: Vec<BlockId> = (1000..2000).map(|n| block(n).0).collect();
    let asked = fetches(&engine.handle(heads_of(liar, lies), at(1), &view).unwrap());
    assert_eq!(asked.len(), 8);
    let (head, bytes) = block(1);
    let outputs = engine.handle(heads_of(honest, vec![head]), at(1), &view).unwrap();
    assert_eq!(outputs, [fetch(head, Some(honest))]);
    let input = EngineInput::BlockReceived { id: head, bytes: bytes.clone() };
    let outputs = engine.handle(input, at(1), &view).unwrap();
    assert_eq!(outputs, [EngineOutput::Stage(CrdtInput::Block { id: head, bytes })]);
    // Three times asked in vain, and none is left.
    let mut open = asked;
    let mut failures = 0;
    while let Some(id) = open.pop() {
        failures += 1;
        open.extend(fetches(&engine.handle(EngineInput::FetchFailed(id), at(2), &view).unwrap()));
    }
    assert_eq!((failures, engine.dropped_heads()), (3000, 1000));
}

#[test]
fn a_look_for_lost_blocks_finds_them_and_holes() {
    let mut view = View::default();
    let (hole, _) = block(1);
    let delta = Delta { priority: 2, ..Delta::default() };
    let bytes = Block { links: vec![hole], delta }.encode();
    let above = BlockId::of(&bytes);
    let (lost, _) = block(3);
    view.put(Tree::Blocks, above.0, bytes);
    view.put(Tree::Merged, above.0, Vec::new());
    view.put(Tree::Merged, lost.0, Vec::new());
    let hour = Duration::from_secs(3600);
    let config = EngineConfig { repair_interval: Some(hour), ..EngineConfig::default() };
    let mut engine = CrdtEngine::new(config);
    engine.handle(EngineInput::Start { random: 300 }, at(0), &view).unwrap();
    assert!(engine.deadline() < at(1));
    let outputs = engine.handle(EngineInput::Tick { random: 0 }, at(1), &view).unwrap();
    let repair = EngineOutput::Stage(CrdtInput::Repair { lost: vec![lost], holes: vec![hole] });
    assert_eq!(outputs, std::slice::from_ref(&repair));
    assert_eq!(engine.handle(EngineInput::Tick { random: 300 }, at(3600), &view).unwrap(), []);
    assert_eq!(engine.handle(EngineInput::Tick { random: 0 }, at(3601), &view).unwrap(), [repair]);
}

#[test]
fn a_mark_decides_whether_the_next_start_looks() {
    let mut view = View::default();
    let (hole, _) = block(1);
    let delta = Delta { priority: 2, ..Delta::default() };
    let bytes = Block { links: vec![hole], delta }.encode();
    let above = BlockId::of(&bytes);
    view.put(Tree::Blocks, above.0, bytes);
    view.put(Tree::Merged, above.0, Vec::new());
    let tick = EngineInput::Tick { random: 300 };
    let clear = EngineOutput::Stage(CrdtInput::ClearMark);
    let repair = EngineOutput::Stage(CrdtInput::Repair { lost: vec![], holes: vec![hole] });

    // Dirty: a look even where none is configured, until one finds nothing.
    let never = EngineConfig { repair_interval: None, ..EngineConfig::default() };
    view.put(Tree::Meta, *b"crdt/mark", vec![1, 1]);
    let mut engine = CrdtEngine::new(never.clone());
    assert_eq!(engine.handle(EngineInput::Start { random: 300 }, at(0), &view).unwrap(), []);
    assert_eq!(engine.handle(tick, at(1), &view).unwrap(), [repair]);
    view.put(Tree::Frontier, WalkRow::missing_key(&hole), WalkRow::encode_owner(1));
    let tick = || EngineInput::Tick { random: 300 };
    let outputs = engine.handle(tick(), at(61), &view).unwrap();
    assert!(outputs.contains(&clear), "{outputs:?}");
    assert!(!engine.handle(tick(), at(300), &view).unwrap().contains(&clear));

    // Clean: none before its time.
    view.put(Tree::Meta, *b"crdt/mark", vec![1, 2]);
    view.0.remove(&(Tree::Frontier, WalkRow::missing_key(&hole)));
    let hour = EngineConfig { repair_interval: Some(Duration::from_secs(3600)), ..never };
    let mut engine = CrdtEngine::new(hour);
    assert_eq!(engine.handle(EngineInput::Start { random: 300 }, at(0), &view).unwrap(), [clear]);
    let is_repair = |output: &EngineOutput| matches!(output, EngineOutput::Stage(CrdtInput::Repair { .. }));
    assert!(!engine.handle(tick(), at(3599), &view).unwrap().iter().any(is_repair));
    assert!(engine.handle(tick(), at(3600), &view).unwrap().iter().any(is_repair));
}
