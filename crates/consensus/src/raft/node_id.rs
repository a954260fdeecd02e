//! A member of the cluster, as openraft wants to name it.

use cluster_core::PeerId;
use multihash::Multihash;

/// A peer ID. Ordered as its bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId(PeerId);

impl NodeId {
    /// Returns the peer.
    pub fn peer(&self) -> PeerId {
        self.0
    }
}

impl From<PeerId> for NodeId {
    fn from(peer: PeerId) -> Self {
        Self(peer)
    }
}

/// openraft asks for one before it knows any. It is nobody's: no key hashes to nothing.
impl Default for NodeId {
    fn default() -> Self {
        let nothing = Multihash::wrap(0, &[]).map(PeerId::from_multihash);
        Self(nothing.ok().and_then(Result::ok).unwrap_or_else(PeerId::random))
    }
}

impl PartialOrd for NodeId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for NodeId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.to_bytes().cmp(&other.0.to_bytes())
    }
}

impl std::fmt::Debug for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// openraft's suite names nodes by numbers.
#[cfg(test)]
impl From<u64> for NodeId {
    fn from(number: u64) -> Self {
        let bytes = number.to_be_bytes();
        Self(PeerId::from_multihash(Multihash::wrap(0, &bytes).unwrap()).unwrap())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_ordered_as_their_bytes() {
        let mut nodes: Vec<NodeId> = (0..20).map(|_| NodeId::from(PeerId::random())).collect();
        nodes.sort();
        assert!(nodes.is_sorted_by_key(|node| node.peer().to_bytes()));
        assert_eq!(NodeId::default(), NodeId::default());
        assert!(NodeId::from(1) < NodeId::from(256));
    }
}
