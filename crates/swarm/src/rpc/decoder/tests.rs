use super::*;
use crate::rpc::fixtures::{CID_1, bytes, cid_1, peer_a};

fn read<T>(
    text: &str,
    read: impl FnOnce(&mut Decoder<'static>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let mut from = Decoder::new(bytes(text).leak());
    let result = read(&mut from);
    if result.is_ok() {
        assert!(from.rest.is_empty(), "{text} was not read to its end");
    }
    result
}

#[test]
fn bytes_come_in_every_spelling() {
    for text in
        ["a26869", "d9026869", "da00026869", "db000000026869", "c4026869", "c500026869", "c6000000026869"]
    {
        assert_eq!(read(text, |from| from.raw().map(<[u8]>::to_vec)).unwrap(), b"hi");
    }
    assert_eq!(read("c0", Decoder::string).unwrap(), "");
    assert_eq!(read("a2ff68", Decoder::string).unwrap(), "\u{fffd}h");
    assert!(read("01", Decoder::string).is_err());
    assert!(read("90", Decoder::string).is_err());
}

#[test]
fn numbers_come_in_every_width() {
    for (text, number) in [
        ("05", 5),
        ("cc05", 5),
        ("cd0005", 5),
        ("ce00000005", 5),
        ("cf0000000000000005", 5),
        ("d005", 5),
        ("d10005", 5),
        ("d200000005", 5),
        ("d30000000000000005", 5),
        ("ca40a00000", 5),
        ("cb4014000000000000", 5),
        ("ff", -1),
        ("e0", -32),
        ("d0ff", -1),
        ("d1ffff", -1),
        ("d2ffffffff", -1),
        ("d3ffffffffffffffff", -1),
        ("ccff", 255),
        ("cdffff", 65535),
        ("ceffffffff", 4_294_967_295),
        ("cfffffffffffffffff", -1),
        ("c0", 0),
    ] {
        assert_eq!(read(text, Decoder::int), Ok(number), "{text}");
    }
    assert_eq!(read("cfffffffffffffffff", Decoder::uint), Ok(u64::MAX));
    assert_eq!(read("ceffffffff", Decoder::int32), Ok(i32::MAX));
    assert!(read("a135", Decoder::int).is_err());
    assert_eq!(read("c3", Decoder::flag), Ok(true));
    assert_eq!(read("c0", Decoder::flag), Ok(false));
    assert!(read("01", Decoder::flag).is_err());
}

#[test]
fn times_come_as_texts_bytes_and_extensions() {
    for (text, millis) in [
        ("a46553f100", 1_700_000_000_000),
        ("c4046553f100", 1_700_000_000_000),
        ("d6ff6553f100", 1_700_000_000_000),
        ("a8773594006553f100", 1_700_000_000_500),
        ("d7ff773594006553f100", 1_700_000_000_500),
        ("ac1dcd6500000000006553f100", 1_700_000_000_500),
        ("c70cff1dcd6500000000006553f100", 1_700_000_000_500),
        ("ac00000007fffffffffffffffb", 0),
        ("c0", 0),
    ] {
        assert_eq!(read(text, Decoder::time), Ok(UnixMillis(millis)), "{text}");
    }
    for text in ["ce6553f100", "a5323032332d", "a0", "d6016553f100"] {
        assert!(read(text, Decoder::time).is_err(), "{text}");
    }
}

#[test]
fn a_cid_is_all_of_its_bytes() {
    assert_eq!(read("da0024<C1>", Decoder::cid).unwrap(), Some(cid_1()));
    assert_eq!(read("c424<C1>", Decoder::cid).unwrap().unwrap().to_string(), CID_1);
    let error = read("da0025<C1>00", Decoder::cid).unwrap_err().to_string();
    assert!(error.contains("trailing bytes in data buffer"), "{error}");
    assert!(read("a20170", Decoder::cid).is_err());
    assert_eq!(read("c0", Decoder::cid), Ok(None));
    assert_eq!(read("da0026<A>", Decoder::peer), Ok(Some(peer_a())));
    assert!(read("da0027<A>00", Decoder::peer).is_err());
}

#[test]
fn lists_and_maps_may_be_nil_and_unknown_addresses_are_left_out() {
    assert_eq!(read("c0", Decoder::peers), Ok(vec![]));
    assert_eq!(read("92da0026<A>c0", Decoder::peers), Ok(vec![peer_a()]));
    assert!(read("91a101", Decoder::peers).is_err());
    let addresses = read("93a8<M2>a3ffff01a0", Decoder::addresses).unwrap();
    assert_eq!(addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["/ip4/10.0.0.1/tcp/4001"]);
    assert_eq!(read("c0", Decoder::texts), Ok(BTreeMap::new()));
    assert_eq!(read("82a16bc0c40162a163", Decoder::texts).unwrap().len(), 2);
    assert!(read("90", Decoder::texts).is_err());
}

#[test]
fn structs_come_as_maps_in_any_order_and_as_arrays() {
    let fields = |text: &str| {
        let mut seen = vec![0; 3];
        read(text, |from| {
            from.structure(&["a", "b", "c"], |place, from| {
                seen[place] = from.int()?;
                Ok(())
            })
        })
        .map(|()| seen)
    };
    assert_eq!(fields("83a16101a16202a16303"), Ok(vec![1, 2, 3]));
    assert_eq!(fields("83a16303a16101c4016202"), Ok(vec![1, 2, 3]));
    assert!(fields("83a163030581a17a90a16101").is_err());
    assert_eq!(fields("83a16303a17a93a1619081c0c0a16101"), Ok(vec![1, 0, 3]));
    assert_eq!(fields("9401020390"), Ok(vec![1, 2, 3]));
    assert_eq!(fields("9101"), Ok(vec![1, 0, 0]));
    assert_eq!(fields("c0"), Ok(vec![0; 3]));
    assert_eq!(fields("81a161a0"), Err(DecodeError::Unexpected { wanted: "a number", found: 0xa0 }));
    assert_eq!(fields("83a16101"), Err(DecodeError::Truncated));
    assert!(fields("07").is_err());
}
