//! Blocks captured from Go peers, through the production writer.

use super::replica::Replica;
use cluster_consensus::crdt::{Block, BlockId, Packing};
use cluster_core::{
    Cid, PinKey,
    pinset::{TrackedState, read},
    ports::{Datastore, datastore::Tree},
};

fn vectors(text: &str) -> Vec<serde_json::Value> {
    let file: serde_json::Value = serde_json::from_str(text).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn bytes_of(value: &serde_json::Value) -> Vec<u8> {
    hex::decode(value["hex"].as_str().unwrap()).unwrap()
}

fn blocks() -> Vec<serde_json::Value> {
    vectors(include_str!("../../../../tests/vectors/crdt-blocks.json"))
}

fn block(name: &str) -> Vec<u8> {
    bytes_of(blocks().iter().find(|v| v["name"] == name).unwrap())
}

/// After each block the pin has the name that Go showed.
///
/// The one difference is documented: of a key that one delta repeats, Go shows the last value when it merges the
/// block directly and the greatest when it recomputes. Peers then show different pins depending on the order in
/// which blocks came. Ours always show the greatest, and our writers never repeat a key.
#[test]
fn merging_ends_as_it_did_on_go_peers() {
    let scenarios = vectors(include_str!("../../../../tests/vectors/crdt-merge-scenarios.json"));
    assert_eq!(scenarios.len(), 4);
    let mut steps = 0;
    for scenario in &scenarios {
        let name = scenario["name"].as_str().unwrap();
        let cid: Cid = scenario["key_cid"].as_str().unwrap().parse().unwrap();
        let mut replica = Replica::new(Packing::Immediate);
        let all: Vec<Vec<u8>> = scenario["steps"].as_array().unwrap().iter().map(bytes_of).collect();
        let listed: Vec<BlockId> = all.iter().map(|bytes| BlockId::of(bytes)).collect();
        let links = all.iter().flat_map(|bytes| Block::decode(bytes).unwrap().links);
        let foreign: Vec<BlockId> = links.filter(|link| !listed.contains(link)).collect();
        replica.pretend_merged(&foreign);
        for (step, bytes) in scenario["steps"].as_array().unwrap().iter().zip(&all) {
            replica.merge(bytes);
            let wanted = match (name, step["go_shows_pin_name"].as_str()) {
                ("repeated-key-descending", Some("aaa1")) => Some("zzz1"),
                (_, shown) => shown,
            };
            assert_eq!(replica.name(&cid).as_deref(), wanted, "{name}: {}", step["why"]);
            // Go tells its tracker of each removal, also when another add keeps the pin.
            let row =
                read::tracker_row(&*replica.store.snapshot().unwrap(), &PinKey::from_cid(&cid)).unwrap();
            let state = row.map(|row| row.state);
            let unpins = matches!(state, Some(TrackedState::UnpinQueued) | None);
            assert_eq!(unpins, wanted.is_none(), "{name}: {}: {state:?}", step["why"]);
            steps += 1;
        }
    }
    assert_eq!(steps, 12);
}

/// The same blocks in every other order give the same pin.
#[test]
fn the_order_of_arrival_does_not_matter() {
    let scenarios = vectors(include_str!("../../../../tests/vectors/crdt-merge-scenarios.json"));
    for scenario in &scenarios {
        let cid: Cid = scenario["key_cid"].as_str().unwrap().parse().unwrap();
        let all: Vec<Vec<u8>> = scenario["steps"].as_array().unwrap().iter().map(bytes_of).collect();
        let mut states = Vec::new();
        for turn in 0..all.len() {
            for backwards in [false, true] {
                let mut order: Vec<&Vec<u8>> = all.iter().cycle().skip(turn).take(all.len()).collect();
                if backwards {
                    order.reverse();
                }
                let mut replica = Replica::new(Packing::Immediate);
                order.into_iter().for_each(|bytes| {
                    replica.merge(bytes);
                });
                let state = [Tree::Pins, Tree::Elements, Tree::Tombstones].map(|tree| replica.rows(tree));
                states.push((replica.name(&cid), state));
            }
        }
        assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "{}", scenario["name"]);
    }
}

#[test]
fn a_chain_of_go_gives_its_pins_whichever_block_comes_first() {
    let chain: Vec<Vec<u8>> = (1..=5).map(|n| block(&format!("chain-{n}"))).collect();
    let cid = |text: &str| text.parse::<Cid>().unwrap();
    for top_down in [false, true] {
        let mut replica = Replica::new(Packing::Immediate);
        let order: Vec<&Vec<u8>> =
            if top_down { chain.iter().rev().collect() } else { chain.iter().collect() };
        for bytes in order {
            replica.merge(bytes);
        }
        assert_eq!(replica.name(&cid("bafkqaaa")).as_deref(), Some(""));
        assert_eq!(replica.name(&cid("bafkqaalb")).as_deref(), Some("two"));
        assert_eq!(replica.name(&cid("bafkqabdunb4gk")).as_deref(), Some("three"));
        assert_eq!(replica.name(&cid("bafkqabdxo5ygc")), None);
        assert_eq!(replica.writer.backend().heads(), [BlockId::of(&chain[4])]);
        assert_eq!(replica.writer.backend().open_walks(), 0);
        assert_eq!(replica.mismatches(), Vec::<String>::new());
    }
}

#[test]
fn every_captured_block_can_be_merged() {
    let mut replica = Replica::new(Packing::Immediate);
    let all = blocks();
    for vector in &all {
        replica.merge(&bytes_of(vector));
    }
    assert_eq!(replica.rows(Tree::Merged).len(), all.len());
    assert_eq!(replica.mismatches(), Vec::<String>::new());
}

#[test]
fn a_tombstone_without_slash_removes_nothing() {
    let mut replica = Replica::new(Packing::Immediate);
    let cid: Cid = "bafkqacaaaaaaabm2koaq".parse().unwrap();
    replica.merge(&block("multi-head-2015"));
    assert!(replica.name(&cid).is_some());
    replica.merge(&block("bad-tombstone-without-slash"));
    assert!(replica.name(&cid).is_some());
    assert_eq!(replica.rows(Tree::Tombstones), []);
}
