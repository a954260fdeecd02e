//! What the recordings say together: heads were told, and the blocks they name were asked for and served.

use super::bitswap_oracle;
use cluster_consensus::crdt::{Block, BlockId, Broadcast};
use cluster_core::{Pin, PinKey};
use serde_json::Value;
use std::collections::BTreeMap;

fn file(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn bytes(vector: &Value) -> Vec<u8> {
    hex::decode(vector["hex"].as_str().unwrap()).unwrap()
}

fn vectors(file: &Value) -> impl Iterator<Item = &Value> {
    file["vectors"].as_array().unwrap().iter()
}

/// Returns the blocks that one side sent.
fn served(direction: &str) -> BTreeMap<BlockId, Vec<u8>> {
    let file = file(include_str!("../../../../tests/vectors/live-bitswap.json"));
    let sent = vectors(&file).filter(|vector| vector["name"].as_str().unwrap().starts_with(direction));
    sent.flat_map(|vector| bitswap_oracle::blocks(&bytes(vector))).collect()
}

#[test]
fn every_head_that_was_told_was_served_and_reads_as_a_block_of_pins() {
    let gossip = file(include_str!("../../../../tests/vectors/live-gossip.json"));
    let heads = vectors(&gossip).filter(|vector| vector["topic"] != "monitor.metrics");
    let (mut told, mut linked) = (Vec::new(), 0);
    for vector in heads {
        let payload = bytes(vector);
        let broadcast = Broadcast::decode(&payload).unwrap();
        assert_eq!(broadcast.encode(), payload, "{}", vector["name"]);
        let [head] = broadcast.heads[..] else { panic!("{broadcast:?}") };
        assert_eq!(vector["decoded"]["heads"][0], head.cid().to_string());

        let by_go = vector["from"] == gossip["peers"]["go"];
        let blocks = served(if by_go { "from-go" } else { "to-go" });
        let data = &blocks[&head];
        let block = Block::decode(data).unwrap();
        assert_eq!(hex::encode(block.encode()), hex::encode(data), "{}", vector["name"]);
        assert_eq!(block.delta.priority, told.len() as u64 + 1);
        for element in &block.delta.elements {
            let pin =
                Pin::decode(&PinKey::from_datastore_key(&element.key).unwrap(), &element.value).unwrap();
            assert_eq!(hex::encode(pin.encode()), hex::encode(&element.value));
        }
        // Each writer built on what the other one wrote.
        assert_eq!(block.links, told.last().copied().into_iter().collect::<Vec<_>>());
        linked += block.links.len();
        told.push(head);
    }
    assert_eq!((told.len(), linked), (5, 4));
}
