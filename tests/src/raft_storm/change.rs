//! Pins whose every part follows from one number, so that a mixture of two shows.

use anyhow::{Context as _, Result, ensure};
use cluster_testkit::{powercut::Dice, raft_simulator::Name};
use data_encoding::BASE32_NOPAD;
use serde_json::Value;

/// Seconds within which expiries lie: 28 days.
const SPAN: u64 = 28 * 24 * 60 * 60;

/// Returns the CID of a pin.
pub(super) fn cid(seed: u64, key: usize) -> String {
    let digest: [u8; 32] = Dice::part(seed, 1_000_000 + key as u64).bytes();
    let bytes = [&[0x01, 0x55, 0x12, 0x20], digest.as_slice()].concat();
    format!("b{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
}

fn expiry(number: Name) -> String {
    let at = number % SPAN;
    let (days, hours, minutes, seconds) = (at / 86_400, at / 3600 % 24, at / 60 % 60, at % 60);
    format!("2100-01-{:02}T{hours:02}:{minutes:02}:{seconds:02}Z", days + 1)
}

/// The least and the most peers that shall hold the pin; -1 is all.
fn replication(number: Name) -> (i64, i64) {
    match number % 4 {
        0 => (1, 2),
        1 => (2, 3),
        _ => (-1, -1),
    }
}

/// Returns the options of a pin, as the query of a request.
pub(super) fn options(number: Name) -> String {
    let (least, most) = replication(number);
    format!(
        "name={number}&meta-number={number}&expire-at={}&replication-min={least}&replication-max={most}",
        expiry(number)
    )
}

/// Returns the number of a pin as a peer shows it.
///
/// # Errors
/// When its parts are not all of one number.
pub(super) fn number_of(pin: &Value) -> Result<Name> {
    let name = pin["name"].as_str().context("a pin without a name")?;
    let number: Name = name.parse().with_context(|| format!("a pin that nobody made: {pin}"))?;
    let holders = pin["allocations"].as_array().map_or(0, Vec::len);
    let (least, most) = replication(number);
    let expected = [
        pin["metadata"]["number"].as_str() == Some(name),
        pin["expire_at"].as_str() == Some(expiry(number).as_str()),
        pin["replication_factor_min"].as_i64() == Some(least),
        pin["replication_factor_max"].as_i64() == Some(most),
        if least < 0 { holders == 0 } else { (least..=most).contains(&i64::try_from(holders)?) },
    ];
    ensure!(expected.iter().all(|holds| *holds), "half of a change: {pin}");
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pin(name: u64, other: u64) -> Value {
        let (least, most) = replication(other);
        let holders = ["a", "b"].iter().take(usize::from(least > 0) * 2).collect::<Vec<_>>();
        json!({
            "name": name.to_string(), "metadata": {"number": other.to_string()}, "expire_at": expiry(other),
            "replication_factor_min": least, "replication_factor_max": most, "allocations": holders,
        })
    }

    #[test]
    fn a_mixture_of_two_pins_shows() {
        assert_eq!(number_of(&pin(5, 5)).unwrap(), 5);
        assert_eq!(number_of(&pin(90_061, 90_061)).unwrap(), 90_061);
        assert_eq!(expiry(90_061), "2100-01-02T01:01:01Z");
        for (part, value) in [
            ("name", json!("6")),
            ("metadata", json!({"number": "6"})),
            ("expire_at", json!(expiry(6))),
            ("replication_factor_min", json!(1)),
            ("replication_factor_max", json!(2)),
            ("allocations", json!([])),
        ] {
            let mut mixed = pin(5, 5);
            mixed[part] = value;
            assert!(number_of(&mixed).is_err(), "{mixed}");
        }
    }
}
