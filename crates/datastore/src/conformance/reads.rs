//! Cases about snapshots, pages and cursors.

use super::{Fixture, get, put};
use cluster_core::ports::datastore::{Batch, Cursor, Durability, MAX_PAGE, Row, StoreError, Tree};
use std::collections::BTreeMap;
use std::ops::Bound;

const TREE: Tree = Tree::ByName;

fn keys(rows: &[Row]) -> Vec<&[u8]> {
    rows.iter().map(|(key, _)| &key[..]).collect()
}

pub(super) fn bounds(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    let all: BTreeMap<Vec<u8>, ()> =
        [&b""[..], b"a", b"b", b"b\x00", b"bb", b"c", b"\xff"].map(|key| (key.to_vec(), ())).into();
    // Neighbours on both sides: other trees in the same keyspace, if the engine shares keyspaces.
    for tree in [Tree::ByExpiry, TREE, Tree::ByMeta] {
        for key in all.keys() {
            put(&*store, tree, key, &[tree.number()], Durability::Lazy);
        }
    }
    let snapshot = store.snapshot().unwrap();
    let ends: [&[u8]; 6] = [b"", b"a", b"aa", b"b", b"bb", b"\xff\xff"];
    let mut sides = vec![Bound::Unbounded];
    sides.extend(ends.iter().flat_map(|end| [Bound::Included(*end), Bound::Excluded(*end)]));
    for from in &sides {
        for to in &sides {
            let expected: Vec<&[u8]> =
                all.keys().map(|key| &key[..]).filter(|key| is_within(key, *from, *to)).collect();
            let page = snapshot.page(TREE, *from, *to, 100).unwrap();
            assert_eq!(keys(&page), expected, "{from:?}..{to:?}");
            assert!(page.iter().all(|(_, value)| value == &[TREE.number()]));
            let back = snapshot.page_back(TREE, *from, *to, 100).unwrap();
            let reversed: Vec<&[u8]> = expected.into_iter().rev().collect();
            assert_eq!(keys(&back), reversed, "{from:?}..{to:?} backwards");
        }
    }
}

fn is_within(key: &[u8], from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    let above = match from {
        Bound::Included(from) => key >= from,
        Bound::Excluded(from) => key > from,
        Bound::Unbounded => true,
    };
    let below = match to {
        Bound::Included(to) => key <= to,
        Bound::Excluded(to) => key < to,
        Bound::Unbounded => true,
    };
    above && below
}

pub(super) fn limits(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    let mut batch = Batch::new();
    let count = u32::try_from(MAX_PAGE).unwrap() + 10;
    for n in 0..count {
        batch.put(TREE, n.to_be_bytes(), "");
    }
    store.commit(batch, Durability::Flushed).unwrap();
    let snapshot = store.snapshot().unwrap();
    let (from, to) = (Bound::Unbounded, Bound::Unbounded);
    assert_eq!(snapshot.page(TREE, from, to, 0).unwrap().len(), 0);
    assert_eq!(snapshot.page(TREE, from, to, 3).unwrap().len(), 3);
    assert_eq!(snapshot.page(TREE, from, to, usize::MAX).unwrap().len(), MAX_PAGE);
    assert_eq!(snapshot.page_back(TREE, from, to, usize::MAX).unwrap().len(), MAX_PAGE);
    assert_eq!(snapshot.prefix(TREE, b"", usize::MAX).unwrap().len(), MAX_PAGE);
    let last = snapshot.page_back(TREE, from, to, 1).unwrap();
    assert_eq!(keys(&last), [&(count - 1).to_be_bytes()[..]]);
}

