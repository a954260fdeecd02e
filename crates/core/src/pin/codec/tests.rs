use super::*;

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text.replace(' ', "")).unwrap()
}

const C1: &str = "01551220c7d01489080858c500065836c658f847a6ca67c4864619212be4f8200e4bbace";
const C0: &str = "122059948439065f29619ef41280cbb932be52c56d99c5966b65e0111239f098bbef";
const A: &str = "0024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

fn key(bytes: &str) -> PinKey {
    PinKey::from_bytes(&hex(bytes)).unwrap()
}

fn c1() -> Pin {
    Pin {
        timestamp: Some(UnixSeconds(1_700_000_000)),
        options: PinOptions { replication: ReplicationFactors::EVERYWHERE, ..PinOptions::default() },
        ..Pin::new(key(C1).cid())
    }
}

#[test]
fn the_three_worked_examples_of_the_wire_protocol() {
    let a = PeerId::from_bytes(&hex(A)).unwrap();
    let everywhere = hex(&format!("0a24{C1} 1001 2001 3204 0801 1001 3880e2cfaa06"));
    assert_eq!(c1().encode(), everywhere);
    assert_eq!(Pin::decode(&key(C1), &everywhere).unwrap(), c1());

    let mut on_a = c1();
    on_a.allocations = vec![a];
    on_a.options.replication = ReplicationFactors { min: 1, max: 2 };
    on_a.options.name = "n".into();
    let bytes = hex(&format!("0a24{C1} 1001 1a26{A} 2001 3207 0802 1004 1a016e 3880e2cfaa06"));
    assert_eq!(on_a.encode(), bytes);
    assert_eq!(Pin::decode(&key(C1), &bytes).unwrap(), on_a);

    let mut full = c1();
    full.depth = PinDepth::DIRECT;
    full.reference = Some(key(C0).cid());
    full.options.pin_update = Some(key(C0).cid());
    full.options.shard_size = 300;
    full.options.expire_at = Some(UnixSeconds(1_700_000_000));
    full.options.origins = vec![format!("/ip4/127.0.0.1/tcp/9096/p2p/{a}").parse().unwrap()];
    full.options.metadata = [("a".into(), "1".into()), ("b".into(), "2".into())].into();
    let bytes = hex(&format!(
        "0a24{C1} 1001 2a22{C0} 3274 0801 1001 20ac02 3a22{C0} 4080e2cfaa06 4a31 047f000001062388a50326{A} \
         5206 0a0161120131 5206 0a0162120132 3880e2cfaa06"
    ));
    assert_eq!(full.encode(), bytes);
    assert_eq!(Pin::decode(&key(C1), &bytes).unwrap(), full);
}

#[test]
fn options_are_present_even_when_empty_and_garbage_is_an_error() {
    let mut bare = c1();
    bare.options = PinOptions::default();
    assert!(bare.encode().windows(2).any(|w| w == [0x32, 0x00]));
    assert!(Pin::decode(&key(C1), &[0xff, 0xff, 0xff]).is_err());
    assert_eq!(Pin::decode_lossy(&key(C1), &[0xff]).kind, PinKind::Bad);
}

/// Every stored value captured from live peers decodes to the REST answer's values and encodes to the same bytes.
#[test]
fn captured_values_decode_and_encode_to_the_same_bytes() {
    let text = include_str!("../../../../../tests/vectors/pins-protobuf.json");
    let file: serde_json::Value = serde_json::from_str(text).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 15);
    for vector in vectors {
        let name = vector["name"].as_str().unwrap();
        let bytes = hex(vector["hex"].as_str().unwrap());
        let key = PinKey::from_datastore_key(vector["key"].as_str().unwrap()).unwrap();
        assert_eq!(key.cid().to_string(), vector["key_cid"].as_str().unwrap(), "{name}");
        let pin = Pin::decode(&key, &bytes).unwrap();
        let decoded = &vector["decoded"];
        let options = &decoded["options"];
        assert_eq!(i64::from(pin.kind.stored()), decoded["type"].as_i64().unwrap_or(0), "{name}");
        assert_eq!(i64::from(pin.depth.0), decoded["max_depth"].as_i64().unwrap_or(0), "{name}");
        assert_eq!(pin.timestamp.map(|t| t.0), decoded["timestamp"].as_u64(), "{name}");
        assert_eq!(pin.options.name, options["name"].as_str().unwrap_or(""), "{name}");
        assert_eq!(
            i64::from(pin.options.replication.min),
            options["replication_factor_min"].as_i64().unwrap_or(0),
            "{name}"
        );
        assert_eq!(pin.allocations.len(), decoded["allocations"].as_array().map_or(0, Vec::len), "{name}");
        assert_eq!(pin.encode(), bytes, "{name}");
    }
}
