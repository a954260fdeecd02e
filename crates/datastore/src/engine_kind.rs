//! Which engine holds the state.

use std::fmt;

/// An engine of this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EngineKind {
    /// Log-structured, on disk; the default.
    Fjall,
    /// A tree over a log, on disk: slower, larger and slower to open. Writes are refused beside a long snapshot.
    Sled,
    /// In memory: gone when the process ends. For tests.
    Memory,
}

impl EngineKind {
    /// Parses the name as the configuration spells it.
    ///
    /// # Errors
    /// When nothing of that name exists.
    pub fn parse(name: &str) -> Result<Self, UnknownEngine> {
        match name {
            "fjall" => Ok(Self::Fjall),
            "memory" => Ok(Self::Memory),
            "sled" => Ok(Self::Sled),
            _ => Err(UnknownEngine::NoSuchEngine { name: name.to_owned() }),
        }
    }

    /// Returns the name as the configuration spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fjall => "fjall",
            Self::Sled => "sled",
            Self::Memory => "memory",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no usable engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownEngine {
    /// Not known at all.
    #[error("there is no datastore engine {name:?}: use \"fjall\" or \"sled\" (or \"memory\" for tests)")]
    NoSuchEngine {
        /// Name given.
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused_by_name() {
        for kind in [EngineKind::Fjall, EngineKind::Sled, EngineKind::Memory] {
            assert_eq!(EngineKind::parse(kind.name()), Ok(kind));
        }
        let other = EngineKind::parse("pebble").unwrap_err();
        assert!(other.to_string().contains("pebble"), "{other}");
    }
}
