//! Why the host did not start.

use cluster_core::Multiaddr;

/// Why the swarm did not start.
#[derive(Debug, thiserror::Error)]
pub enum SwarmError {
    /// No address of the configuration can be listened on by this transport.
    #[error("no address to listen on: give a /tcp/ address in cluster.listen_multiaddress")]
    NoListenAddress,
    /// Somebody else listens there.
    #[error(
        "cannot listen on {address}: another program uses that port; stop it, or change cluster.listen_multiaddress"
    )]
    AddressInUse {
        /// The address.
        address: Multiaddr,
    },
    /// The system does not let us listen there.
    #[error("cannot listen on {address}: {cause}; check cluster.listen_multiaddress")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the system said.
        cause: String,
    },
    /// The host for HTTP cannot listen there.
    #[error("cannot listen on {address}: {cause}; check api.restapi.libp2p_listen_multiaddress")]
    ListenHttp {
        /// The address.
        address: Multiaddr,
        /// What the system said.
        cause: String,
    },
    /// A part of the transport cannot be set up.
    #[error("cannot set up {part}: {cause}")]
    Setup {
        /// Which part.
        part: &'static str,
        /// What went wrong.
        cause: String,
    },
}
