//! What a new generation is built for.

use std::fmt;

/// Why a generation is being built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildPurpose {
    /// The pins of an export.
    Import {
        /// Where they come from.
        source: String,
    },
    /// A backup.
    Restore {
        /// Where it comes from.
        source: String,
    },
    /// An empty state.
    Cleanup,
    /// The same pins under another consensus.
    Convert {
        /// Which.
        consensus: String,
    },
    /// A leader's snapshot.
    SnapshotInstall {
        /// Who sends it.
        source: String,
    },
    /// Another peer's rows.
    RangeSync {
        /// Who sends them.
        source: String,
    },
}

impl BuildPurpose {
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Import { source } => ("import", source),
            Self::Restore { source } => ("restore", source),
            Self::Cleanup => ("cleanup", ""),
            Self::Convert { consensus } => ("convert", consensus),
            Self::SnapshotInstall { source } => ("snapshot-install", source),
            Self::RangeSync { source } => ("range-sync", source),
        }
    }

    /// Says whether an interrupted build goes on at the next start instead of being removed.
    pub fn is_resumable(&self) -> bool {
        match self {
            Self::SnapshotInstall { .. } | Self::RangeSync { .. } => true,
            Self::Import { .. } | Self::Restore { .. } | Self::Cleanup | Self::Convert { .. } => false,
        }
    }

    /// Writes the content of `BUILDING`: purpose, source, position, a line each.
    pub(super) fn text(&self, position: Option<&str>) -> String {
        let (purpose, source) = self.parts();
        // A source with line breaks would read as something else.
        let source = source.replace(['\n', '\r'], " ");
        let position = position.unwrap_or_default().replace(['\n', '\r'], " ");
        format!("{purpose}\n{source}\n{position}\n")
    }

    /// Reads the position from the content of `BUILDING`.
    pub(super) fn position(text: &str) -> Option<&str> {
        text.lines().nth(2).filter(|position| !position.is_empty())
    }

    /// Reads the content of `BUILDING`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let (purpose, source) = (lines.next()?, lines.next().unwrap_or_default().to_owned());
        Some(match purpose {
            "import" => Self::Import { source },
            "restore" => Self::Restore { source },
            "cleanup" => Self::Cleanup,
            "convert" => Self::Convert { consensus: source },
            "snapshot-install" => Self::SnapshotInstall { source },
            "range-sync" => Self::RangeSync { source },
            _ => return None,
        })
    }
}

impl fmt::Display for BuildPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Import { source } => write!(f, "the import of {source}"),
            Self::Restore { source } => write!(f, "the restore of {source}"),
            Self::Cleanup => f.write_str("the cleanup"),
            Self::Convert { consensus } => write!(f, "the conversion to {consensus}"),
            Self::SnapshotInstall { source } => write!(f, "the snapshot of {source}"),
            Self::RangeSync { source } => write!(f, "the synchronisation with {source}"),
        }
    }
}
