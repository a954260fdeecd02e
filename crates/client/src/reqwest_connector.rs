//! HTTP and HTTPS over TCP, HTTP over Unix sockets.

use crate::{BodyFrames, BoxFuture, CertificateCheck, Connector, Host, TransportError};
use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body, Frame};
use std::{
    collections::HashMap,
    path::PathBuf,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// How long a connection may take; the request itself is bounded by the caller's own limit.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Reaches hosts through reqwest. Proxy variables are honoured, but not for this machine's own addresses.
#[derive(Debug)]
pub struct ReqwestConnector {
    direct: Option<reqwest::Client>,
    proxied: Option<reqwest::Client>,
    sockets: HashMap<PathBuf, reqwest::Client>,
    secure: bool,
}

impl ReqwestConnector {
    /// Makes a connector for `hosts`; `timeout` bounds each request including its body, `None` does not.
    /// With `https` it speaks that to every host but Unix sockets.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(
        hosts: &[Host],
        timeout: Option<Duration>,
        https: Option<CertificateCheck>,
    ) -> Result<Self, TransportError> {
        let builder = || {
            let builder = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT);
            // Reading the system's certificates takes longer than a short command.
            let builder = match https {
                Some(CertificateCheck::Full) => builder,
                Some(CertificateCheck::Off) => {
                    builder.tls_certs_only([]).tls_danger_accept_invalid_certs(true)
                }
                None => builder.tls_certs_only([]),
            };
            match timeout {
                Some(timeout) => builder.timeout(timeout),
                None => builder,
            }
        };
        let build = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error| {
                if knows_no_issuer(&error) {
                    TransportError::new(NO_ISSUER)
                } else {
                    TransportError::new(error)
                }
            })
        };
        let mut connector =
            Self { direct: None, proxied: None, sockets: HashMap::new(), secure: https.is_some() };
        for host in hosts {
            match host {
                Host::Unix(path) => {
                    let client = build(builder().no_proxy().unix_socket(path.clone()))?;
                    connector.sockets.insert(path.clone(), client);
                }
                // Reached by another connector.
                Host::Libp2p { .. } => {}
                host if host.is_local() => connector.direct = Some(build(builder().no_proxy())?),
                _ => connector.proxied = Some(build(builder())?),
            }
        }
        Ok(connector)
    }

    fn scheme(&self, host: &Host) -> &'static str {
        if self.secure && !matches!(host, Host::Unix(_)) { "https" } else { "http" }
    }

    fn client(&self, host: &Host) -> Option<&reqwest::Client> {
        match host {
            Host::Unix(path) => self.sockets.get(path),
            Host::Libp2p { .. } => None,
            host if host.is_local() => self.direct.as_ref(),
            _ => self.proxied.as_ref(),
        }
    }
}

impl Connector for ReqwestConnector {
    fn send<'a>(
        &'a self,
        host: &'a Host,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'a, Result<http::Response<BodyFrames>, TransportError>> {
        Box::pin(async move {
            let client = self
                .client(host)
                .ok_or_else(|| TransportError::new("this program does not speak HTTP over libp2p"))?;
            let (head, body) = request.into_parts();
            let request = client
                .request(head.method, format!("{}://{}{}", self.scheme(host), authority(host), head.uri))
                .headers(head.headers)
                .body(body);
            let response: http::Response<reqwest::Body> =
                request.send().await.map_err(|e| TransportError::new(e.without_url()))?.into();
            Ok(response.map(|body| Box::pin(Frames(body)) as BodyFrames))
        })
    }
}

const NO_ISSUER: &str = "this system trusts no issuer of certificates at all: install its package ca-certificates, or name a \
    file of issuers in SSL_CERT_FILE";

/// Says whether the library found no certificates of issuers on this system; it has no kind for that.
fn knows_no_issuer(error: &reqwest::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("No CA certificates were loaded") {
            return true;
        }
        cause = error.source();
    }
    false
}

fn authority(host: &Host) -> String {
    match host {
        Host::Tcp(address) => address.to_string(),
        Host::Dns { name, port, .. } => format!("{name}:{port}"),
        Host::Unix(_) | Host::Libp2p { .. } => "localhost".to_owned(),
    }
}

/// Frames of the body; reqwest's own byte stream would drop the trailers.
struct Frames(reqwest::Body);

impl Stream for Frames {
    type Item = Result<Frame<Bytes>, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0)
            .poll_frame(cx)
            .map(|frame| frame.map(|f| f.map_err(|e| TransportError::new(e.without_url()))))
    }
}
