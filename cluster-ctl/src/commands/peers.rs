//! `id`, `version` and `peers`.

use crate::{cli::PeersCommand, failure::Failure, session::Session};
use cluster_client::{Multiaddr, PeerAddress, PeerId, parse_peer_id};

/// `id`
pub(super) async fn id(session: &mut Session) -> Result<(), Failure> {
    let id = session.client.id().await?;
    Ok(session.output.object(&id)?)
}

/// `version`
pub(super) async fn version(session: &mut Session) -> Result<(), Failure> {
    let version = session.client.version().await?;
    Ok(session.output.object(&version)?)
}

/// `peers ls`, `add`, `rm`, `promote`, `demote`
pub(super) async fn peers(session: &mut Session, command: PeersCommand) -> Result<(), Failure> {
    match command {
        PeersCommand::Ls => {
            let peers = session.client.peers().await?;
            session.print_all(peers).await
        }
        PeersCommand::Add { peer, addresses } => {
            let (peer, addresses) = parse_joiner(&peer, &addresses)?;
            let id = session.client.add_peer(&peer, &addresses).await?;
            Ok(session.output.object(&id)?)
        }
        PeersCommand::Rm { peer, forget } => {
            Ok(session.client.remove_peer(&parse_peer(&peer)?, forget).await?)
        }
        PeersCommand::Promote { peer } => Ok(session.client.set_voter(&parse_peer(&peer)?, true).await?),
        PeersCommand::Demote { peer } => Ok(session.client.set_voter(&parse_peer(&peer)?, false).await?),
    }
}

/// Reads a peer ID; who gives an address instead is told what to take of it.
fn parse_peer(text: &str) -> Result<PeerId, Failure> {
    if text.starts_with('/') {
        let end = text.parse::<PeerAddress>().ok().and_then(|address| address.peer());
        let hint = end.map_or_else(
            || "a peer ID looks like \"12D3KooW…\" or \"Qm…\"".to_owned(),
            |peer| format!("give the peer ID at its end, {peer}"),
        );
        let problem = format!("\"{text}\" is a multiaddress: {hint}");
        return Err(Failure::client("parsing peer ID", problem));
    }
    parse_peer_id(text).map_err(|e| Failure::client("parsing peer ID", e))
}

/// Reads a peer, given as its ID or as an address that ends in it, and its addresses.
fn parse_joiner(text: &str, more: &[String]) -> Result<(PeerId, Vec<Multiaddr>), Failure> {
    const DOING: &str = "parsing address";
    let address = |text: &str| text.parse::<PeerAddress>().map_err(|e| Failure::client(DOING, e));
    let whole = |peer, address: PeerAddress| address.of(peer).map_err(|e| Failure::client(DOING, e));
    let mut addresses = Vec::new();
    let peer = if text.starts_with('/') {
        let first = address(text)?;
        let peer = first.peer().ok_or_else(|| {
            Failure::client(DOING, format!("\"{text}\" does not say who is there: add /p2p/<peer ID>"))
        })?;
        if first.has_place() {
            addresses.push(whole(peer, first)?);
        }
        peer
    } else {
        parse_peer(text)?
    };
    for text in more {
        addresses.push(whole(peer, address(text)?)?);
    }
    Ok((peer, addresses))
}
