use super::*;

fn round(text: &str) -> String {
    text.parse::<Timestamp>().unwrap().to_string()
}

#[test]
fn zero_time_is_the_default_and_nothing_stored() {
    assert_eq!(Timestamp::default().to_string(), "0001-01-01T00:00:00Z");
    assert!("0001-01-01T00:00:00Z".parse::<Timestamp>().unwrap().is_zero());
    assert_eq!(Timestamp::ZERO.stored(), None);
    assert_eq!("1970-01-01T00:00:00Z".parse::<Timestamp>().unwrap().stored(), None);
}

#[test]
fn texts_round_trip_and_lose_only_needless_zeroes() {
    for text in [
        "2026-01-31T10:20:30Z",
        "2026-01-31T10:21:00.5Z",
        "2024-02-29T23:59:59.000000001+05:30",
        "1969-12-31T23:59:59-11:00",
        "9999-12-31T23:59:59Z",
        "2000-03-01T00:00:00Z",
        "1900-02-28T00:00:00Z",
    ] {
        assert_eq!(round(text), text);
    }
    assert_eq!(round("2026-01-31T10:20:30.500000000+00:00"), "2026-01-31T10:20:30.5Z");
    assert_eq!(round("2026-01-31T10:20:30.1234567899Z"), "2026-01-31T10:20:30.123456789Z");
}

#[test]
fn seconds_agree_with_known_instants() {
    let seconds = |text: &str| text.parse::<Timestamp>().unwrap().unix_seconds();
    assert_eq!(seconds("2026-11-23T07:04:10Z"), 1_795_417_450);
    assert_eq!(seconds("2026-11-23T08:04:10+01:00"), 1_795_417_450);
    assert_eq!(Timestamp::from(UnixSeconds(1_795_417_450)).to_string(), "2026-11-23T07:04:10Z");
    assert_eq!(Timestamp::from(UnixMillis(1_795_417_450_250)).to_string(), "2026-11-23T07:04:10.25Z");
}

#[test]
fn dates_are_shown_in_the_senders_zone() {
    let time: Timestamp = "2026-01-31T23:20:30.7+02:00".parse().unwrap();
    assert_eq!(time.date_and_time(), "2026-01-31 23:20:30");
}

#[test]
fn garbage_and_impossible_dates_are_refused() {
    for text in [
        "",
        "2026-01-31",
        "2026-01-31T10:20:30",
        "2026-02-30T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00Zx",
        "2026-01-01T00:00:00+1:00",
    ] {
        assert!(text.parse::<Timestamp>().is_err(), "{text}");
    }
}

#[test]
fn times_past_the_calendar_saturate() {
    assert_eq!(Timestamp::from(UnixSeconds(u64::MAX)).to_string(), "9999-12-31T23:59:59Z");
}
