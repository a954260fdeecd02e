//! Which part a pin plays (api §2.3).

/// Type of a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PinKind {
    /// Written by nobody on purpose: missing or unreadable.
    Bad,
    /// Ordinary content.
    Data,
    /// Root of sharded content, never pinned on IPFS.
    Meta,
    /// Index node of the shards.
    ClusterDag,
    /// Root of one shard.
    Shard,
}

impl PinKind {
    /// Returns the bit that REST filters and RPC use.
    pub fn bit(self) -> u8 {
        1 << self.stored()
    }

    /// Returns the number stored in the protobuf.
    pub fn stored(self) -> u8 {
        match self {
            Self::Bad => 0,
            Self::Data => 1,
            Self::Meta => 2,
            Self::ClusterDag => 3,
            Self::Shard => 4,
        }
    }

    /// Reads the number stored in the protobuf; unknown ones are `Bad`.
    pub fn from_stored(number: i32) -> Self {
        match number {
            1 => Self::Data,
            2 => Self::Meta,
            3 => Self::ClusterDag,
            4 => Self::Shard,
            _ => Self::Bad,
        }
    }

    /// Returns the name used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bad => "bad-type",
            Self::Data => "pin",
            Self::Meta => "meta-pin",
            Self::ClusterDag => "clusterdag-pin",
            Self::Shard => "shard-pin",
        }
    }

    /// Reads the name used in JSON; unknown ones are `Bad`.
    pub fn from_name(name: &str) -> Self {
        match name {
            "pin" => Self::Data,
            "meta-pin" => Self::Meta,
            "clusterdag-pin" => Self::ClusterDag,
            "shard-pin" => Self::Shard,
            _ => Self::Bad,
        }
    }
}

/// A set of pin types to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinKindFilter(u8);

impl PinKindFilter {
    /// Keeps everything, unreadable pins included.
    pub const ALL: Self = Self(0xff);

    /// Parses a comma list of type names and `all`; returns the unknown words beside it. An empty text keeps all.
    pub fn parse(text: &str) -> (Self, Vec<String>) {
        let mut bits = 0;
        let mut unknown = Vec::new();
        if text.trim().is_empty() {
            return (Self::ALL, unknown);
        }
        for word in text.split(',').map(str::trim) {
            match word {
                "all" | "" => bits |= 0xff,
                other => match PinKind::from_name(other) {
                    PinKind::Bad => {
                        bits |= PinKind::Bad.bit();
                        if other != PinKind::Bad.name() {
                            unknown.push(other.to_owned());
                        }
                    }
                    kind => bits |= kind.bit(),
                },
            }
        }
        (Self(bits), unknown)
    }

    /// Says whether `kind` passes.
    pub fn matches(self, kind: PinKind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// Says whether only unknown words were given.
    pub fn is_only_bad(self) -> bool {
        self.0 == PinKind::Bad.bit()
    }
}
