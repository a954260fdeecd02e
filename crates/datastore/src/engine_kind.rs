//! Which engine holds the state.

use std::fmt;

/// An engine of this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EngineKind {
    /// Log-structured, on disk; the default.
    Fjall,
    /// In memory: gone when the process ends. For tests.
    Memory,
}

impl EngineKind {
    /// Parses the name as the configuration spells it.
    ///
    /// # Errors
    /// When the engine is not in this build, or nothing of that name exists.
    pub fn parse(name: &str) -> Result<Self, UnknownEngine> {
        match name {
            "fjall" => Ok(Self::Fjall),
            "memory" => Ok(Self::Memory),
            "sled" => Err(UnknownEngine::NotInThisBuild { name: name.to_owned() }),
            _ => Err(UnknownEngine::NoSuchEngine { name: name.to_owned() }),
        }
    }

    /// Returns the name as the configuration spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fjall => "fjall",
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
    /// Known, but left out of this build.
    #[error("the datastore engine {name:?} is not in this build: use \"fjall\"")]
    NotInThisBuild {
        /// Name given.
        name: String,
    },
    /// Not known at all.
    #[error("there is no datastore engine {name:?}: use \"fjall\" (or \"memory\" for tests)")]
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
        for kind in [EngineKind::Fjall, EngineKind::Memory] {
            assert_eq!(EngineKind::parse(kind.name()), Ok(kind));
        }
        let sled = EngineKind::parse("sled").unwrap_err();
        assert!(sled.to_string().contains("not in this build"), "{sled}");
        let other = EngineKind::parse("pebble").unwrap_err();
        assert!(other.to_string().contains("pebble"), "{other}");
    }
}
