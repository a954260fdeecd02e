//! HTTPS with a certificate and a key from files, which are read again when they change (api §3.1).

mod certificate;
mod error;
mod plain_http;

pub use certificate::TlsFiles;
pub use error::TlsError;

pub(crate) use plain_http::refuse_plain_http;

use arc_swap::ArcSwap;
use certificate::FileStates;
use std::{sync::Arc, time::Duration};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};

/// How often the files are looked at. A change counts when it is seen twice: who renews a certificate writes two files.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Application protocols, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What the TLS side of a server works with.
pub(crate) struct Tls {
    files: TlsFiles,
    /// How the files were when they were read.
    read: FileStates,
    served: Arc<Served>,
    acceptor: TlsAcceptor,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read, or the two do not belong together.
    pub(crate) fn load(files: TlsFiles) -> Result<Self, TlsError> {
        // Before their content: a change in between is then seen later, instead of never.
        let read = files.states();
        let served = Arc::new(Served(ArcSwap::from_pointee(files.load()?)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Library)?
            .with_no_client_auth()
            .with_cert_resolver(served.clone());
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self { files, read, served, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Returns what makes connections secure.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// Serves a renewed certificate soon after its files have changed, until dropped. Files that cannot be used change
    /// nothing but the log.
    pub(crate) async fn renew(self) {
        let (mut settled, mut last) = (self.read.clone(), self.read);
        let mut told = String::new();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let files = self.files.clone();
            let Ok(now) = tokio::task::spawn_blocking(move || files.states()).await else { continue };
            let is_new = now != settled && now == last;
            last = now;
            if !is_new {
                continue;
            }
            let before = std::mem::replace(&mut settled, last.clone());
            let files = self.files.clone();
            match tokio::task::spawn_blocking(move || files.load()).await {
                Ok(Ok(key)) => {
                    self.served.0.store(Arc::new(key));
                    told.clear();
                    tracing::info!(target: "restapi", file = %self.files.cert.display(), "a new certificate is served");
                }
                Ok(Err(error)) => {
                    // What could not be read now can be read later, without another change.
                    if matches!(error, TlsError::Read { .. }) {
                        settled = before;
                    }
                    let text = error.to_string();
                    if text != told {
                        tracing::warn!(target: "restapi", %error, "the certificate from before is served on");
                        told = text;
                    }
                }
                // Only a stop of the runtime ends such a task.
                Err(_) => return,
            }
        }
    }
}

/// The certificate of the present.
#[derive(Debug)]
struct Served(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}
