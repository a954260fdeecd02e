//! Levels of the components' logs.

use std::collections::BTreeMap;
use tracing_subscriber::filter::{LevelFilter, Targets};

/// Components that follow the plain level; their names are the targets of their events. The last ones exist here alone.
const COMPONENTS: [&str; 27] = [
    "cluster",
    "restapi",
    "restapilog",
    "pinsvcapi",
    "pinsvcapilog",
    "ipfsproxy",
    "ipfsproxylog",
    "ipfshttp",
    "monitor",
    "dsstate",
    "raft",
    "crdt",
    "pintracker",
    "diskinfo",
    "tags",
    "apitypes",
    "config",
    "shardingdags",
    "singledags",
    "adder",
    "optracker",
    "pstoremgr",
    "allocator",
    "service",
    "swarm",
    "bitswap",
    "informers",
];

/// Components with levels of their own.
const EXTRAS: [(&str, LevelFilter); 9] = [
    // It complains of every sign of life that does not reach a member; how members stand is told by `raft`.
    ("openraft", LevelFilter::ERROR),
    // It writes out each message that a slow peer does not take; we count them.
    ("libp2p_gossipsub", LevelFilter::ERROR),
    ("p2p-gorpc", LevelFilter::ERROR),
    ("swarm2", LevelFilter::ERROR),
    ("libp2p-raft", LevelFilter::ERROR),
    ("raftlib", LevelFilter::ERROR),
    ("badger", LevelFilter::INFO),
    ("badger3", LevelFilter::INFO),
    ("pebble", LevelFilter::WARN),
];

/// What everything else may log: libraries.
const OTHERS: LevelFilter = LevelFilter::WARN;

/// The levels of all components.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLevels {
    levels: BTreeMap<String, LevelFilter>,
    others: LevelFilter,
    overwritten: Vec<String>,
}

/// Says what is wrong with a list of levels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogLevelError {
    /// An element has more than one colon.
    #[error("log level not in expected format \"identifier:loglevel\" or \"loglevel\"")]
    Form,
    /// No such level.
    #[error("unknown log level {found:?}; use debug, info, warn or error")]
    Level {
        /// What stands there.
        found: String,
    },
}

impl LogLevels {
    /// Reads a comma separated list of `level` or `component:level`.
    ///
    /// # Errors
    /// An element with two colons, or a level that does not exist.
    pub fn parse(text: &str) -> Result<Self, LogLevelError> {
        let mut plain = LevelFilter::INFO;
        let mut named = BTreeMap::new();
        let mut overwritten = Vec::new();
        for element in text.split(',').map(str::trim).filter(|element| !element.is_empty()) {
            let parts: Vec<&str> = element.split(':').collect();
            match parts[..] {
                [level] => plain = parse_level(level)?.unwrap_or(plain),
                [component, level] => {
                    if let Some(level) = parse_level(level)?
                        && named.insert(component.to_owned(), level).is_some()
                    {
                        overwritten.push(component.to_owned());
                    }
                }
                _ => return Err(LogLevelError::Form),
            }
        }
        let mut levels: BTreeMap<String, LevelFilter> =
            COMPONENTS.into_iter().map(|name| (name.to_owned(), plain)).collect();
        levels.extend(EXTRAS.map(|(name, level)| (name.to_owned(), level)));
        levels.extend(named);
        Ok(Self { levels, others: OTHERS, overwritten })
    }

    /// Sets every logger to debug.
    pub fn debug() -> Self {
        Self { levels: BTreeMap::new(), others: LevelFilter::DEBUG, overwritten: Vec::new() }
    }

    /// Names the components whose level was given twice; the last one counts.
    pub fn overwritten(&self) -> &[String] {
        &self.overwritten
    }

    pub(super) fn targets(&self) -> Targets {
        let levels = self.levels.iter().map(|(name, level)| (name.as_str(), *level));
        Targets::new().with_default(self.others).with_targets(levels)
    }
}

/// Reads a level in either case. The most severe ones of the reference are errors here; `critical` and `notice`, which
/// its help names but its logs never knew, leave the level as it is.
fn parse_level(name: &str) -> Result<Option<LevelFilter>, LogLevelError> {
    match name.to_ascii_lowercase().as_str() {
        "trace" => Ok(Some(LevelFilter::TRACE)),
        "debug" => Ok(Some(LevelFilter::DEBUG)),
        "info" => Ok(Some(LevelFilter::INFO)),
        "warn" | "warning" => Ok(Some(LevelFilter::WARN)),
        "error" | "dpanic" | "panic" | "fatal" => Ok(Some(LevelFilter::ERROR)),
        "critical" | "notice" => Ok(None),
        _ => Err(LogLevelError::Level { found: name.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn plain_and_named_levels_apply_to_whom_they_should() {
        let enabled = |text: &str, target: &str, level: Level| {
            LogLevels::parse(text).unwrap().targets().would_enable(target, &level)
        };
        assert!(enabled("", "cluster", Level::INFO));
        assert!(!enabled("", "cluster", Level::DEBUG));
        assert!(enabled("debug", "service", Level::DEBUG));
        assert!(!enabled("debug", "swarm2", Level::WARN));
        assert!(enabled("info,restapi:debug", "restapi", Level::DEBUG));
        assert!(!enabled("info,restapi:debug", "restapilog", Level::DEBUG));
        assert!(enabled("ERROR,swarm2:Debug", "swarm2", Level::DEBUG));
        assert!(!enabled("ERROR,swarm2:Debug", "crdt", Level::WARN));
        assert!(!enabled("debug", "hyper", Level::INFO));
        assert!(!enabled("debug", "libp2p_gossipsub::behaviour", Level::WARN));
        assert!(enabled("critical,crdt:notice", "crdt", Level::INFO));
        assert!(LogLevels::debug().targets().would_enable("hyper", &Level::DEBUG));
        assert_eq!(LogLevels::parse("crdt:info,crdt:warn").unwrap().overwritten(), ["crdt"]);
        assert_eq!(LogLevels::parse("a:b:c"), Err(LogLevelError::Form));
        assert_eq!(LogLevels::parse("loud"), Err(LogLevelError::Level { found: "loud".to_owned() }));
    }
}
