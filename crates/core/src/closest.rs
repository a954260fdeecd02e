//! Who acts for a CID when every peer could (api §10.6, wire-protocol §7.5).

use blake2::{Blake2b, Digest, digest::consts::U32};
use cid::Cid;
use libp2p_identity::PeerId;

/// The peers that could act, with what their distances are made of.
#[derive(Debug, Clone)]
pub struct Closeness {
    me: [u8; 32],
    others: Vec<(PeerId, [u8; 32])>,
}

impl Closeness {
    /// Prepares the comparison of `me` with `peers`. Whether these hold `me` makes no difference.
    pub fn new(me: &PeerId, peers: &[PeerId]) -> Self {
        let others = peers.iter().map(|peer| (*peer, hash(&peer.to_bytes()))).collect();
        Self { me: hash(&me.to_bytes()), others }
    }

    /// Lists the peers that are closer to a CID than `me`: none means that `me` acts, a peer equally far is no closer.
    ///
    /// The distance is the XOR of the BLAKE2b-256 hashes of the binary CID and of the binary peer ID, a big-endian number.
    pub fn closer<'a>(&'a self, cid: &Cid) -> impl Iterator<Item = &'a PeerId> + use<'a> {
        let cid = hash(&cid.to_bytes());
        let mine = distance(&cid, &self.me);
        self.others.iter().filter(move |(_, hash)| distance(&cid, hash) < mine).map(|(peer, _)| peer)
    }
}

fn distance(cid: &[u8; 32], peer: &[u8; 32]) -> [u8; 32] {
    std::array::from_fn(|i| cid[i] ^ peer[i])
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
        let to = |peer: &str| distance(&cid, &hash(&peer.parse::<PeerId>().unwrap().to_bytes()));
        assert_eq!(hex::encode(&to(A)[..4]), "f9b780f1");
        assert_eq!(hex::encode(&to(B)[..4]), "3d913e49");
    }

    #[test]
    fn the_closest_acts_and_the_others_know_their_place() {
        let cid = Cid::try_from(C1).unwrap();
        let (a, b) = (A.parse().unwrap(), B.parse().unwrap());
        let closer = |me: &PeerId, peers: &[PeerId]| -> Vec<PeerId> {
            Closeness::new(me, peers).closer(&cid).copied().collect()
        };
        assert_eq!(closer(&b, &[a, b]), []);
        assert_eq!(closer(&a, &[a, b]), [b]);
        assert_eq!(closer(&a, &[b]), [b]);
        // Equally far is not closer.
        assert_eq!(closer(&a, &[a, a]), []);
        assert_eq!(closer(&a, &[]), []);
        let many: Vec<PeerId> = (0..50).map(|_| PeerId::random()).collect();
        let mut places: Vec<usize> = many.iter().map(|me| closer(me, &many).len()).collect();
        places.sort_unstable();
        assert_eq!(places, (0..50).collect::<Vec<_>>());
    }
}
