//! The JSON objects of Kubo's RPC that the connector reads, as Kubo 0.43 sends them. Keys it does not need are left
//! out; unknown keys are ignored.

use serde::Deserialize;

/// The body of an error status: `{"Message":"…","Code":0,"Type":"error"}`.
#[derive(Debug, Deserialize)]
pub(crate) struct ErrorAnswer {
    #[serde(rename = "Message")]
    pub(crate) message: String,
}

/// One line of `pin/add?progress=true`. Every 500 ms comes `{"Progress":163,"Bytes":42731522}`, where zeros are left
/// out (so the first line is often `{}`) and `Bytes` does not exist before Kubo 0.40. A pin that is done ends with
/// one more such line and then `{"Pins":["<cid>"]}`. A pin that failed after the first line ends without `Pins`, and
/// the message stands in the trailer `X-Stream-Error`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct PinAddLine {
    pub(crate) progress: Option<u64>,
    pub(crate) bytes: Option<u64>,
    pub(crate) pins: Option<Vec<String>>,
    pub(crate) message: Option<String>,
}

/// One line of `block/put`: `{"Key":"<cid>","Size":123}`, in the order of the parts.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct BlockPutLine {
    pub(crate) key: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) size: u64,
}

/// The answer to `pin/rm`: `{"Pins":["<cid>"]}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PinRmAnswer {
    /// Read only so that an answer without it is refused.
    #[serde(rename = "Pins")]
    pub(crate) _pins: Vec<String>,
}

/// One line of `pin/ls?stream=true`: `{"Cid":"<cid>","Type":"recursive"}`; `Type` may be `indirect through <cid>`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct PinLsLine {
    pub(crate) cid: Option<String>,
    #[serde(rename = "Type")]
    pub(crate) kind: Option<String>,
    pub(crate) message: Option<String>,
}

/// The answer to `id`: `{"ID":"12D3…","PublicKey":"…","Addresses":["/ip4/…/tcp/…/p2p/12D3…"],"AgentVersion":"kubo/…",
/// "Protocols":["/ipfs/bitswap",…]}`; `Addresses` is `null` while the daemon listens nowhere.
#[derive(Debug, Deserialize)]
pub(crate) struct IdAnswer {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    #[serde(rename = "Addresses", default)]
    pub(crate) addresses: Option<Vec<String>>,
}

/// The answer to `version`: `{"Version":"0.43.0","Commit":"","Repo":"18","System":"amd64/linux","Golang":"go1.26.8"}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct VersionAnswer {
    pub(crate) version: String,
}

/// The answer to `pin/update`: `{"Pins":["<from>","<to>"]}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PinUpdateAnswer {
    pub(crate) pins: Vec<String>,
}

/// The answer to `swarm/peers`: `{"Peers":[{"Addr":"/ip4/…","Peer":"12D3…","Identify":{…}}]}`; `Peers` is `null` while
/// there are none.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SwarmPeersAnswer {
    pub(crate) peers: Option<Vec<SwarmPeer>>,
}

/// One of `swarm/peers`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SwarmPeer {
    pub(crate) peer: String,
}

/// One line of `repo/gc?stream-errors=true`: `{"Key":{"/":"<cid>"}}` or `{"Key":null,"Error":"…"}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct GcLine {
    pub(crate) key: Option<Link>,
    pub(crate) error: Option<String>,
    pub(crate) message: Option<String>,
}

/// A CID as DAG-JSON writes it.
#[derive(Debug, Deserialize)]
pub(crate) struct Link {
    #[serde(rename = "/")]
    pub(crate) cid: String,
}

/// The answer to `resolve`: `{"Path":"/ipfs/<cid>"}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ResolveAnswer {
    pub(crate) path: String,
}

/// The answer to `repo/stat?size-only=true`: `{"RepoSize":120,"StorageMax":10000000000,"NumObjects":0,…}`. Without a
/// limit `StorageMax` is 2^64−1.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RepoStatAnswer {
    pub(crate) repo_size: u64,
    pub(crate) storage_max: u64,
}
