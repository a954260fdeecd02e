use super::*;
use cluster_core::{Pin, PinKey};

fn vectors(text: &str) -> Vec<serde_json::Value> {
    let file: serde_json::Value = serde_json::from_str(text).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn hex(value: &serde_json::Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// Every captured block hashes to its CID, decodes to its stated links, elements, tombstones and priority, and
/// encodes to the same bytes.
#[test]
fn captured_blocks_decode_and_encode_to_the_same_bytes() {
    let all = vectors(include_str!("../../../../../tests/vectors/crdt-blocks.json"));
    assert_eq!(all.len(), 21);
    for vector in &all {
        let name = vector["name"].as_str().unwrap();
        let bytes = hex(&vector["hex"]);
        let id = BlockId::of(&bytes);
        assert_eq!(id.cid().to_string(), vector["cid"].as_str().unwrap(), "{name}");
        assert_eq!(id.cid_bytes().to_vec(), hex(&vector["cid_hex"]), "{name}");
        let block = Block::decode(&bytes).unwrap();
        let decoded = &vector["decoded"];
        let links: Vec<String> = block.links.iter().map(ToString::to_string).collect();
        let wanted: Vec<&str> =
            decoded["links"].as_array().unwrap().iter().map(|l| l["cid"].as_str().unwrap()).collect();
        assert_eq!(links, wanted, "{name}");
        let delta = &decoded["delta"];
        assert_eq!(block.delta.priority, delta["priority"].as_u64().unwrap(), "{name}");
        let elements = delta["elements"].as_array().unwrap();
        assert_eq!(block.delta.elements.len(), elements.len(), "{name}");
        for (element, wanted) in block.delta.elements.iter().zip(elements) {
            assert_eq!(element.key, wanted["key"].as_str().unwrap(), "{name}");
            assert_eq!(element.value, hex(&wanted["value_hex"]), "{name}");
            let key = PinKey::from_datastore_key(&element.key).unwrap();
            assert_eq!(key.cid().to_string(), wanted["key_cid"].as_str().unwrap(), "{name}");
            assert_eq!(Pin::decode(&key, &element.value).unwrap().encode(), element.value, "{name}");
        }
        let tombstones = delta["tombstones"].as_array().unwrap();
        assert_eq!(block.delta.tombstones.len(), tombstones.len(), "{name}");
        for (tombstone, wanted) in block.delta.tombstones.iter().zip(tombstones) {
            assert_eq!(tombstone.key, wanted["key"].as_str().unwrap(), "{name}");
            assert_eq!(tombstone.id, wanted["id"].as_str().unwrap(), "{name}");
            match wanted["removes_block"].as_str() {
                Some(removed) if name != "bad-tombstone-without-slash" => {
                    let id = BlockId::from_datastore_key(&tombstone.id).unwrap();
                    assert_eq!(id.to_string(), removed, "{name}");
                    assert_eq!(id.to_datastore_key(), tombstone.id, "{name}");
                }
                _ => assert!(BlockId::from_datastore_key(&tombstone.id).is_err(), "{name}"),
            }
        }
        assert_eq!(block.encode(), bytes, "{name}");
    }
}

#[test]
fn captured_broadcasts_decode_and_encode_to_the_same_bytes() {
    let all = vectors(include_str!("../../../../../tests/vectors/gossip-heads.json"));
    assert_eq!(all.len(), 7);
    for vector in &all {
        let bytes = hex(&vector["hex"]);
        let broadcast = super::super::Broadcast::decode(&bytes).unwrap();
        assert!(!broadcast.heads.is_empty());
        for head in &broadcast.heads {
            assert!(vector["decoded"].to_string().contains(&head.to_string()), "{}", vector["name"]);
        }
        assert_eq!(broadcast.encode(), bytes, "{}", vector["name"]);
    }
    let v0 = hex::decode("1220").unwrap();
    assert!(super::super::Broadcast::decode(&v0).is_err());
}

#[test]
fn garbage_is_an_error_and_never_a_panic() {
    let good = hex(&vectors(include_str!("../../../../../tests/vectors/crdt-blocks.json"))[2]["hex"]);
    for cut in 0..good.len() {
        let _ = Block::decode(&good[..cut]);
    }
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        let _ = Block::decode(&bad);
    }
    assert_eq!(Block::decode(&[]), Err(BlockError::Node("no data field")));
    assert_eq!(Block::decode(&vec![0; MAX_BLOCK + 1]), Err(BlockError::TooLarge { size: MAX_BLOCK + 1 }));
}
