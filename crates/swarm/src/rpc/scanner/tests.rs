use super::*;
use crate::rpc::{
    fixtures::{bytes, metrics, recordings},
    mutation::{mutated, pieces},
    oracle::Plain,
};

const LIMITS: Limits = Limits { bytes: 4096, elements: 512 };

/// Feeds the bytes piece by piece.
fn scan(pieces: &[&[u8]], limits: Limits) -> Result<Option<usize>, ScanError> {
    let mut scanner = Scanner::default();
    let mut seen = Vec::new();
    for piece in pieces {
        seen.extend_from_slice(piece);
        if let Some(length) = scanner.advance(&seen, limits)? {
            return Ok(Some(length));
        }
    }
    Ok(None)
}

#[test]
fn every_kind_of_value_ends_where_it_ends_however_it_arrives() {
    let values = [
        "00",
        "7f",
        "e0",
        "ff",
        "c0",
        "c2",
        "c3",
        "cc80",
        "cd0100",
        "ce00010000",
        "cf0000000100000000",
        "d080",
        "d1ff00",
        "d200000001",
        "d30000000000000001",
        "ca00000000",
        "cb0000000000000000",
        "a0",
        "a161",
        "c40161",
        "c5000161",
        "c60000000161",
        "d90161",
        "da000161",
        "db0000000161",
        "d4ff00",
        "d5ff0000",
        "d6ff00000000",
        "d7ff0000000000000000",
        "d8ff00000000000000000000000000000000",
        "c700ff",
        "c701ff00",
        "c80001ff00",
        "c900000001ff00",
        "90",
        "9101",
        "dc000101",
        "dd0000000101",
        "80",
        "81a10102",
        "de0001a10102",
        "df00000001a10102",
        "9392a1619081a162c0c3",
    ];
    for text in values {
        let mut value = bytes(text);
        let length = value.len();
        assert_eq!(Scanner::default().advance(&value, LIMITS), Ok(Some(length)), "{text}");
        for cut in 0..length {
            assert_eq!(Scanner::default().advance(&value[..cut], LIMITS), Ok(None), "{text} cut at {cut}");
        }
        value.push(0xc1);
        let single: Vec<&[u8]> = value.chunks(1).collect();
        assert_eq!(scan(&single, LIMITS), Ok(Some(length)), "{text} byte by byte");
    }
}

#[test]
fn bounds_hold_at_once() {
    let nested = |depth| [vec![0x91; depth], vec![0xc0]].concat();
    assert_eq!(scan(&[&nested(16)], LIMITS), Ok(Some(17)));
    assert_eq!(scan(&[&nested(17)], LIMITS), Err(ScanError::TooDeep));
    assert_eq!(scan(&[&[0xc1]], LIMITS), Err(ScanError::Reserved));
    // Only what is announced has arrived.
    assert_eq!(scan(&[&bytes("dbffffffff")], LIMITS), Err(ScanError::TooLarge { max: 4096 }));
    assert_eq!(scan(&[&bytes("ddffffffff")], LIMITS), Err(ScanError::TooMany { max: 512 }));
    assert_eq!(scan(&[&bytes("dfffffffff")], LIMITS), Err(ScanError::TooMany { max: 512 }));
    assert_eq!(scan(&[&bytes("da0ffd")], LIMITS), Ok(None));
    assert_eq!(scan(&[&bytes("da0ffe")], LIMITS), Err(ScanError::TooLarge { max: 4096 }));
    let many = Limits { bytes: 100, elements: 512 };
    assert_eq!(scan(&[&bytes("dc0061")], many), Ok(None));
    assert_eq!(scan(&[&bytes("dc0062")], many), Err(ScanError::TooLarge { max: 100 }));
    assert_eq!(scan(&[&bytes("83ff")], LIMITS), Err(ScanError::Key { found: 0xff }));
    assert_eq!(scan(&[&bytes("82a161829080")], LIMITS), Err(ScanError::Key { found: 0x90 }));
    assert_eq!(scan(&[&bytes("82a16191ffc4016b81c0ff")], LIMITS), Ok(Some(11)));
    // Elements are counted over all arrays.
    let few = Limits { bytes: 100, elements: 5 };
    assert_eq!(scan(&[&bytes("9291c091c0")], few), Ok(Some(5)));
    assert_eq!(scan(&[&bytes("9292c0c092")], few), Err(ScanError::TooMany { max: 5 }));
}

#[test]
fn damaged_recordings_scan_alike_in_all_pieces_and_as_another_reader_reads_them() {
    let mut corpus: Vec<Vec<u8>> = recordings().into_iter().flat_map(|r| [r.call, r.reply]).collect();
    corpus.extend(metrics().into_iter().map(|(payload, _)| payload));
    let mut agreed = 0;
    for seed in 0..30_000 {
        let value = mutated(&corpus, seed);
        let whole = scan(&[&value], LIMITS);
        assert_eq!(scan(&pieces(&value, seed), LIMITS), whole, "seed {seed}");
        // The other reader turns extensions into something else, and fails for them here.
        if let Ok((_, length)) = Plain::read_first(&value) {
            match whole {
                Ok(found) => assert_eq!(found, Some(length), "seed {seed}"),
                Err(error) => assert_ne!(error, ScanError::Reserved, "seed {seed}"),
            }
            agreed += 1;
        } else if let Ok(Some(length)) = whole {
            let mut from = crate::rpc::decoder::Decoder::new(&value[..length]);
            assert_eq!(from.skip(), Ok(()), "seed {seed}");
        }
    }
    assert!(agreed > 10_000, "{agreed}");
}
