//! Choosing the peers that hold a pin (api §10.3).

use crate::{pin::ReplicationPolicy, ports::consensus::Rejection};
use libp2p_identity::PeerId;

/// Chooses the allocations of a pin among `candidates`, which are ranked best first and hold every peer that
/// could take the pin now, current ones included.
///
/// Peers already allocated stay while they are enough; when there are too many, the worst ranked go. New ones
/// are taken only when fewer than the minimum are left, and then up to the maximum.
///
/// # Errors
/// [`Rejection::NotEnoughPeers`] when the minimum cannot be reached.
pub fn allocate(
    policy: ReplicationPolicy,
    current: &[PeerId],
    candidates: &[PeerId],
) -> Result<Vec<PeerId>, Rejection> {
    let ReplicationPolicy::Between { min, max } = policy else { return Ok(Vec::new()) };
    let rank = |peer: &PeerId| candidates.iter().position(|c| c == peer).unwrap_or(usize::MAX);
    if current.len() > max {
        let mut kept = current.to_vec();
        kept.sort_by_key(rank);
        kept.truncate(max);
        return Ok(kept);
    }
    if current.len() >= min {
        return Ok(current.to_vec());
    }
    let mut usable: Vec<PeerId> = current.iter().filter(|p| candidates.contains(p)).copied().collect();
    let fresh: Vec<PeerId> = candidates.iter().filter(|p| !current.contains(p)).copied().collect();
    let (needed, wanted) = (min - usable.len(), max - usable.len());
    if fresh.len() < needed {
        return Err(Rejection::NotEnoughPeers { needed, wanted, available: fresh.len() });
    }
    usable.extend(fresh.into_iter().take(wanted));
    Ok(usable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(n: usize) -> Vec<PeerId> {
        (0..n).map(|_| PeerId::random()).collect()
    }

    #[test]
    fn everywhere_names_nobody_and_fresh_pins_take_the_maximum() {
        let p = peers(4);
        assert_eq!(allocate(ReplicationPolicy::Everywhere, &[], &p).unwrap(), []);
        assert_eq!(allocate(ReplicationPolicy::Between { min: 2, max: 3 }, &[], &p).unwrap(), p[..3]);
    }

    #[test]
    fn enough_peers_stay_surplus_goes_from_the_worst_end_and_too_few_is_an_error() {
        let p = peers(4);
        let policy = ReplicationPolicy::Between { min: 1, max: 2 };
        assert_eq!(allocate(policy, &p[3..], &p).unwrap(), p[3..]);
        assert_eq!(allocate(policy, &[p[3], p[0], p[1]], &p).unwrap(), [p[0], p[1]]);
        let error = allocate(ReplicationPolicy::Between { min: 5, max: 6 }, &[], &p).unwrap_err();
        assert_eq!(error, Rejection::NotEnoughPeers { needed: 5, wanted: 6, available: 4 });
    }
}
