//! Names of the protocol in its two forms.

pub(crate) use crate::host::{OWN_RPC_PROTOCOL as OUR_PROTOCOL, RPC_PROTOCOL as GO_PROTOCOL};
use libp2p::StreamProtocol;

/// What a peer of this suite answers, best first.
pub(crate) static PROTOCOLS: [StreamProtocol; 2] = [OUR_PROTOCOL, GO_PROTOCOL];

/// Offer of calls that gain nothing from a peer of this suite.
pub(super) static GO_ONLY: [StreamProtocol; 1] = [GO_PROTOCOL];

/// Offer of calls that no other suite knows.
pub(super) static OURS_ONLY: [StreamProtocol; 1] = [OUR_PROTOCOL];
