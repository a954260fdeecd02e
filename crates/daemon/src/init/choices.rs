//! Understands the choices of the command line.

use super::{InitError, error::Choice};
use crate::config::{ConfigFormat, ConsensusKind};
use cluster_core::{Multiaddr, PeerId};
use cluster_datastore::EngineKind;
use multiaddr::Protocol;

/// Takes `crdt` and `raft`.
pub(super) fn settle_consensus(name: &str) -> Result<ConsensusKind, InitError> {
    match name {
        "crdt" => Ok(ConsensusKind::Crdt),
        "raft" => Ok(ConsensusKind::Raft),
        other => {
            Err(InitError::Consensus(Choice::Unknown { found: other.to_owned(), known: "crdt or raft" }))
        }
    }
}

/// Takes `toml` and `json`.
pub(super) fn settle_format(name: &str) -> Result<ConfigFormat, InitError> {
    match name {
        "toml" => Ok(ConfigFormat::Toml),
        "json" => Ok(ConfigFormat::Json),
        other => Err(InitError::Format(Choice::Unknown { found: other.to_owned(), known: "toml or json" })),
    }
}

/// Takes `fjall` and `sled`, and the names of the Go implementation's engines for the sake of scripts: for these it also
/// returns what to tell the person.
pub(super) fn settle_datastore(name: &str) -> Result<(EngineKind, Option<String>), InitError> {
    match name {
        "fjall" => Ok((EngineKind::Fjall, None)),
        "sled" => Ok((EngineKind::Sled, None)),
        "pebble" | "badger" | "badger3" | "leveldb" => {
            let note = format!("datastore {name} is not part of this implementation: using fjall instead");
            Ok((EngineKind::Fjall, Some(note)))
        }
        other => {
            let known = "fjall or sled";
            Err(InitError::Datastore(Choice::Unknown { found: other.to_owned(), known }))
        }
    }
}

/// Reads a comma separated list of addresses that name their peers.
pub(super) fn parse_peers(list: &str) -> Result<Vec<(Multiaddr, PeerId)>, InitError> {
    let texts = list.split(',').map(str::trim).filter(|text| !text.is_empty());
    texts
        .map(|text| {
            let named = text.parse::<Multiaddr>().ok().and_then(|address| match address.iter().last() {
                Some(Protocol::P2p(peer)) => Some((address, peer)),
                _ => None,
            });
            named.ok_or_else(|| InitError::Peer { found: text.to_owned() })
        })
        .collect()
}
