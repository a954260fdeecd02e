//! The form in which recordings are kept.

use super::{
    bitswap_oracle,
    tape::{StreamRecord, Tape, Told},
};
use crate::{BITSWAP_PROTOCOLS, RPC_PROTOCOL, rpc::oracle::Plain};
use cluster_consensus::crdt::Broadcast;
use cluster_core::PeerId;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path};

/// Messages of the gossip that are kept of one kind and author; heads are all kept.
const OF_ONE_KIND: usize = 2;

/// Writes what was recorded between the peers `ours` and `go` into three files of a folder; what was said before
/// is left out.
pub(super) fn write(folder: &Path, tape: &Tape, ours: PeerId, go: PeerId) {
    let (streams, told) = (tape.streams(), tape.told());
    let files = [
        ("live-rpc-frames.json", "Calls between a Go peer and this suite, both directions.", calls(&streams)),
        ("live-gossip.json", "Metrics and heads of a Go peer and of this suite.", gossip(&told, go)),
        ("live-bitswap.json", "Bitswap messages between a Go peer and this suite.", bitswap(&streams)),
    ];
    for (name, about, vectors) in files {
        let peers = json!({ "go": go.to_string(), "ours": ours.to_string() });
        let file = json!({ "about": about, "peers": peers, "vectors": vectors });
        fs::write(folder.join(name), format!("{:#}\n", file)).unwrap();
    }
}

fn calls(streams: &[StreamRecord]) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let mut vectors = Vec::new();
    for stream in streams.iter().filter(|stream| stream.protocol == RPC_PROTOCOL) {
        let (call, reply) = match stream.by_us {
            true => (&stream.sent, &stream.received),
            false => (&stream.received, &stream.sent),
        };
        if !seen.insert((stream.by_us, call)) {
            continue;
        }
        let service = Plain::read_all(call).remove(0);
        let name = |key| service.field(key).unwrap().text();
        let method = format!("{}.{}", name("Name"), name("Method"));
        let (direction, what) = match stream.by_us {
            true => ("call-go", format!("we call {method} on go")),
            false => ("go-calls", format!("go calls {method} on us")),
        };
        vectors.push(json!({
            "name": format!("{direction}-{method}-live{}", vectors.len()),
            "what": format!("{what}; hex = everything the caller wrote, reply_hex = the answer"),
            "hex": hex::encode(call),
            "reply_hex": hex::encode(reply),
        }));
    }
    vectors
}

fn gossip(told: &[Told], go: PeerId) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let mut vectors = Vec::<Value>::new();
    for Told { topic, author, payload } in told {
        if !seen.insert((author, payload)) {
            continue;
        }
        let (kind, decoded) = if topic == "monitor.metrics" {
            let metric = metric(payload);
            (metric["n"].as_str().unwrap().to_owned(), metric)
        } else {
            let heads = Broadcast::decode(payload).unwrap().heads;
            let heads: Vec<String> = heads.iter().map(|head| head.cid().to_string()).collect();
            ("heads".to_owned(), json!({ "heads": heads }))
        };
        let prefix = format!("{kind}-{}-", if *author == go { "go" } else { "ours" });
        let same = |vector: &&Value| vector["name"].as_str().unwrap().starts_with(&prefix);
        let count = vectors.iter().filter(same).count();
        if kind == "heads" || count < OF_ONE_KIND {
            vectors.push(json!({
                "name": format!("{prefix}{count}"),
                "what": "hex = the data field of the gossip's message",
                "topic": topic,
                "from": author.to_string(),
                "hex": hex::encode(payload),
                "decoded": decoded,
            }));
        }
    }
    vectors
}

/// Reads a metric with the other decoder.
fn metric(payload: &[u8]) -> Value {
    let metric = Plain::read_all(payload).remove(0);
    let mut decoded = json!({});
    for key in ["n", "v", "e", "d", "w", "o", "p"] {
        decoded[key] = match metric.field(key) {
            Some(Plain::Raw(bytes)) if key == "p" => {
                format!("peer:{}", PeerId::from_bytes(bytes).unwrap()).into()
            }
            Some(Plain::Raw(bytes)) => String::from_utf8(bytes.clone()).unwrap().into(),
            Some(Plain::Number(number)) => i64::try_from(*number).unwrap().into(),
            Some(Plain::Flag(flag)) => (*flag).into(),
            Some(other) => panic!("{other:?}"),
            None => continue,
        };
    }
    decoded
}

fn bitswap(streams: &[StreamRecord]) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let mut vectors = Vec::new();
    for stream in streams.iter().filter(|stream| BITSWAP_PROTOCOLS.contains(&stream.protocol)) {
        for (direction, bytes) in [("to-go", &stream.sent), ("from-go", &stream.received)] {
            for frame in bitswap_oracle::frames(bytes) {
                if seen.insert((direction, frame)) {
                    vectors.push(json!({
                        "name": format!("{direction}-live{}", vectors.len()),
                        "what": format!("hex = length and message on {}", stream.protocol),
                        "hex": hex::encode(frame),
                        "decoded": bitswap_oracle::reading(frame),
                    }));
                }
            }
        }
    }
    vectors
}
