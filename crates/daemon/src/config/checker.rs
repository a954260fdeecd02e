//! Turns raw values into typed ones, collecting mistakes instead of stopping at the first.

use super::{
    document::Document,
    mistake::{Mistake, Origin, Problem},
    node::quote,
    raw::SecretText,
    secret_file,
};
use cluster_core::{Cid, Multiaddr, PeerId, go_duration};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// What an address has to be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Any address of the peer-to-peer network.
    Any,
    /// A TCP port of a host, or a Unix socket.
    Tcp,
    /// A UDP or TCP port of a host, to which traces are sent.
    Collector,
}

/// Multicodec of a libp2p key in a CID.
const LIBP2P_KEY: u64 = 0x72;

/// Reads the keys of one section after the other. A value that is a mistake is replaced by its default, so that
/// the rest is still looked at; the caller refuses the whole when there is any mistake.
pub(crate) struct Checker<'a> {
    document: &'a Document,
    base: &'a Path,
    section: &'static str,
    mistakes: Vec<Mistake>,
}

impl<'a> Checker<'a> {
    /// Starts with no mistakes; relative files are looked for in `base`.
    pub(crate) fn new(document: &'a Document, base: &'a Path) -> Self {
        Self { document, base, section: "", mistakes: Vec::new() }
    }

    /// Goes on to another section.
    pub(crate) fn enter(&mut self, section: &'static str) -> &mut Self {
        self.section = section;
        self
    }

    /// Hands out the mistakes.
    pub(crate) fn into_mistakes(self) -> Vec<Mistake> {
        self.mistakes
    }

    /// Notes a mistake.
    pub(crate) fn reject(&mut self, key: &str, found: impl Into<String>, expected: impl Into<String>) {
        let key = format!("{}.{key}", self.section);
        let origin = self.document.origin(&key);
        let problem = Problem::Value { found: found.into(), expected: expected.into() };
        self.mistakes.push(Mistake { key, problem, origin });
    }

    /// Reads a duration.
    pub(crate) fn duration(&mut self, key: &str, raw: Option<&String>, default: Duration) -> Duration {
        let Some(text) = raw.filter(|text| !text.is_empty()) else { return default };
        go_duration::parse(text).unwrap_or_else(|error| {
            self.reject(
                key,
                format!("{} ({error})", quote(text)),
                "a duration such as \"5m0s\" or \"200ms\"",
            );
            default
        })
    }

    /// Reads a duration that cannot be zero.
    pub(crate) fn positive(&mut self, key: &str, raw: Option<&String>, default: Duration) -> Duration {
        let duration = self.duration(key, raw, default);
        if duration.is_zero() {
            self.reject(key, "0s", "a duration above zero");
            return default;
        }
        duration
    }

    /// Reads a duration of which zero means none.
    pub(crate) fn switchable(
        &mut self,
        key: &str,
        raw: Option<&String>,
        default: Option<Duration>,
    ) -> Option<Duration> {
        let duration = self.duration(key, raw, default.unwrap_or_default());
        (!duration.is_zero()).then_some(duration)
    }

    /// Reads a whole number that is at least `least`.
    pub(crate) fn integer<T>(&mut self, key: &str, raw: Option<i64>, default: T, least: i64) -> T
    where
        T: TryFrom<i64>,
    {
        let Some(number) = raw else { return default };
        match T::try_from(number) {
            Ok(value) if number >= least => value,
            Ok(_) => {
                self.reject(key, number.to_string(), format!("a whole number of at least {least}"));
                default
            }
            Err(_) => {
                let expected = if number < least {
                    format!("a whole number of at least {least}")
                } else {
                    "a smaller number".to_owned()
                };
                self.reject(key, number.to_string(), expected);
                default
            }
        }
    }

    /// Reads an address.
    pub(crate) fn multiaddr(
        &mut self,
        key: &str,
        raw: Option<&String>,
        default: Multiaddr,
        reach: Reach,
    ) -> Multiaddr {
        let Some(text) = raw.filter(|text| !text.is_empty()) else { return default };
        self.address(key, text, reach).unwrap_or(default)
    }

