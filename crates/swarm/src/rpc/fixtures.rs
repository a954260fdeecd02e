//! The recordings, and the values that the examples of the wire-protocol reference are made of.

use super::{encoder::Encoder, wire::Wire};
use cluster_core::{Cid, Multiaddr, PeerId};

pub(super) const CID_1: &str = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
pub(super) const TIME: u64 = 1_700_000_000;

pub(super) fn peer_a() -> PeerId {
    "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5".parse().unwrap()
}

pub(super) fn peer_b() -> PeerId {
    "12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq".parse().unwrap()
}

pub(super) fn cid_1() -> Cid {
    CID_1.parse().unwrap()
}

pub(super) fn address_1() -> Multiaddr {
    format!("/ip4/127.0.0.1/tcp/9096/p2p/{}", peer_a()).parse().unwrap()
}

pub(super) fn address_2() -> Multiaddr {
    "/ip4/10.0.0.1/tcp/4001".parse().unwrap()
}

/// Makes bytes of hex digits with the reference's placeholders `<A>`, `<B>`, `<C1>`, `<M1>`, `<M2>` and spaces.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    let a = "0024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
    let b = "0024080112208139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394";
    let text = text
        .replace("<M1>", "047f000001062388a50326<A>")
        .replace("<M2>", "040a000001060fa1")
        .replace("<A>", a)
        .replace("<B>", b)
        .replace("<C1>", "01551220c7d01489080858c500065836c658f847a6ca67c4864619212be4f8200e4bbace");
    hex::decode(text.split_whitespace().collect::<String>()).unwrap()
}

/// Writes one value.
pub(super) fn encoded(value: &impl Wire) -> Vec<u8> {
    let mut to = Encoder::default();
    value.write(&mut to);
    to.into_bytes()
}

/// A recorded call.
#[derive(Clone)]
pub(super) struct Recording {
    pub(super) name: String,
    /// Such as `Cluster.ID`; empty when it is none.
    pub(super) method: String,
    /// Text ID of the Go peer that was called.
    pub(super) called: PeerId,
    pub(super) call: Vec<u8>,
    pub(super) reply: Vec<u8>,
    pub(super) decoded: serde_json::Value,
}

fn file(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

fn vectors(file: &serde_json::Value) -> impl Iterator<Item = &serde_json::Value> {
    file["vectors"].as_array().unwrap().iter()
}

fn bytes_of(vector: &serde_json::Value, key: &str) -> Vec<u8> {
    hex::decode(vector[key].as_str().unwrap()).unwrap()
}

fn recording(vector: &serde_json::Value, called: &serde_json::Value) -> Recording {
    let name = vector["name"].as_str().unwrap().to_owned();
    let method = name.trim_start_matches("go-calls-").trim_start_matches("call-go-");
    let method = method.rsplit_once('-').unwrap().0;
    Recording {
        method: if method.contains('.') { method.to_owned() } else { String::new() },
        called: called.as_str().unwrap().parse().unwrap(),
        call: bytes_of(vector, "hex"),
        reply: bytes_of(vector, "reply_hex"),
        decoded: vector["decoded"].clone(),
        name,
    }
}

/// Reads all recorded calls: those of a probe, then those of this crate.
pub(super) fn recordings() -> Vec<Recording> {
    let peers = &file(include_str!("../../../../tests/vectors/fixtures.json"))["peers"];
    let probe = file(include_str!("../../../../tests/vectors/rpc-frames.json"));
    let probe = vectors(&probe).map(|vector| {
        let on_3 = vector["what"].as_str().unwrap().contains("on go3");
        recording(vector, &peers[if on_3 { "go3" } else { "go1" }]["id"])
    });
    let live = file(include_str!("../../../../tests/vectors/live-rpc-frames.json"));
    let live = vectors(&live).map(|vector| recording(vector, &live["peers"]["go"]));
    probe.chain(live).collect()
}

/// Reads all recorded metrics: the payload and its reading.
pub(super) fn metrics() -> Vec<(Vec<u8>, serde_json::Value)> {
    let probe = file(include_str!("../../../../tests/vectors/gossip-metrics.json"));
    let live = file(include_str!("../../../../tests/vectors/live-gossip.json"));
    vectors(&probe)
        .chain(vectors(&live))
        .filter(|vector| vector["topic"] == "monitor.metrics")
        .map(|vector| (bytes_of(vector, "hex"), vector["decoded"].clone()))
        .collect()
}
