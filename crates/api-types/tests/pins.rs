//! Pins stored by live peers convert to the JSON those peers showed; imports follow their rules.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_api_types::{Pin, core, json};
use serde_json::Value;
use std::collections::BTreeSet;

fn vectors() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/pins-protobuf.json");
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn stored(vector: &Value) -> core::Pin {
    let key = core::PinKey::from_datastore_key(vector["key"].as_str().unwrap()).unwrap();
    core::Pin::decode(&key, &hex::decode(vector["hex"].as_str().unwrap()).unwrap()).unwrap()
}

fn line(pin: &Pin) -> Vec<u8> {
    let mut out = Vec::new();
    json::to_line(pin, &mut out).unwrap();
    out
}

/// A key that was pinned twice has two vectors and shows the newest one's JSON in both.
fn older_values(vectors: &[Value]) -> BTreeSet<String> {
    let newest = |key: &Value| {
        vectors.iter().filter(|v| v["key"] == *key).map(|v| v["decoded"]["timestamp"].as_u64()).max().unwrap()
    };
    vectors
        .iter()
        .filter(|v| {
            v["decoded"]["timestamp"].as_u64() != newest(&v["key"])
                || v["decoded"]["options"]["name"].as_str().unwrap_or("") != v["rest_json"]["name"]
        })
        .map(|v| v["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn stored_pins_show_as_the_live_peer_showed_them() {
    let vectors = vectors();
    let older = older_values(&vectors);
    assert_eq!(older.iter().collect::<Vec<_>>(), ["pin-ZzgaXjNF-addtest"]);
    let mut compared = 0;
    for vector in vectors.iter().filter(|v| !older.contains(v["name"].as_str().unwrap())) {
        let ours = line(&Pin::from(&stored(vector)));
        let value: Value = serde_json::from_slice(&ours).unwrap();
        assert_eq!(value, vector["rest_json"], "{}", vector["name"]);
        compared += 1;
    }
    assert!(compared >= 14, "{compared}");
}

#[test]
fn the_bytes_are_those_of_the_recording() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/pins-protobuf.json");
    // Squeezed: no text in the file has a space that matters to the pins compared here.
    let squeezed: String = std::fs::read_to_string(path).unwrap().split_whitespace().collect();
    let vectors = vectors();
    let older = older_values(&vectors);
    for vector in vectors.iter().filter(|v| !older.contains(v["name"].as_str().unwrap())) {
        let ours = String::from_utf8(line(&Pin::from(&stored(vector)))).unwrap();
        assert!(squeezed.contains(&format!("\"rest_json\":{}", ours.trim_end())), "{ours}");
    }
}

#[test]
fn json_of_a_pin_converts_back_to_the_stored_bytes() {
    for vector in vectors() {
        let pin = stored(&vector);
        let again: core::Pin = json::from_slice::<Pin>(&line(&Pin::from(&pin))).unwrap().try_into().unwrap();
        assert_eq!(hex::encode(again.encode()), hex::encode(pin.encode()), "{}", vector["name"]);
    }
}

#[test]
fn a_minimal_import_takes_zero_values() {
    let text = r#"{
        "cid": "bafkqaaa", "name": "x", "mode": "recursive", "user_allocations": ["nobody"],
        "allocations": [], "replication_factor_min": -1, "replication_factor_max": -1
    }"#;
    let pin: core::Pin = json::from_slice::<Pin>(text.as_bytes()).unwrap().try_into().unwrap();
    assert_eq!(pin.kind, core::PinKind::Bad);
    assert_eq!(pin.depth, core::PinDepth::DIRECT);
    assert_eq!(pin.timestamp, None);
    assert!(pin.options.user_allocations.is_empty());
}

#[test]
fn mistakes_name_their_field() {
    let error = |text: &str| {
        core::Pin::try_from(json::from_slice::<Pin>(text.as_bytes()).unwrap()).unwrap_err().to_string()
    };
    assert_eq!(error("{}"), "cid: missing");
    assert_eq!(error(r#"{"cid":"x"}"#), "cid: \"x\" is not a CID");
    assert_eq!(error(r#"{"cid":"bafkqaaa","allocations":["y"]}"#), "allocations: \"y\" is not a peer ID");
    assert_eq!(error(r#"{"cid":"bafkqaaa","origins":["z"]}"#), "origins: \"z\" is not a multiaddress");
    assert_eq!(error(r#"{"cid":"bafkqaaa","reference":"r"}"#), "reference: \"r\" is not a CID");
    assert_eq!(
        error(r#"{"cid":"bafkqaaa","expire_at":"1960-01-01T00:00:00Z"}"#),
        "expire_at: 1960-01-01T00:00:00Z lies before 1970"
    );
}
