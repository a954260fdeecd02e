//! What a call says when it goes as Kubo's would.

use super::{Endpoint, PinnedAs, State, pins::Page, request::Call};
use std::fmt::Write;

/// Pins in one piece of a listing.
const LIST_PIECE: usize = 1024;

/// The stand-in's peer ID: well formed, and nobody's.
const PEER_ID: &str = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X";

/// One piece of a body: text, and where a listing goes on.
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) next: Option<Box<str>>,
}

/// Carries out a call and says what Kubo says.
///
/// # Errors
/// Kubo's message.
pub(crate) fn perform(call: &Call, state: &mut State) -> Result<Piece, String> {
    let arg = call.arg.as_str();
    let text = match call.endpoint {
        Endpoint::Id => format!(
            "{{\"ID\":\"{PEER_ID}\",\"PublicKey\":\"\",\"Addresses\":[\"/ip4/127.0.0.1/tcp/4001/p2p/{PEER_ID}\"],\
             \"AgentVersion\":\"kubo/mock\",\"Protocols\":[]}}\n"
        ),
        Endpoint::Version => "{\"Version\":\"0.43.0\",\"Commit\":\"\",\"Repo\":\"18\"}\n".to_owned(),
        Endpoint::PinAdd => {
            let cid = cid(arg)?;
            let kind = if call.recursive { PinnedAs::Recursive } else { PinnedAs::Direct };
            if kind == PinnedAs::Direct && state.pins.get(&cid) == Some(PinnedAs::Recursive) {
                return Err(format!("{cid} already pinned recursively"));
            }
            state.pins.insert(&cid, kind);
            format!("{{\"Pins\":[\"{cid}\"]}}\n")
        }
        Endpoint::PinUpdate => {
            let (from, to) = arg.split_once(' ').ok_or("argument \"to-path\" is required")?;
            let (from, to) = (cid(from)?, cid(to)?);
            if state.pins.get(&from) != Some(PinnedAs::Recursive) {
                return Err("'from' cid was not recursively pinned already".to_owned());
            }
            state.pins.insert(&to, PinnedAs::Recursive);
            if call.unpin && from != to {
                state.pins.remove(&from);
            }
            format!("{{\"Pins\":[\"{from}\",\"{to}\"]}}\n")
        }
        Endpoint::PinRm => {
            let cid = cid(arg)?;
            if !state.pins.remove(&cid) {
                return Err("not pinned or pinned indirectly".to_owned());
            }
            format!("{{\"Pins\":[\"{cid}\"]}}\n")
        }
        Endpoint::PinLs => {
            let cid = cid(arg)?;
            match state.pins.get(&cid).filter(|is| call.kind.is_none_or(|kind| kind == *is)) {
                Some(is) => format!("{{\"Cid\":\"{cid}\",\"Type\":\"{}\"}}\n", is.as_str()),
                None => return Err(format!("path '{arg}' is not pinned")),
            }
        }
        Endpoint::PinLsAll => return Ok(list(call, None, state)),
        Endpoint::Resolve => match state.paths.get(arg) {
            Some(target) => format!("{{\"Path\":\"{target}\"}}\n"),
            None => return Err(format!("no link for {arg}")),
        },
        Endpoint::RepoStat => {
            "{\"RepoSize\":1048576,\"StorageMax\":10000000000,\"NumObjects\":0,\"RepoPath\":\"\",\"Version\":\"\"}\n"
                .to_owned()
        }
        Endpoint::ConfigShow => state
            .config
            .clone()
            .unwrap_or_else(|| "{\"Datastore\":{\"StorageMax\":\"10GB\"}}\n".to_owned()),
        Endpoint::SwarmConnect => "{\"Strings\":[\"connect success\"]}\n".to_owned(),
        Endpoint::SwarmPeers => state.peers.clone().unwrap_or_else(|| "{\"Peers\":null}\n".to_owned()),
        Endpoint::RepoGc => state.garbage.clone(),
        Endpoint::Other => return Err(format!("the stand-in does not know {arg}")),
    };
    Ok(Piece { text, next: None })
}

/// Makes the next piece of a listing.
pub(crate) fn list(call: &Call, after: Option<&str>, state: &State) -> Piece {
    let Page { pins, next } = state.pins.page(call.kind, after, LIST_PIECE);
    let mut text = String::with_capacity(pins.len() * 100);
    for (cid, is) in pins {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{{\"Cid\":\"{cid}\",\"Type\":\"{}\"}}", is.as_str());
    }
    Piece { text, next }
}

/// Checks an argument as Kubo does, with or without `/ipfs/` before it.
fn cid(arg: &str) -> Result<String, String> {
    let text = arg.strip_prefix("/ipfs/").unwrap_or(arg);
    match text.parse::<cid::Cid>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("invalid path \"{arg}\": invalid cid: {error}")),
    }
}
