//! `id`, `version` and `peers`.

use crate::{cli::PeersCommand, failure::Failure, session::Session};
use cluster_client::PeerId;

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

/// `peers ls`, `peers rm`
pub(super) async fn peers(session: &mut Session, command: PeersCommand) -> Result<(), Failure> {
    match command {
        PeersCommand::Ls => {
            let peers = session.client.peers().await?;
            session.print_all(peers).await
        }
        PeersCommand::Rm { peer } => {
            let peer: PeerId = peer.parse().map_err(|e| Failure::client("parsing peer ID", e))?;
            Ok(session.client.remove_peer(&peer).await?)
        }
    }
}
