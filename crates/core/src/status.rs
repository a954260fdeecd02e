//! Status of a pin on one peer, and filters over statuses (api §2.1).

/// State of one pin on one peer, with the bit the reference protocol gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum TrackerStatus {
    /// Unknown; a defect when seen.
    Undefined = 0,
    /// The peer could not be reached or failed to answer.
    ClusterError = 2,
    /// The last pin attempt failed.
    PinError = 4,
    /// The last unpin attempt failed.
    UnpinError = 8,
    /// Pinned on the peer's IPFS daemon.
    Pinned = 16,
    /// A pin request is in progress.
    Pinning = 32,
    /// An unpin request is in progress.
    Unpinning = 64,
    /// Not pinned and not supposed to be.
    Unpinned = 128,
    /// In the pinset but allocated to other peers.
    Remote = 256,
    /// Waiting for a pin worker.
    PinQueued = 512,
    /// Waiting for an unpin worker.
    UnpinQueued = 1024,
    /// A meta pin: never pinned itself.
    Sharded = 2048,
    /// Should be pinned here, yet absent from IPFS.
    UnexpectedlyUnpinned = 4096,
}

impl TrackerStatus {
    /// Every status but `Undefined`, by bit.
    pub const ALL: [Self; 12] = [
        Self::ClusterError,
        Self::PinError,
        Self::UnpinError,
        Self::Pinned,
        Self::Pinning,
        Self::Unpinning,
        Self::Unpinned,
        Self::Remote,
        Self::PinQueued,
        Self::UnpinQueued,
        Self::Sharded,
        Self::UnexpectedlyUnpinned,
    ];

    /// Returns the bit of api §2.1.
    pub fn bit(self) -> u16 {
        self as u16
    }

    /// Returns the lower-case name used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Undefined => "undefined",
            Self::ClusterError => "cluster_error",
            Self::PinError => "pin_error",
            Self::UnpinError => "unpin_error",
            Self::Pinned => "pinned",
            Self::Pinning => "pinning",
            Self::Unpinning => "unpinning",
            Self::Unpinned => "unpinned",
            Self::Remote => "remote",
            Self::PinQueued => "pin_queued",
            Self::UnpinQueued => "unpin_queued",
            Self::Sharded => "sharded",
            Self::UnexpectedlyUnpinned => "unexpectedly_unpinned",
        }
    }
}

impl std::fmt::Display for TrackerStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of statuses to keep; empty means all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatusFilter(u16);

impl StatusFilter {
    /// Keeps everything.
    pub const ALL: Self = Self(0);

    /// Keeps exactly the given statuses.
    pub fn of(statuses: &[TrackerStatus]) -> Self {
        Self(statuses.iter().fold(0, |bits, s| bits | s.bit()))
    }

    /// Parses a comma list of status names and the composites `error` and `queued` (api §2.1). Unknown words
    /// are returned beside the filter, so that the caller decides whether they are an error.
    pub fn parse(text: &str) -> (Self, Vec<String>) {
        let mut bits = 0;
        let mut unknown = Vec::new();
        for word in text.split(',').map(str::trim).filter(|w| !w.is_empty()) {
            bits |= match word {
                "error" => 2 | 4 | 8,
                "queued" => 512 | 1024,
                "undefined" => 0,
                other => match TrackerStatus::ALL.iter().find(|s| s.name() == other) {
                    Some(status) => status.bit(),
                    None => {
                        unknown.push(other.to_owned());
                        0
                    }
                },
            };
        }
        (Self(bits), unknown)
    }

    /// Returns true when nothing is filtered out.
    pub fn is_all(self) -> bool {
        self.0 == 0
    }

    /// Says whether `status` passes: no filter, an undefined status, or a common bit.
    pub fn matches(self, status: TrackerStatus) -> bool {
        self.0 == 0 || status.bit() == 0 || self.0 & status.bit() != 0
    }

    /// Returns the bits.
    pub fn bits(self) -> u16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composites_and_unknown_words() {
        let (filter, unknown) = StatusFilter::parse("error, pinned,nonsense");
        assert_eq!(filter.bits(), 2 | 4 | 8 | 16);
        assert_eq!(unknown, ["nonsense"]);
        assert!(filter.matches(TrackerStatus::UnpinError));
        assert!(!filter.matches(TrackerStatus::Remote));
        assert!(StatusFilter::parse("").0.is_all());
    }

    #[test]
    fn names_are_distinct_and_parse_back() {
        for status in TrackerStatus::ALL {
            assert_eq!(StatusFilter::parse(status.name()), (StatusFilter::of(&[status]), vec![]));
        }
    }
}
