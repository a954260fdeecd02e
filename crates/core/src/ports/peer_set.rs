//! The port of membership without a list (wire-protocol §7.1).

use libp2p_identity::PeerId;

/// Knows who the members are.
pub trait PeerSet: Send + Sync + 'static {
    /// Lists the members now, this peer included, sorted by binary peer ID.
    fn members(&self) -> Vec<PeerId>;
}
