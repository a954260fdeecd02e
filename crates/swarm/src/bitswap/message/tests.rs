use super::{Ask, MAX_ENTRIES, Message, Want, dag_cid, parse_cid};
use crate::bitswap::{
    dag_links::dag_links,
    dialect::Dialect,
    fields::{put_bytes, put_number, varint},
};
use cid::Cid;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;

/// Block 1 and the messages about it, as the wire protocol spells them out (§4.8, §4.16).
const NODE: &str = "0a790a750a3b2f41464b524549474832414b49534341494c444351414253594733444652364348553346475052454749594d53434b374537415141345335325a591a360a2401551220c7d01489080858c500065836c658f847a6ca67c4864619212be4f8200e4bbace100120013204080110013880e2cfaa061801";
const CID1: &str = "01701220bcf40a28052350d9e29a61b765db3dbd4aec6f7b7e920632ba422f7b93359d63";

fn vectors(text: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn captured() -> Vec<Value> {
    let mut all = vectors(include_str!("../../../../../tests/vectors/bitswap-messages.json"));
    all.extend(vectors(include_str!("../../../../../tests/vectors/live-bitswap.json")));
    all
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// Takes the length off a frame.
fn body(frame: &[u8]) -> &[u8] {
    let mut rest = frame;
    assert_eq!(varint(&mut rest).unwrap(), rest.len() as u64);
    rest
}

fn cid1() -> Cid {
    parse_cid(&hex::decode(CID1).unwrap()).unwrap()
}

#[test]
fn captured_messages_decode_to_what_they_say() {
    for vector in captured() {
        let message = Message::decode(body(&bytes(&vector["hex"]))).unwrap();
        let decoded = &vector["decoded"];
        let name = vector["name"].as_str().unwrap();

        let wants = decoded["wantlist"].as_array().unwrap();
        assert_eq!(message.wants.len(), wants.len(), "{name}");
        for (got, said) in message.wants.iter().zip(wants) {
            assert_eq!(got.cid.to_string(), said["cid"].as_str().unwrap(), "{name}");
            assert_eq!(i64::from(got.priority), said["priority"].as_i64().unwrap_or(0), "{name}");
            assert_eq!(got.ask == Ask::Cancel, said["cancel"] == 1, "{name}");
            assert_eq!(got.ask == Ask::Have, said["type"] == "have", "{name}");
            assert_eq!(got.dont_have, said["sendDontHave"] == 1, "{name}");
        }
        let blocks = decoded["blocks"].as_array().unwrap();
        assert_eq!(message.blocks.len(), blocks.len(), "{name}");
        for ((cid, data), said) in message.blocks.iter().zip(blocks) {
            assert_eq!(cid.to_string(), said["cid"].as_str().unwrap(), "{name}");
            assert_eq!(data.len() as u64, said["size"].as_u64().unwrap(), "{name}");
        }
        let presences = decoded["presences"].as_array().unwrap();
        assert_eq!(message.presences.len(), presences.len(), "{name}");
        for ((cid, have), said) in message.presences.iter().zip(presences) {
            assert_eq!(cid.to_string(), said["cid"].as_str().unwrap(), "{name}");
            assert_eq!(*have, said["type"] == "HAVE", "{name}");
        }
        assert!(!message.full && message.foreign == 0 && message.skipped == 0, "{name}");
    }
}

#[test]
fn captured_messages_encode_to_the_same_bytes() {
    let all = captured();
    assert_eq!(all.len(), 16 + 13);
    for vector in all {
        let frame = bytes(&vector["hex"]);
        let message = Message::decode(body(&frame)).unwrap();
        assert_eq!(hex::encode(message.encode(Dialect::Current)), hex::encode(frame), "{}", vector["name"]);
    }
}

#[test]
fn the_spelled_out_messages_encode_as_spelled_out() {
    let want = |ask| Want { cid: cid1(), ask, priority: 1, dont_have: true };
    let data = hex::decode(NODE).unwrap();
    let cases = [
        (
            Message { wants: vec![want(Ask::Have)], ..Message::default() },
            format!("300a2e0a2c0a24{CID1}100120012801"),
        ),
        (
            Message { wants: vec![want(Ask::Block)], ..Message::default() },
            format!("2e0a2c0a2a0a24{CID1}10012801"),
        ),
        (
            Message { blocks: vec![(cid1(), data)], ..Message::default() },
            format!("88010a001a83010a0401701220127b{NODE}"),
        ),
        (Message { presences: vec![(cid1(), true)], ..Message::default() }, format!("2a0a0022260a24{CID1}")),
        (
            Message { presences: vec![(cid1(), false)], ..Message::default() },
            format!("2c0a0022280a24{CID1}1001"),
        ),
    ];
    for (message, spelled) in cases {
        let frame = message.encode(Dialect::Current);
        assert_eq!(hex::encode(&frame), spelled);
        assert_eq!(Message::decode(body(&frame)).unwrap(), message);
    }
}

#[test]
fn captured_blocks_hash_to_their_cid_and_their_links_are_found() {
    for vector in vectors(include_str!("../../../../../tests/vectors/crdt-blocks.json")) {
        let data = bytes(&vector["hex"]);
        assert_eq!(dag_cid(&data).unwrap().to_string(), vector["cid"].as_str().unwrap());
        let links: Vec<_> = dag_links(&data).iter().map(Cid::to_string).collect();
        let said = vector["decoded"]["links"].as_array().unwrap();
        let said: Vec<_> = said.iter().map(|link| link["cid"].as_str().unwrap()).collect();
        assert_eq!(links, said, "{}", vector["name"]);
    }
}

#[test]
fn older_dialects_leave_out_what_they_do_not_know() {
    let want = Want { cid: cid1(), ask: Ask::Have, priority: 7, dont_have: true };
    let data = hex::decode(NODE).unwrap();
    let message = Message {
        wants: vec![want],
        blocks: vec![(cid1(), data.clone())],
        presences: vec![(cid1(), true)],
        ..Message::default()
    };
    for dialect in [Dialect::Old, Dialect::Oldest] {
        let frame = message.encode(dialect);
        let read = Message::decode(body(&frame)).unwrap();
        assert_eq!(read.wants, [Want { ask: Ask::Block, dont_have: false, ..want }]);
        assert_eq!(read.blocks, [(cid1(), data.clone())]);
        assert!(read.presences.is_empty());
        let has_prefix = hex::encode(&frame).contains("0a0401701220");
        assert_eq!(has_prefix, dialect == Dialect::Old);
    }
}

#[test]
fn negative_priorities_and_full_lists_survive() {
    let want = Want { cid: cid1(), ask: Ask::Block, priority: -5, dont_have: false };
    let message = Message { full: true, wants: vec![want], ..Message::default() };
    assert_eq!(Message::decode(body(&message.encode(Dialect::Current))).unwrap(), message);
}

#[test]
fn a_block_of_another_hash_is_left_out() {
    // identity, dag-cbor, sha2-512, a cut digest, version 0, and trailing bytes.
    for prefix in ["01700003", "01711220", "01701340", "01701214", "00701220", "0170122000"] {
        let mut payload = Vec::new();
        put_bytes(&mut payload, 1, &hex::decode(prefix).unwrap());
        put_bytes(&mut payload, 2, b"data");
        let mut input = Vec::new();
        put_bytes(&mut input, 3, &payload);
        let message = Message::decode(&input).unwrap();
        assert_eq!((message.blocks.len(), message.foreign), (0, 1), "{prefix}");
    }
}

#[test]
fn too_many_entries_are_skipped_and_counted() {
    let want = Want { cid: cid1(), ask: Ask::Have, priority: 1, dont_have: false };
    let wants = vec![want; MAX_ENTRIES + 3];
    let message = Message { wants, presences: vec![(cid1(), true); 2], ..Message::default() };
    let read = Message::decode(body(&message.encode(Dialect::Current))).unwrap();
    assert_eq!((read.wants.len(), read.presences.len(), read.skipped), (MAX_ENTRIES, 0, 5));
}

#[test]
fn broken_messages_are_refused() {
    let mut no_cid = Vec::new();
    put_number(&mut no_cid, 2, 1);
    let entry = |bytes: &[u8]| {
        let (mut list, mut message) = (Vec::new(), Vec::new());
        put_bytes(&mut list, 1, bytes);
        put_bytes(&mut message, 1, &list);
        message
    };
    let with_cid = |cid: &[u8]| {
        let mut bytes = Vec::new();
        put_bytes(&mut bytes, 1, cid);
        entry(&bytes)
    };
    let mut trailing = hex::decode(CID1).unwrap();
    trailing.push(0);
    for broken in [
        entry(&no_cid),
        with_cid(b""),
        with_cid(&trailing),
        with_cid(&[1; 200]),
        hex::decode("0a05").unwrap(),
        hex::decode("0aff").unwrap(),
        hex::decode("0b").unwrap(),
        hex::decode("0a01").unwrap(),
        hex::decode("0801").unwrap(),
    ] {
        assert!(Message::decode(&broken).is_err(), "{}", hex::encode(broken));
    }
}

#[test]
fn mutated_messages_never_panic_and_stay_bounded() {
    let frames: Vec<_> = captured().iter().map(|vector| bytes(&vector["hex"])).collect();
    let seed = 0x6269_7473;
    let mut random = StdRng::seed_from_u64(seed);
    let mut accepted = 0;
    for round in 0..60_000 {
        let mut input = body(&frames[random.random_range(0..frames.len())]).to_vec();
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..input.len().max(1));
            match random.random_range(0..5) {
                0 => input.truncate(at),
                1 => input.insert(at.min(input.len()), random.random()),
                2 => input.extend_from_slice(&body(&frames[random.random_range(0..frames.len())])[..3]),
                _ if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
                _ => {}
            }
        }
        dag_links(&input);
        if let Ok(message) = Message::decode(&input) {
            accepted += 1;
            let held: usize = message.blocks.iter().map(|(_, data)| data.len()).sum();
            assert!(held <= input.len(), "seed {seed}, round {round}");
            let again = Message::decode(body(&message.encode(Dialect::Current))).unwrap();
            let message = Message { foreign: 0, skipped: 0, ..message };
            assert_eq!(again, message, "seed {seed}, round {round}");
        }
    }
    assert!(accepted > 100, "only {accepted} mutations were accepted: the loop tests nothing");
}
