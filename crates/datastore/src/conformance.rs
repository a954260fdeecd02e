//! What every engine does, as runnable cases. Each begins with an empty store.
//!
//! Run from a test of the engine; a failed expectation panics and names the case.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod durability;
mod failure;
mod reads;
mod threads;
mod writes;

use cluster_core::ports::datastore::{Batch, Datastore, Durability, StoreError, Tree};
use std::sync::Arc;

/// One store under test, from creation over crashes to its end.
pub trait Fixture {
    /// Opens the store, or reopens what is left of it. All earlier handles were closed or crashed.
    fn open(&mut self) -> Arc<dyn Datastore>;

    /// Ends `store` without an orderly stop: what was not flushed may be lost. The next [`Fixture::open`] shows what
    /// is left. False when this engine cannot be crashed.
    fn crash(&mut self, store: Arc<dyn Datastore>) -> bool;

    /// Makes the next write of `store` fail. False when failures cannot be injected.
    fn fail_next_write(&mut self, store: &dyn Datastore) -> bool;
}

type Case = (&'static str, fn(&mut dyn Fixture));

const CASES: &[Case] = &[
    ("a batch spans trees and is visible as a whole", writes::spans_trees),
    ("the later write to a key wins", writes::later_write_wins),
    ("deletes remove rows, also such as never were", writes::deletes),
    ("trees do not see each other's rows", writes::trees_are_apart),
    ("empty keys and values are rows", writes::empty_keys_and_values),
    ("values of 1 MiB come back", writes::large_values),
    ("commits take effect in order", writes::order),
    ("commits of several threads have one order, and a prefix of it survives", threads::one_order),
    ("a failed write of one thread stops all until the store recovers", threads::failure),
    ("an empty lazy batch does nothing", writes::empty_batch),
    ("pages honour bounds of every kind", reads::bounds),
    ("pages are cut to the limit and to the longest page", reads::limits),
    ("prefixes end where they should, also after 0xff", reads::prefixes),
    ("a snapshot does not see later commits", reads::isolation),
    ("a long snapshot stays while much is written", reads::long_snapshot),
    ("a cursor goes on across commits", reads::cursor),
    ("flushed commits survive a crash, in order", durability::flushed_survives),
    ("lazy commits survive an orderly close", durability::lazy_survives_close),
    ("what survives a crash is a prefix", durability::prefix),
    ("an empty flushed batch and sync flush what came before", durability::empty_flush),
    ("a closed handle answers with errors", durability::closed),
    ("after a failed write the store is read-only until it recovers", failure::read_only),
    ("recovery of a healthy store changes nothing", failure::healthy_recovery),
];

/// Runs every case, each on a store of its own that `new_fixture` makes.
///
/// # Panics
/// When the engine does not do what the port promises.
pub fn run(new_fixture: &dyn Fn() -> Box<dyn Fixture>) {
    for (name, case) in CASES {
        println!("case: {name}");
        case(&mut *new_fixture());
    }
}

fn put(store: &dyn Datastore, tree: Tree, key: &[u8], value: &[u8], durability: Durability) {
    let mut batch = Batch::new();
    batch.put(tree, key, value);
    store.commit(batch, durability).expect("commit");
}

fn get(store: &dyn Datastore, tree: Tree, key: &[u8]) -> Option<Vec<u8>> {
    store.snapshot().expect("snapshot").get(tree, key).expect("get")
}

fn is_closed<T>(answer: Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Closed))
}
