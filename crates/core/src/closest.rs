//! Who acts for a CID when every peer could (api §10.6, wire-protocol §7.5).

use blake2::{Blake2b, Digest, digest::consts::U32};
use cid::Cid;
use libp2p_identity::PeerId;

/// Counts the peers that are closer to a CID than `me`: 0 means that `me` acts, a peer equally far counts as no
/// closer. Whether `peers` holds `me` makes no difference.
///
/// The distance is the XOR of the BLAKE2b-256 hashes of the binary CID and of the binary peer ID, a big-endian number.
pub fn distance_rank(cid: &Cid, me: &PeerId, peers: &[PeerId]) -> usize {
    let cid = hash(&cid.to_bytes());
    let mine = distance(&cid, me);
    peers.iter().filter(|peer| distance(&cid, peer) < mine).count()
}

fn distance(cid: &[u8; 32], peer: &PeerId) -> [u8; 32] {
    let mut distance = hash(&peer.to_bytes());
    for (byte, other) in distance.iter_mut().zip(cid) {
        *byte ^= other;
    }
    distance
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Blake2b::<U32>::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const C1: &str = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    const A: &str = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";
    const B: &str = "12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq";

    #[test]
    fn the_worked_example_of_the_reference() {
        let cid = hash(&Cid::try_from(C1).unwrap().to_bytes());
        assert_eq!(hex::encode(cid), "9403d421697ea165f6f809db78f7fdbdcc48639e0ad5af59d19cd58b027e1202");
        assert_eq!(hex::encode(&distance(&cid, &A.parse().unwrap())[..4]), "f9b780f1");
        assert_eq!(hex::encode(&distance(&cid, &B.parse().unwrap())[..4]), "3d913e49");
    }

    #[test]
    fn the_closest_acts_and_the_others_know_their_place() {
        let cid = Cid::try_from(C1).unwrap();
        let (a, b) = (A.parse().unwrap(), B.parse().unwrap());
        assert_eq!(distance_rank(&cid, &b, &[a, b]), 0);
        assert_eq!(distance_rank(&cid, &a, &[a, b]), 1);
        assert_eq!(distance_rank(&cid, &a, &[b]), 1);
        // Equally far is not closer.
        assert_eq!(distance_rank(&cid, &a, &[a, a]), 0);
        assert_eq!(distance_rank(&cid, &a, &[]), 0);
        let many: Vec<PeerId> = (0..50).map(|_| PeerId::random()).collect();
        let mut places: Vec<usize> = many.iter().map(|me| distance_rank(&cid, me, &many)).collect();
        places.sort_unstable();
        assert_eq!(places, (0..50).collect::<Vec<_>>());
    }
}
