use super::*;
use crate::rpc::fixtures::bytes;

fn written(write: impl FnOnce(&mut Encoder)) -> Vec<u8> {
    let mut to = Encoder::default();
    write(&mut to);
    to.into_bytes()
}

#[test]
fn numbers_have_the_widths_of_go() {
    let signed = [
        (0, "00"),
        (127, "7f"),
        (128, "d10080"),
        (255, "d100ff"),
        (32767, "d17fff"),
        (32768, "d200008000"),
        (2_147_483_648, "d30000000080000000"),
        (-1, "ff"),
        (-32, "e0"),
        (-33, "d0df"),
        (-128, "d080"),
        (-129, "d1ff7f"),
        (-32769, "d2ffff7fff"),
        (i64::MIN, "d38000000000000000"),
        (1_700_000_030_000_000_000, "d317979d05324dac00"),
    ];
    for (number, expected) in signed {
        assert_eq!(written(|to| to.int(number)), bytes(expected), "{number}");
    }
    let unsigned = [
        (0, "00"),
        (127, "7f"),
        (128, "cc80"),
        (255, "ccff"),
        (256, "cd0100"),
        (65536, "ce00010000"),
        (10_000_000_000, "cf00000002540be400"),
        (u64::MAX, "cfffffffffffffffff"),
    ];
    for (number, expected) in unsigned {
        assert_eq!(written(|to| to.uint(number)), bytes(expected), "{number}");
    }
}

#[test]
fn texts_and_containers_use_the_old_headers() {
    for (length, header) in [(0, "a0"), (31, "bf"), (32, "da0020"), (255, "da00ff"), (65536, "db00010000")] {
        let text = vec![b'x'; length];
        assert_eq!(written(|to| to.raw(&text)), [bytes(header), text].concat());
    }
    for (length, array, map) in
        [(0, "90", "80"), (15, "9f", "8f"), (16, "dc0010", "de0010"), (65536, "dd00010000", "df00010000")]
    {
        assert_eq!(written(|to| to.array(length)), bytes(array));
        assert_eq!(written(|to| to.map(length)), bytes(map));
    }
}

#[test]
fn structs_leave_out_what_is_zero_and_may_be_large() {
    let zero = written(|to| {
        to.structure(|fields| {
            fields.text("t", "");
            fields.int("i", 0);
            fields.uint("u", 0);
            fields.flag("f", false);
            fields.cid("c", None);
            fields.peer("p", None);
            fields.peers("ps", &[]);
            fields.addresses("a", &[]);
            fields.time("ti", UnixMillis(0));
            fields.texts("m", &BTreeMap::new());
        });
    });
    assert_eq!(zero, bytes("80"));
    let large = written(|to| {
        to.nil();
        to.structure(|fields| (1..=16).for_each(|n| fields.int("n", n)));
        to.flag(false);
    });
    let fields: String = (1..=16).map(|n| format!("a16e{n:02x}")).collect();
    assert_eq!(large, bytes(&format!("c0de0010{fields}c2")));
}

#[test]
fn times_are_timestamp_payloads_in_texts() {
    for (millis, expected) in [
        (1_700_000_000_000, "a46553f100"),
        (1_700_000_000_500, "a8773594006553f100"),
        (u64::from(u32::MAX) * 1000 + 1000, "a80000000100000000"),
        ((1 << 34) * 1000 + 1, "ac000f42400000000400000000"),
    ] {
        assert_eq!(written(|to| to.time(UnixMillis(millis))), bytes(expected), "{millis}");
    }
}
