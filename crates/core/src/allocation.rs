//! Choosing the peers that hold a pin (api §10.3): [`rank()`] orders those that could, [`allocate`] takes from that
//! order where operations are put in order.

mod rank;

pub use rank::{Placement, rank};

use crate::{pin::ReplicationPolicy, ports::consensus::Rejection};
use libp2p_identity::PeerId;

/// Chooses the allocations of a pin among `candidates`, which are ranked best first and hold every peer that
/// could take the pin now, current ones included.
///
/// Peers already allocated stay as they are while those of them that are candidates reach the minimum; when there
/// are more than the maximum, the worst ranked go, and before them those that are no candidates. Below the minimum
/// current peers that are no candidates are replaced, and others are taken up to the maximum.
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
    let mut usable: Vec<PeerId> = current.iter().filter(|p| candidates.contains(p)).copied().collect();
    if usable.len() >= min {
        let mut kept = current.to_vec();
        if kept.len() > max {
            kept.sort_by_key(rank);
            kept.truncate(max);
        }
        return Ok(kept);
    }
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

    #[test]
    fn a_current_peer_that_is_no_candidate_does_not_count_towards_the_minimum() {
        let p = peers(5);
        let (current, alive) = (&p[..2], &p[1..]);
        let between = |min, max| ReplicationPolicy::Between { min, max };
        // One of two is left: enough for a minimum of one, and nothing moves.
        assert_eq!(allocate(between(1, 3), current, alive).unwrap(), p[..2]);
        // Not enough for two: it is replaced, and the pin grows to its maximum.
        assert_eq!(allocate(between(2, 3), current, alive).unwrap(), p[1..4]);
        // It is the first to go when there are too many.
        assert_eq!(allocate(between(1, 1), current, alive).unwrap(), [p[1]]);
        let error = allocate(between(3, 3), current, &p[1..3]).unwrap_err();
        assert_eq!(error, Rejection::NotEnoughPeers { needed: 2, wanted: 2, available: 1 });
    }
}
