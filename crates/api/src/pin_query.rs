//! Pin options as query parameters (api §3.7).

use cluster_core::{Cid, Multiaddr, Pin, PinMode, ReplicationFactors, UnixMillis, UnixSeconds};
use multiaddr::Protocol;
use std::{borrow::Cow, time::Duration};

/// The parameters of a query string, decoded; of a repeated name the first counts.
pub(crate) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub(crate) fn parse(query: Option<&'a str>) -> Self {
        Self(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).collect())
    }

    /// Returns the value of a parameter; `None` when it is missing or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_ref())
            .filter(|value| !value.is_empty())
    }

    /// Says whether a parameter is exactly `true`.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }
}

/// Makes the pin that a query describes. The errors are the texts that clients know.
pub(crate) fn pin(cid: Cid, query: &Query<'_>, now: UnixMillis) -> Result<Pin, String> {
    let mut pin = Pin::new(cid);
    pin.depth = PinMode::from_name(query.get("mode").unwrap_or_default()).depth();
    let options = &mut pin.options;
    query.get("name").unwrap_or_default().clone_into(&mut options.name);
    options.replication = ReplicationFactors {
        min: integer(query, "replication-min")?.unwrap_or(0),
        max: integer(query, "replication-max")?.unwrap_or(0),
    };
    if let Some(both) = integer(query, "replication")? {
        options.replication = ReplicationFactors { min: both, max: both };
    }
    if let Some(size) = query.get("shard-size") {
        options.shard_size = size.parse().map_err(|_| "parameter shard_size is invalid".to_owned())?;
    }
    if let Some(peers) = query.get("user-allocations") {
        // Undecodable ones are dropped, as the reference does.
        options.user_allocations = peers.split(',').filter_map(|p| p.trim().parse().ok()).collect();
    }
    options.expire_at = expiry(query, now)?;
    for (key, value) in &query.0 {
        if let Some(key) = key.strip_prefix("meta-").filter(|k| !k.is_empty()) {
            options.metadata.entry(key.to_owned()).or_insert_with(|| value.clone().into_owned());
        }
    }
    if let Some(from) = query.get("pin-update") {
        let from =
            from.parse().map_err(|error| format!("error decoding update option parameter: {error}"))?;
        options.pin_update = Some(from);
    }
    if let Some(origins) = query.get("origins") {
        for text in origins.split(',') {
            let address: Multiaddr =
                text.parse().map_err(|error| format!("error decoding multiaddress: {error}"))?;
            if !address.iter().any(|part| matches!(part, Protocol::P2p(_))) {
                return Err(format!("multiaddress does not contain peer ID: {text}"));
            }
            options.origins.push(address);
        }
    }
    Ok(pin)
}

fn integer(query: &Query<'_>, name: &str) -> Result<Option<i32>, String> {
    match query.get(name) {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| format!("parameter {name} invalid")),
    }
}

fn expiry(query: &Query<'_>, now: UnixMillis) -> Result<Option<UnixSeconds>, String> {
    if let Some(at) = query.get("expire-at") {
        let at: cluster_api_types::Timestamp =
            at.parse().map_err(|error| format!("expire-at cannot be parsed: {error}"))?;
        return Ok(at.stored());
    }
    let Some(text) = query.get("expire-in") else { return Ok(None) };
    let duration =
        go_duration(text).ok_or_else(|| format!("expire-in cannot be parsed: invalid duration {text:?}"))?;
    if duration < Duration::from_secs(1) {
        return Err("expire-in duration too short".to_owned());
    }
    Ok(Some(now.plus(duration).seconds()))
}

/// Parses a duration such as `1h30m` or `1.5s`; negative ones count as zero.
fn go_duration(text: &str) -> Option<Duration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut seconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        seconds += number
            * match &rest[..end] {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &rest[end..];
    }
    if negative { Some(Duration::ZERO) } else { Duration::try_from_secs_f64(seconds).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn parse(query: &str) -> Result<Pin, String> {
        pin("bafkqaaa".parse().unwrap(), &Query::parse(Some(query)), NOW)
    }

    #[test]
    fn every_parameter_is_read_and_unknown_ones_ignored() {
        let peer = cluster_core::PeerId::random();
        let got = parse(&format!(
            "name=a+b&mode=direct&replication-min=1&replication-max=2&shard-size=9&user-allocations={peer},x\
             &expire-in=1h30m&meta-k=v&meta-k=w&meta-=z&pin-update=bafkqaaa&origins=/ip4/1.2.3.4/tcp/1/p2p/{peer}&stream-channels=true"
        ))
        .unwrap();
        assert_eq!(got.options.name, "a b");
        assert_eq!(got.depth, cluster_core::PinDepth::DIRECT);
        assert_eq!(got.options.replication, ReplicationFactors { min: 1, max: 2 });
        assert_eq!(got.options.user_allocations, [peer]);
        assert_eq!(got.options.expire_at, Some(UnixSeconds(1_700_005_400)));
        assert_eq!(got.options.metadata, [("k".to_owned(), "v".to_owned())].into());
        assert_eq!(got.options.pin_update, Some("bafkqaaa".parse().unwrap()));
        assert_eq!((got.options.origins.len(), got.options.shard_size), (1, 9));
        assert_eq!(
            parse("replication=3").unwrap().options.replication,
            ReplicationFactors { min: 3, max: 3 }
        );
    }

    #[test]
    fn mistakes_have_the_known_texts() {
        let text = |query| parse(query).unwrap_err();
        assert_eq!(text("replication-min=x"), "parameter replication-min invalid");
        assert_eq!(text("shard-size=-1"), "parameter shard_size is invalid");
        assert_eq!(text("expire-in=10ms"), "expire-in duration too short");
        assert_eq!(text("expire-in=-1h"), "expire-in duration too short");
        assert!(text("expire-in=1x").starts_with("expire-in cannot be parsed: "));
        assert!(text("expire-at=tomorrow").starts_with("expire-at cannot be parsed: "));
        assert!(text("pin-update=x").starts_with("error decoding update option parameter: "));
        assert!(text("origins=x").starts_with("error decoding multiaddress: "));
        assert!(text("origins=/ip4/1.2.3.4/tcp/1").starts_with("multiaddress does not contain peer ID: "));
    }
}
