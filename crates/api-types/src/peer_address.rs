//! Where a peer is, as people write it.

use crate::PeerText;
use cluster_core::{Multiaddr, PeerId};
use multiaddr::Protocol;
use std::str::FromStr;

/// A multiaddress that may say at its end, as `/p2p/<peer ID>`, who is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAddress {
    place: Multiaddr,
    peer: Option<PeerId>,
}

/// Says why a text is no address of the peer meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerAddressError {
    /// The text is no multiaddress.
    #[error("\"{text}\" is not a multiaddress such as /ip4/192.0.2.1/tcp/9096 ({cause})")]
    NotAnAddress {
        /// The text.
        text: String,
        /// What is wrong with it.
        cause: String,
    },
    /// It is the address of somebody else.
    #[error("\"{address}\" is an address of peer {found}, not of {wanted}")]
    OtherPeer {
        /// The address without its end.
        address: Multiaddr,
        /// Whose address it is.
        found: PeerText,
        /// Whose it should be.
        wanted: PeerText,
    },
    /// Nothing but a peer ID.
    #[error("\"/p2p/{peer}\" does not say where the peer is")]
    NoPlace {
        /// The peer.
        peer: PeerText,
    },
}

impl FromStr for PeerAddress {
    type Err = PeerAddressError;

    fn from_str(text: &str) -> Result<Self, PeerAddressError> {
        let fail = |cause: String| PeerAddressError::NotAnAddress { text: text.to_owned(), cause };
        let mut place: Multiaddr = text.parse().map_err(|e: multiaddr::Error| fail(e.to_string()))?;
        let peer = match place.iter().last() {
            None => return Err(fail("it is empty".to_owned())),
            Some(Protocol::P2p(peer)) => {
                place.pop();
                Some(peer)
            }
            Some(_) => None,
        };
        Ok(Self { place, peer })
    }
}

impl PeerAddress {
    /// Returns the peer at the end of the address.
    pub fn peer(&self) -> Option<PeerId> {
        self.peer
    }

    /// Says whether there is anything besides the peer.
    pub fn has_place(&self) -> bool {
        !self.place.is_empty()
    }

    /// Returns the whole address of `wanted`, ending in `/p2p/<wanted>`.
    ///
    /// # Errors
    /// When it is another peer's, or says nothing but who is there.
    pub fn of(self, wanted: PeerId) -> Result<Multiaddr, PeerAddressError> {
        match self.peer {
            Some(found) if found != wanted => Err(PeerAddressError::OtherPeer {
                address: self.place,
                found: PeerText::from(&found),
                wanted: PeerText::from(&wanted),
            }),
            _ if self.place.is_empty() => Err(PeerAddressError::NoPlace { peer: PeerText::from(&wanted) }),
            _ => Ok(self.place.with(Protocol::P2p(wanted))),
        }
    }
}
