//! Where a configuration is fetched from: a URL, or a name that a gateway of IPFS looks up (api §7.3).

use super::FollowError;
use crate::config::{SourceUrl, SourceUrlError};

/// The gateway of an IPFS daemon on this machine.
pub const DEFAULT_GATEWAY: &str = "http://127.0.0.1:8080";

/// Where a configuration is fetched from.
#[derive(Debug, PartialEq)]
pub(super) struct Place {
    pub(super) url: SourceUrl,
    /// Whether it is a name that a gateway looks up.
    pub(super) by_gateway: bool,
}

/// Understands what a person gives as the place of a configuration. What is not a URL of HTTP is a name in IPNS
/// (`example.org`, `/ipns/example.org`, `ipns://example.org`) or a path in IPFS; a path may follow a name.
pub(super) fn settle(text: &str, gateway: &str) -> Result<Place, FollowError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(FollowError::NoUrl);
    }
    let expected = "https://example.org/service.json, or a name such as example.org";
    let refused = |reason| FollowError::Url { what: "the configuration's URL", reason, expected };
    if text.starts_with("http://") || text.starts_with("https://") {
        let url = SourceUrl::parse(text).map_err(refused)?;
        return Ok(Place { url, by_gateway: false });
    }
    let path = match text.split_once("://") {
        Some((scheme @ ("ipns" | "ipfs"), name)) => format!("/{scheme}/{name}"),
        Some((scheme, _)) => return Err(refused(SourceUrlError::Scheme { scheme: scheme.to_owned() })),
        None if text.starts_with("/ipns/") || text.starts_with("/ipfs/") => text.to_owned(),
        None => format!("/ipns/{}", text.trim_start_matches('/')),
    };
    let gateway = match gateway.trim() {
        "" => DEFAULT_GATEWAY.to_owned(),
        gateway if gateway.contains("://") => gateway.to_owned(),
        // Go's default has no scheme, and so have variables that were made for earlier versions of it.
        gateway => format!("http://{gateway}"),
    };
    let url = SourceUrl::parse(&format!("{}{path}", gateway.trim_end_matches('/')));
    let expected = DEFAULT_GATEWAY;
    let url = url.map_err(|reason| FollowError::Url { what: "the gateway", reason, expected })?;
    Ok(Place { url, by_gateway: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_through_the_gateway_and_urls_do_not() {
        for (text, gateway, expected) in [
            ("https://example.org/a", "", "https://example.org/a"),
            ("http://example.org", "gate:1", "http://example.org"),
            ("example.org", DEFAULT_GATEWAY, "http://127.0.0.1:8080/ipns/example.org"),
            ("example.org", "", "http://127.0.0.1:8080/ipns/example.org"),
            ("example.org", "127.0.0.1:8081", "http://127.0.0.1:8081/ipns/example.org"),
            ("example.org/deep", "https://gate/", "https://gate/ipns/example.org/deep"),
            ("ipns://example.org", "http://gate", "http://gate/ipns/example.org"),
            ("/ipns/example.org", "http://gate", "http://gate/ipns/example.org"),
            ("ipfs://bafkqaaa/x", "http://gate", "http://gate/ipfs/bafkqaaa/x"),
            ("/ipfs/bafkqaaa", "http://gate", "http://gate/ipfs/bafkqaaa"),
        ] {
            let place = settle(text, gateway).unwrap();
            assert_eq!(place.url.expose(), expected, "{text}");
            assert_eq!(place.by_gateway, !text.starts_with("http"), "{text}");
        }
        assert!(matches!(settle(" ", ""), Err(FollowError::NoUrl)));
        for (text, gateway, what) in [
            ("ftp://example.org", "", "the configuration's URL"),
            ("http://", "", "the configuration's URL"),
            ("example.org", "ftp://gate", "the gateway"),
        ] {
            let error = settle(text, gateway).unwrap_err().to_string();
            assert!(error.starts_with(what), "{error}");
        }
    }
}