pub(super) fn prefixes(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    for key in [&b"a"[..], b"a\xff", b"a\xff\xff", b"a\xff\xffz", b"b", b"\xff", b"\xff\xff", b"\xff\xff\x01"]
    {
        put(&*store, TREE, key, b"", Durability::Lazy);
    }
    put(&*store, Tree::ByMeta, b"\xff\xff\x02", b"", Durability::Lazy);
    let snapshot = store.snapshot().unwrap();
    let found = |prefix: &[u8]| -> Vec<Vec<u8>> {
        snapshot.prefix(TREE, prefix, 100).unwrap().into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(found(b"a\xff"), [&b"a\xff"[..], b"a\xff\xff", b"a\xff\xffz"]);
    assert_eq!(found(b"\xff\xff"), [&b"\xff\xff"[..], b"\xff\xff\x01"]);
    assert_eq!(found(b"").len(), 8);
    assert_eq!(found(b"c").len(), 0);
}

pub(super) fn isolation(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    let mut views = Vec::new();
    for round in 0..50_u32 {
        let mut batch = Batch::new();
        batch.put(TREE, "both", round.to_be_bytes());
        batch.put(Tree::Blocks, "both", round.to_be_bytes());
        batch.put(TREE, format!("only {round:02}"), "");
        store.commit(batch, Durability::Lazy).unwrap();
        views.push((round, store.snapshot().unwrap()));
    }
    for (round, view) in views {
        let expected = Some(round.to_be_bytes().to_vec());
        assert_eq!(view.get(TREE, b"both").unwrap(), expected);
        assert_eq!(view.get(Tree::Blocks, b"both").unwrap(), expected);
        assert_eq!(view.prefix(TREE, b"only", 100).unwrap().len(), round as usize + 1);
    }
}

pub(super) fn long_snapshot(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    put(&*store, TREE, b"k", b"old", Durability::Flushed);
    let long = store.long_snapshot().unwrap();
    let mut written = 0_u32;
    for round in 0..200_u32 {
        let mut batch = Batch::new();
        batch.put(TREE, "k", round.to_be_bytes());
        for n in 0..200_u32 {
            let key = (round * 200 + n).wrapping_mul(2_654_435_761);
            batch.put(Tree::Pins, key.to_be_bytes(), [7; 150]);
        }
        match store.commit(batch, Durability::Lazy) {
            Ok(()) => written += 1,
            // An engine that cannot write beside it says so.
            Err(StoreError::Busy) => {
                assert!(matches!(store.recover(), Err(StoreError::Busy)), "it is not over");
                store.sync().unwrap();
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(long.get(TREE, b"k").unwrap().as_deref(), Some(&b"old"[..]));
    assert_eq!(long.prefix(Tree::Pins, b"", 10).unwrap(), []);
    drop(long);
    put(&*store, TREE, b"k", b"new", Durability::Flushed);
    assert_eq!(get(&*store, TREE, b"k").as_deref(), Some(&b"new"[..]));
    let mut cursor = Cursor::all(Tree::Pins);
    let mut rows = 0;
    while !cursor.is_done() {
        rows += cursor.next_page(&*store, MAX_PAGE).unwrap().len();
    }
    assert_eq!(rows, written as usize * 200);
}

pub(super) fn cursor(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    let mut batch = Batch::new();
    for n in 0..100_u8 {
        batch.put(TREE, [n * 2], [n]);
    }
    store.commit(batch, Durability::Flushed).unwrap();
    let mut cursor = Cursor::all(TREE);
    let mut seen = Vec::new();
    while !cursor.is_done() {
        let page = cursor.next_page(&*store, 7).unwrap();
        seen.extend(page.iter().map(|(key, _)| key[0]));
        if let Some(last) = seen.last().copied() {
            let mut batch = Batch::new();
            // Behind the cursor: must not come again. The row it stands on may go.
            batch.put(TREE, [last.saturating_sub(1)], "behind");
            batch.delete(TREE, [last]);
            if last == 110 {
                batch.put(TREE, [111], "ahead");
            }
            store.commit(batch, Durability::Lazy).unwrap();
        }
    }
    let rising = seen.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(rising, "{seen:?}");
    assert_eq!(seen.iter().filter(|key| *key % 2 == 0).count(), 100, "{seen:?}");
}
