//! Why a certificate cannot be served.

use std::{io, path::PathBuf};
use tokio_rustls::rustls;

/// The files for HTTPS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One cannot be read.
    #[error("{key}: cannot read {}: {source}", path.display())]
    Read {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// One is damaged.
    #[error("{key}: {} is damaged ({cause}): it must be in PEM", path.display())]
    Damaged {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the parser says, which quotes nothing of a key.
        cause: &'static str,
    },
    /// There is no certificate.
    #[error("ssl_cert_file: {} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// There is no key.
    #[error(
        "ssl_key_file: {} holds no private key in PEM (-----BEGIN PRIVATE KEY-----); an encrypted one must be \
         decrypted first",
        path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is another's.
    #[error(
        "ssl_key_file: the key in {} is not that of the first certificate in {}: the peer's own certificate comes \
         first, those of its issuers after it",
        key.display(),
        cert.display()
    )]
    Mismatch {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// Certificate or key is of a kind that cannot be used.
    #[error("ssl_cert_file and ssl_key_file: {} and {} cannot be used: {source}", cert.display(), key.display())]
    Unusable {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What the TLS library says.
        source: rustls::Error,
    },
    /// The TLS library does not work.
    #[error("TLS: {0}")]
    Library(rustls::Error),
}
