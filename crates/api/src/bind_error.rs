//! Why the server does not listen.

use crate::TlsError;
use cluster_core::Multiaddr;
use std::path::PathBuf;

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process has the port.
    #[error(
        "{address} is taken by another process: stop it, or choose another port in api.restapi.http_listen_multiaddress"
    )]
    Taken {
        /// The address.
        address: Multiaddr,
    },
    /// The address is of another kind.
    #[error(
        "{address} cannot be listened on by this version: use an address such as /ip4/127.0.0.1/tcp/9094"
    )]
    Kind {
        /// The address.
        address: Multiaddr,
    },
    /// Something else than a socket is where a socket shall be.
    #[error("{} is there already and is no socket: move it away, or listen on another path", path.display())]
    NoSocket {
        /// It.
        path: PathBuf,
    },
    /// The path of a Unix socket is too long.
    #[error(
        "{} is longer than the 107 bytes that the path of a Unix socket may have: use a folder with a shorter path",
        path.display()
    )]
    LongPath {
        /// It.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("cannot listen on {address}: {source}")]
    Io {
        /// The address.
        address: Multiaddr,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The access log cannot be written.
    #[error(
        "api.restapi.http_log_file: cannot open {} for appending: {source}; name a file in a folder that this user may \
         write to, or leave the key empty",
        path.display()
    )]
    Log {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The files for HTTPS cannot be used.
    #[error("api.restapi.{0}")]
    Tls(#[from] TlsError),
}
