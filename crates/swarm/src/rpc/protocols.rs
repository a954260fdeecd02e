//! Names of the protocol in its two forms.

use libp2p::StreamProtocol;

/// What peers of the Go suite speak.
pub(crate) const GO_PROTOCOL: StreamProtocol = StreamProtocol::new("/ipfscluster/1.0/rpc");

/// What only peers of this suite speak: the same, with status streams in key order and the exchange of heads.
pub(crate) const OUR_PROTOCOL: StreamProtocol = StreamProtocol::new("/cluster/rpc/1.0.0");

/// What a peer of this suite answers, best first.
pub(crate) static PROTOCOLS: [StreamProtocol; 2] = [OUR_PROTOCOL, GO_PROTOCOL];

/// Offer of calls that gain nothing from a peer of this suite.
pub(super) static GO_ONLY: [StreamProtocol; 1] = [GO_PROTOCOL];

/// Offer of calls that no other suite knows.
pub(super) static OURS_ONLY: [StreamProtocol; 1] = [OUR_PROTOCOL];
