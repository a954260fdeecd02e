//! Pin options as query parameters (api §3.7).

mod error;

pub(crate) use error::PinQueryError;

use cluster_api_types::parse_peer_id;
use cluster_core::{
    Cid, Multiaddr, Pin, PinMode, ReplicationFactors, UnixMillis,
    go_duration::{self, DurationError},
};
use multiaddr::Protocol;
use std::{
    borrow::Cow,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

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

    /// Returns key and value of each `meta-…`.
    pub(crate) fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(key, value)| {
            Some((key.strip_prefix("meta-").filter(|key| !key.is_empty())?, value.as_ref()))
        })
    }
}

/// Makes the pin that a query describes, and says how long it shall live if that was asked; parameters it does not know are
/// ignored.
pub(crate) fn pin(
    cid: Cid,
    query: &Query<'_>,
    now: UnixMillis,
) -> Result<(Pin, Option<Duration>), PinQueryError> {
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
        options.shard_size = size.parse().map_err(|_| PinQueryError::ShardSize)?;
    }
    if let Some(peers) = query.get("user-allocations") {
        // Undecodable ones are dropped, as the reference does.
        options.user_allocations = peers.split(',').filter_map(|p| parse_peer_id(p.trim()).ok()).collect();
    }
    let expires_in = match query.get("expire-at") {
        Some(at) => {
            let at: cluster_api_types::Timestamp = at.parse()?;
            options.expire_at = at.stored();
            None
        }
        None => query.get("expire-in").map(lifetime).transpose()?,
    };
    if let Some(lifetime) = expires_in {
        options.expire_at = Some(now.plus(lifetime).seconds());
    }
    for (key, value) in query.metadata() {
        options.metadata.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    }
    if let Some(from) = query.get("pin-update") {
        options.pin_update = Some(cluster_core::parse_cid(from).map_err(PinQueryError::PinUpdate)?);
    }
    if let Some(origins) = query.get("origins") {
        for text in origins.split(',') {
            let address: Multiaddr = text.parse().map_err(PinQueryError::Origin)?;
            if !address.iter().any(|part| matches!(part, Protocol::P2p(_))) {
                return Err(PinQueryError::OriginWithoutPeer { text: text.to_owned() });
            }
            options.origins.push(address);
        }
    }
    Ok((pin, expires_in))
}

/// Returns the time.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn integer(query: &Query<'_>, name: &'static str) -> Result<Option<i32>, PinQueryError> {
    let text = query.get(name);
    text.map(|text| text.parse().map_err(|_| PinQueryError::Factor { name })).transpose()
}

/// Reads how long a pin shall live.
pub(crate) fn lifetime(text: &str) -> Result<Duration, PinQueryError> {
    let duration = match go_duration::parse(text) {
        Ok(duration) => duration,
        Err(DurationError::Negative) => return Err(PinQueryError::TooShort),
        Err(source) => return Err(PinQueryError::ExpireIn { text: text.to_owned(), source }),
    };
    if duration < Duration::from_secs(1) {
        return Err(PinQueryError::TooShort);
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster_core::UnixSeconds;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn parse(query: &str) -> Result<Pin, PinQueryError> {
        pin("bafkqaaa".parse().unwrap(), &Query::parse(Some(query)), NOW).map(|(pin, _)| pin)
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
        let text = |query| parse(query).unwrap_err().to_string();
        assert_eq!(text("replication-min=x"), "parameter replication-min invalid");
        assert_eq!(text("shard-size=-1"), "parameter shard_size is invalid");
        assert_eq!(text("expire-in=10ms"), "expire-in duration too short");
        assert_eq!(text("expire-in=-1h"), "expire-in duration too short");
        assert_eq!(text("replication=1.5"), "parameter replication invalid");
        assert_eq!(text("replication-max=99999999999"), "parameter replication-max invalid");
        assert!(text("expire-in=1x").starts_with("expire-in cannot be parsed: "));
        assert!(text("expire-at=tomorrow").starts_with("expire-at cannot be parsed: "));
        assert!(text("pin-update=x").starts_with("error decoding update option parameter: "));
        assert!(text("origins=x").starts_with("error decoding multiaddress: "));
        assert!(text("origins=/ip4/1.2.3.4/tcp/1").starts_with("multiaddress does not contain peer ID: "));
    }
}