    /// Reads a list of addresses; each bad one is a mistake of its own.
    pub(crate) fn multiaddrs(
        &mut self,
        key: &str,
        raw: Option<&Vec<String>>,
        default: Vec<Multiaddr>,
        reach: Reach,
    ) -> Vec<Multiaddr> {
        let Some(texts) = raw else { return default };
        texts.iter().filter_map(|text| self.address(key, text, reach)).collect()
    }

    fn address(&mut self, key: &str, text: &str, reach: Reach) -> Option<Multiaddr> {
        let parsed = super::address::parse(text);
        let fits = |address: &Multiaddr| match reach {
            Reach::Any => true,
            Reach::Tcp => super::address::tcp_or_unix(address),
            Reach::Collector => super::address::udp_or_tcp(address),
        };
        let expected = match reach {
            Reach::Any => "a multiaddress such as \"/ip4/0.0.0.0/tcp/9096\"",
            Reach::Tcp => "the multiaddress of a TCP port such as \"/ip4/127.0.0.1/tcp/9094\"",
            Reach::Collector => "the multiaddress of a port such as \"/ip4/127.0.0.1/tcp/4318\"",
        };
        let address = parsed.filter(fits);
        if address.is_none() {
            self.reject(key, quote(text), expected);
        }
        address
    }

    /// Reads a peer ID in base58 or as a CID.
    pub(crate) fn peer(&mut self, key: &str, text: &str, also: &str) -> Option<PeerId> {
        let peer = peer_id(text);
        if peer.is_none() {
            self.reject(key, quote(text), format!("a peer ID such as \"12D3KooW…\"{also}"));
        }
        peer
    }

    /// Settles a secret that may stand in the configuration or in a file of its own. The later layer wins; both in
    /// one layer is a mistake. Returns the text and, when it came from one, the file.
    pub(crate) fn secret(
        &mut self,
        key: &str,
        inline: Option<SecretText>,
        file: Option<&String>,
    ) -> (Option<SecretText>, Option<PathBuf>) {
        let file_key = format!("{key}_file");
        let Some(file) = self.secret_source(key, &file_key, inline.is_some(), file) else {
            return (inline, None);
        };
        match secret_file::read(&self.base.join(&file)) {
            Ok(text) => (Some(SecretText::new(text)), Some(file)),
            Err(error) => {
                self.reject(&file_key, quote(&file.display().to_string()), error.to_string());
                (None, Some(file))
            }
        }
    }

    /// Says whether a secret's file is the one to read.
    pub(crate) fn secret_source(
        &mut self,
        key: &str,
        file_key: &str,
        inline: bool,
        file: Option<&String>,
    ) -> Option<PathBuf> {
        let file = file.filter(|path| !path.is_empty()).map(PathBuf::from)?;
        if !inline {
            return Some(file);
        }
        let layer = |key: &str| {
            matches!(self.document.origin(&format!("{}.{key}", self.section)), Origin::Variable(_))
        };
        match (layer(key), layer(file_key)) {
            (false, true) => Some(file),
            (true, false) => None,
            (true, true) | (false, false) => {
                self.reject(file_key, format!("{key} as well"), format!("only one of {key} and {file_key}"));
                None
            }
        }
    }

    /// Reads a file that holds a secret, for keys that are more than one text.
    pub(crate) fn secret_file(&mut self, key: &str, file: &Path) -> Option<zeroize::Zeroizing<String>> {
        secret_file::read(&self.base.join(file))
            .inspect_err(|error| self.reject(key, quote(&file.display().to_string()), error.to_string()))
            .ok()
    }
}

/// Reads a peer ID in base58 or as a CID (api, notation).
pub(crate) fn peer_id(text: &str) -> Option<PeerId> {
    let of_cid = |cid: Cid| (cid.codec() == LIBP2P_KEY).then(|| PeerId::from_multihash(*cid.hash()).ok());
    text.parse().ok().or_else(|| Cid::try_from(text).ok().and_then(of_cid).flatten())
}

/// Reads a text; empty means the default.
pub(crate) fn text_or(raw: Option<String>, default: &str) -> String {
    raw.filter(|text| !text.is_empty()).unwrap_or_else(|| default.to_owned())
}

/// Reads a file name; empty means none.
pub(crate) fn file_name(raw: Option<String>) -> Option<PathBuf> {
    raw.filter(|text| !text.is_empty()).map(PathBuf::from)
}
