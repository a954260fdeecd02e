//! The calls the stand-in knows.

/// One call of Kubo's RPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `id`.
    Id,
    /// `version`.
    Version,
    /// `pin/add`.
    PinAdd,
    /// `pin/update`; its argument is the old CID, a space and the new one.
    PinUpdate,
    /// `pin/rm`.
    PinRm,
    /// `pin/ls` of one CID.
    PinLs,
    /// `pin/ls` of everything; its argument is the type.
    PinLsAll,
    /// `resolve`.
    Resolve,
    /// `repo/stat`.
    RepoStat,
    /// `config/show`.
    ConfigShow,
    /// `swarm/connect`.
    SwarmConnect,
    /// `swarm/peers`.
    SwarmPeers,
    /// `repo/gc`.
    RepoGc,
    /// Anything else; its argument is the path.
    Other,
}

impl Endpoint {
    pub(crate) const COUNT: usize = Self::Other as usize + 1;

    /// Finds the endpoint of a path below `/api/v0/`.
    pub(crate) fn of(path: &str, has_arg: bool) -> Self {
        match path {
            "id" => Self::Id,
            "version" => Self::Version,
            "pin/add" => Self::PinAdd,
            "pin/update" => Self::PinUpdate,
            "pin/rm" => Self::PinRm,
            "pin/ls" if has_arg => Self::PinLs,
            "pin/ls" => Self::PinLsAll,
            "resolve" => Self::Resolve,
            "repo/stat" => Self::RepoStat,
            "config/show" => Self::ConfigShow,
            "swarm/connect" => Self::SwarmConnect,
            "swarm/peers" => Self::SwarmPeers,
            "repo/gc" => Self::RepoGc,
            _ => Self::Other,
        }
    }

    /// Says whether the answer is a list of many objects.
    pub(crate) fn is_listing(self) -> bool {
        matches!(self, Self::PinLsAll | Self::RepoGc)
    }
}
