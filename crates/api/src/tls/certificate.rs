//! Certificate and key in their files.

use super::TlsError;
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use tokio_rustls::rustls::{
    Error, InconsistentKeys,
    crypto::aws_lc_rs,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::CertifiedKey,
};
use zeroize::Zeroizing;

const CERT_KEY: &str = "ssl_cert_file";
const KEY_KEY: &str = "ssl_key_file";

/// Largest file read, in bytes: a hundred times a usual chain.
const LARGEST: u64 = 1 << 20;

/// Where certificate and key are, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those of its issuers after it.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// How both files are; `None` for one that is not there.
pub(super) type FileStates = [Option<FileState>; 2];

/// What changes when a file does: device, number, size, and when it was written or replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileState([u64; 3], [i64; 4]);

impl TlsFiles {
    /// Looks at the files without reading them.
    pub(super) fn states(&self) -> FileStates {
        [&self.cert, &self.key].map(|path| {
            let file = fs::metadata(path).ok()?;
            let times = [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()];
            Some(FileState([file.dev(), file.ino(), file.size()], times))
        })
    }

    /// Reads both; a certificate whose time has passed is used, with a warning.
    pub(super) fn load(&self) -> Result<CertifiedKey, TlsError> {
        let Self { cert, key } = self;
        let text = read(CERT_KEY, cert)?;
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<_, _>>()
            .map_err(|error| damaged(CERT_KEY, cert, &error))?;
        let first = chain.first().ok_or_else(|| TlsError::NoCertificate { path: cert.clone() })?;
        warn_of_times(first, cert);
        let secret = PrivateKeyDer::from_pem_slice(&read(KEY_KEY, key)?).map_err(|error| match error {
            pem::Error::NoItemsFound => TlsError::NoKey { path: key.clone() },
            other => damaged(KEY_KEY, key, &other),
        })?;
        CertifiedKey::from_der(chain, secret, &aws_lc_rs::default_provider()).map_err(|source| match source {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::Mismatch { cert: cert.clone(), key: key.clone() }
            }
            source => TlsError::Unusable { cert: cert.clone(), key: key.clone(), source },
        })
    }
}

fn read(key: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    use io::Read;
    let fail = |source| TlsError::Read { key, path: path.to_owned(), source };
    let mut bytes = Zeroizing::new(Vec::new());
    fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes)).map_err(fail)?;
    Ok(bytes)
}

fn damaged(key: &'static str, path: &Path, error: &pem::Error) -> TlsError {
    // Only the kind: some of the library's texts quote the line.
    let cause = match error {
        pem::Error::MissingSectionEnd { .. } => "a part of it has no end",
        pem::Error::IllegalSectionStart { .. } => "the begin of a part of it is malformed",
        pem::Error::Base64Decode(_) => "it is not base64 between begin and end",
        _ => "unreadable",
    };
    TlsError::Damaged { key, path: path.to_owned(), cause }
}

fn warn_of_times(certificate: &CertificateDer<'_>, path: &Path) {
    // What cannot be parsed here is refused by the TLS library, with its reason.
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else { return };
    let times = parsed.validity();
    if !times.is_valid() {
        tracing::warn!(
            target: "restapi", file = %path.display(), from = %times.not_before, until = %times.not_after,
            "the certificate is not valid now and clients refuse it: renew it; a new file is served without a restart"
        );
    }
}
