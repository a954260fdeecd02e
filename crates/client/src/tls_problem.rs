//! What keeps HTTPS from coming about, told apart so that each has its remedy.

use rustls::{CertificateError, Error as Tls};
use std::{error::Error, io};

/// Whether HTTPS makes sure of who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CertificateCheck {
    /// The certificate must be valid, for the name asked for, and from an issuer that this system trusts. Those are the
    /// system's own, or the ones in `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    #[default]
    Full,
    /// Any certificate will do: the connection is secret, but anyone may be at its other end.
    Off,
}

/// Why no secure connection came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlsProblem {
    /// The host's certificate was valid once.
    #[error("the certificate of the host has expired: it must be renewed there")]
    Expired,
    /// The host's certificate is not valid yet.
    #[error("the certificate of the host is not valid yet: check the clocks of both machines")]
    NotYetValid,
    /// The host's certificate is another's.
    #[error(
        "the certificate of the host is not for the name or address it was asked by: use one that it names"
    )]
    OtherName,
    /// Nobody vouches for the host.
    #[error(
        "nobody this system trusts has issued the certificate of the host: name its issuer's file in SSL_CERT_FILE"
    )]
    Untrusted,
    /// The host's certificate is that of an issuer, as `openssl req -x509` makes them.
    #[error(
        "the certificate of the host is one of an issuer (CA:TRUE), not of a server: make one with CA:FALSE"
    )]
    Issuer,
    /// The host does not speak TLS.
    #[error(
        "the host does not speak HTTPS on this port: use plain HTTP, or set ssl_cert_file and ssl_key_file there"
    )]
    PlainHttp,
    /// Anything else.
    #[error("the host and this program cannot agree on TLS")]
    Other,
}

impl TlsProblem {
    /// Looks for a failure of TLS among the causes of an error.
    pub(crate) fn find(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(tls) = error.downcast_ref::<Tls>() {
                return Some(Self::of(tls));
            }
            next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                // Such an error hides what it wraps from those who ask for its source.
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        None
    }

    fn of(error: &Tls) -> Self {
        use CertificateError as C;
        match error {
            Tls::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => Self::Expired,
            Tls::InvalidCertificate(C::NotValidYet | C::NotValidYetContext { .. }) => Self::NotYetValid,
            Tls::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => Self::OtherName,
            // The latter: an issuer of that name is trusted, but has another key.
            Tls::InvalidCertificate(C::UnknownIssuer | C::BadSignature) => Self::Untrusted,
            // The library has no value for it.
            Tls::InvalidCertificate(C::Other(other))
                if format!("{other:?}").contains("CaUsedAsEndEntity") =>
            {
                Self::Issuer
            }
            Tls::InvalidMessage(_) => Self::PlainHttp,
            _ => Self::Other,
        }
    }

    /// Says whether a host that is not checked would be reached.
    pub fn is_about_the_certificate(self) -> bool {
        matches!(self, Self::Expired | Self::NotYetValid | Self::OtherName | Self::Untrusted | Self::Issuer)
    }
}
