//! The same log leads to the same pinset, however it is grouped, wherever it is carried out.

use super::{
    super::type_config::Entry,
    peer::{Peer, add, at, config, proposed, remove, replicated, with_id},
};
use cluster_core::{
    PeerId, ReplicationFactors, UnixMillis,
    pinset::requests,
    ports::{
        consensus::{Operation, OperationKind, Precondition},
        datastore::Tree,
    },
};
use cluster_datastore::MemoryStore;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// A log with everything whose outcome could depend on the peer: request ids that grow old, clocks that run back when the
/// leader changes, candidates, preconditions.
fn log(random: &mut ChaCha8Rng, length: u64) -> Vec<Entry> {
    let candidates: Vec<PeerId> = (0..4).map(|_| PeerId::random()).collect();
    let mut now = 1_700_000_000_000u64;
    let day = u64::try_from(requests::MAX_AGE.as_millis()).unwrap();
    let mut entries = Vec::new();
    for index in 1..=length {
        now += random.random_range(0..day / 100);
        let skewed = now - random.random_range(0..day / 50);
        let number = random.random_range(0..20);
        let mut operation = match random.random_range(0..4) {
            0 => remove(number),
            _ => add(number, &format!("name {}", random.random_range(0..3))),
        };
        if let OperationKind::Pin(pin) = &mut operation.kind
            && random.random_bool(0.5)
        {
            pin.options.replication = ReplicationFactors { min: 1, max: 2 };
        }
        operation.ranked_candidates = candidates.clone();
        if random.random_bool(0.2) {
            operation.precondition = Precondition::IfAbsent;
        }
        if random.random_bool(0.7) {
            operation = with_id(operation, &format!("id {}", random.random_range(0..40)));
        }
        entries.push(proposed(at(index), operation, UnixMillis(skewed)));
    }
    entries
}

/// Carries out a log in groups of random size, with restarts in between.
async fn carry_out(
    seed: u64,
    entries: &[Entry],
    replication: ReplicationFactors,
) -> Vec<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    // Some peers write many batches, others few: what depends on their number shows.
    let most = if seed.is_multiple_of(2) { 3 } else { 200 };
    let store = Arc::new(MemoryStore::new());
    let config = || cluster_core::pinset::WriterConfig { replication, ..config(PeerId::random()) };
    let mut peer = Peer::open_as(store.clone(), config()).await.unwrap();
    let mut rest = entries;
    while !rest.is_empty() {
        let (group, after) = rest.split_at(random.random_range(1..=rest.len().min(most)));
        peer.apply(group).await.unwrap();
        rest = after;
        if random.random_bool(0.1) {
            peer.stop().await;
            peer = Peer::open_as(store.clone(), config()).await.unwrap();
        }
    }
    let all = replicated(&*peer.store);
    peer.stop().await;
    all
}

#[tokio::test]
async fn groups_clocks_and_settings_of_a_peer_change_nothing() {
    for seed in 0..6 {
        let entries = log(&mut ChaCha8Rng::seed_from_u64(seed), 900);
        let expected = carry_out(1, &entries, ReplicationFactors::EVERYWHERE).await;
        assert!(!expected[0].is_empty() && !expected[1].is_empty(), "there is something to compare");
        for grouping in 2..5 {
            let other = ReplicationFactors { min: 1, max: 3 };
            assert_eq!(
                carry_out(grouping, &entries, other).await,
                expected,
                "seed {seed}, grouping {grouping}"
            );
        }
    }
}

#[tokio::test]
async fn a_request_is_forgotten_at_the_same_index_by_all() {
    let store = Arc::new(MemoryStore::new());
    let mut peer = Peer::open(store.clone()).await;
    let day = UnixMillis(1_700_000_000_000);
    let later = day.plus(requests::MAX_AGE * 2);
    let outcomes = |peer: &Peer| {
        let ids = super::peer::rows(&*peer.store, Tree::Requests);
        ids.iter().filter(|(key, _)| key.first() == Some(&b'r')).count()
    };
    peer.apply(&[proposed(at(1), with_id(add(1, "one"), "id"), day)]).await.unwrap();
    // Time alone forgets nothing before the next index at which all do.
    peer.apply(&[proposed(at(62), add(2, ""), later)]).await.unwrap();
    assert_eq!(outcomes(&peer), 1);
    // By then the clock has run back, Raft's has not.
    peer.apply(&[proposed(at(64), add(3, ""), day)]).await.unwrap();
    assert_eq!(outcomes(&peer), 0);
    let again = Operation { precondition: Precondition::IfAbsent, ..with_id(add(1, "one"), "id") };
    let mut waiter = peer.waiters.register(65);
    peer.apply(&[proposed(at(65), again, day)]).await.unwrap();
    assert!(waiter.outcome().await.is_err(), "it is a new request now");
    peer.assert_consistent();
    peer.stop().await;
}
