use super::*;
use crate::rpc::{
    fixtures::{bytes, metrics, peer_a},
    mutation::mutated,
};

#[test]
fn recorded_metrics_are_read_and_written_byte_for_byte() {
    for (payload, decoded) in metrics() {
        let metric = decode_metric(&payload).unwrap();
        assert_eq!(metric.name, decoded["n"].as_str().unwrap());
        assert_eq!(format!("peer:{}", metric.peer), decoded["p"].as_str().unwrap());
        assert_eq!(metric.value, decoded["v"].as_str().unwrap());
        assert_eq!(metric.expires.0, decoded["e"].as_i64().unwrap());
        assert_eq!(metric.valid, decoded["d"].as_bool().unwrap_or(false));
        assert_eq!(metric.weight, decoded["w"].as_i64().unwrap_or(0));
        assert_eq!(metric.partitionable, decoded["o"].as_bool().unwrap_or(false));
        assert_eq!(metric.received_at, UnixNanos(0));
        assert_eq!(encode_metric(&metric), payload);
    }
}

#[test]
fn the_reference_s_metric_is_read_with_the_old_prefix_too() {
    let payload = bytes(
        "86 a16ea9667265657370616365 a170da0026<A> a176a431303030 a165d317979d05324dac00 a164c3 a177d103e8",
    );
    let metric = decode_metric(&payload).unwrap();
    assert_eq!((metric.peer, metric.weight, metric.value.as_str()), (peer_a(), 1000, "1000"));
    assert_eq!(encode_metric(&metric), payload);
    assert_eq!(decode_metric(&[LEGACY_PREFIX, &payload].concat()), Some(metric));
}

#[test]
fn the_time_of_arrival_is_neither_sent_nor_believed() {
    let payload = bytes("83 a16ea170 a170da0026<A> a174d317979cfe362a0000");
    let mut metric = decode_metric(&payload).unwrap();
    assert_eq!(metric.received_at, UnixNanos(0));
    let sent = encode_metric(&metric);
    metric.received_at = UnixNanos(1);
    assert_eq!(encode_metric(&metric), sent);
}

#[test]
fn what_is_too_large_or_of_nobody_is_no_metric() {
    let mut metric = decode_metric(&bytes("82 a16ea170 a170da0026<A>")).unwrap();
    metric.name = "n".repeat(256);
    assert!(decode_metric(&encode_metric(&metric)).is_some());
    metric.name.push('n');
    assert_eq!(decode_metric(&encode_metric(&metric)), None);
    metric.name.clear();
    metric.value = "v".repeat(65_400);
    assert!(decode_metric(&encode_metric(&metric)).is_some());
    metric.value = "v".repeat(65_536);
    assert_eq!(decode_metric(&encode_metric(&metric)), None);
    for nothing in ["", "80", "c0", "81a16ea170", "81a170c0", "09", "81a170a101"] {
        assert_eq!(decode_metric(&bytes(nothing)), None, "{nothing}");
    }
}

#[test]
fn damaged_metrics_do_no_harm() {
    let corpus: Vec<Vec<u8>> = metrics().into_iter().map(|(payload, _)| payload).collect();
    let mut read = 0;
    for seed in 0..20_000 {
        if let Some(metric) = decode_metric(&mutated(&corpus, seed)) {
            assert_eq!(decode_metric(&encode_metric(&metric)), Some(metric), "seed {seed}");
            read += 1;
        }
    }
    assert!(read > 1_000, "{read}");
}
