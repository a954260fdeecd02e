//! `state export` while the peer runs: its API gives out the pinset as it is at one moment, in the form of an export.

use super::{
    StateError,
    output::{self, Output},
    progress::Progress,
};
use crate::{Config, command::StateExport, config::HttpApiConfig};
use cluster_core::Multiaddr;
use http_body_util::BodyExt;
use multiaddr::Protocol;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// How long the peer may take to be reached, and to say something more.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// Why a running peer does not give out its pinset.
#[derive(Debug, thiserror::Error)]
pub enum OnlineExportError {
    /// It has no API, or one that only others reach.
    #[error("the configuration names no port or socket of it: stop the peer first")]
    NoApi,
    /// Nobody answers.
    #[error(
        "it does not answer at {place}: {cause}; if the peer has just started, try again, or stop it first"
    )]
    Unreachable {
        /// Where it was asked.
        place: String,
        /// What went wrong.
        cause: String,
    },
    /// It answers something else.
    #[error("at {place} it answers status {status}: stop the peer first")]
    Status {
        /// Where it was asked.
        place: String,
        /// The status.
        status: u16,
    },
    /// The answer broke off.
    #[error("the pinset did not arrive whole: {cause}")]
    Broken {
        /// What went wrong.
        cause: String,
    },
}

/// Where a peer's API is for programs of the same machine.
enum Place {
    Port(SocketAddr),
    Socket(PathBuf),
}

impl Place {
    fn of(rest: &HttpApiConfig) -> Option<Self> {
        rest.http_listen_multiaddress.iter().find_map(Self::parse)
    }

    fn parse(address: &Multiaddr) -> Option<Self> {
        let mut parts = address.iter();
        let ip: IpAddr = match parts.next()? {
            Protocol::Unix(path) => return Some(Self::Socket(PathBuf::from("/").join(path.as_ref()))),
            // Every address of this machine: this one is the nearest.
            Protocol::Ip4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            Protocol::Ip6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            Protocol::Ip4(ip) => ip.into(),
            Protocol::Ip6(ip) => ip.into(),
            Protocol::Dns(name) | Protocol::Dns4(name) if name == "localhost" => Ipv4Addr::LOCALHOST.into(),
            _ => return None,
        };
        match parts.next()? {
            Protocol::Tcp(port) => Some(Self::Port(SocketAddr::new(ip, port))),
            _ => None,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Port(address) => write!(f, "{address}"),
            Self::Socket(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Writes the pinset of a peer that runs with this configuration.
///
/// # Errors
/// When its API cannot be used; a file that was there stays as it was.
pub(crate) fn run(config: &Config, options: &StateExport) -> Result<(), StateError> {
    let Some((rest, place)) = config.restapi.as_ref().and_then(|rest| Some((rest, Place::of(rest)?))) else {
        return Err(OnlineExportError::NoApi.into());
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StateError::Thread)?;
    let file = options.file.as_deref();
    output::write(file, |out| {
        let progress = Progress::of_pins("exporting", None, file);
        runtime.block_on(write_pins(rest, &place, out, &progress))
    })
}

async fn write_pins(
    rest: &HttpApiConfig,
    place: &Place,
    out: &mut Output<'_>,
    progress: &Progress,
) -> Result<(), StateError> {
    let unreachable = |cause: reqwest::Error| OnlineExportError::Unreachable {
        place: place.to_string(),
        cause: chain(&cause.without_url()),
    };
    // The peer is this machine's own, at the address of its own configuration: its certificate is for others.
    let mut client = reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(CONNECT_LIMIT)
        .tls_certs_only([])
        .tls_danger_accept_invalid_certs(true);
    let url = match place {
        Place::Port(address) => {
            let scheme = if rest.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{address}/allocations?at-once=true")
        }
        Place::Socket(path) => {
            client = client.unix_socket(path.clone());
            "http://localhost/allocations?at-once=true".to_owned()
        }
    };
    let mut request = client.build().map_err(unreachable)?.get(url).header("TE", "trailers");
    if let Some((user, password)) = rest.basic_auth_credentials.iter().flatten().next() {
        request = request.basic_auth(user, Some(password.expose()));
    }
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status().as_u16();
    if !matches!(status, 200 | 204) {
        return Err(OnlineExportError::Status { place: place.to_string(), status }.into());
    }
    let broken = |cause: String| OnlineExportError::Broken { cause };
    let mut body = http::Response::<reqwest::Body>::from(response).into_body();
    loop {
        let frame = match tokio::time::timeout(SILENCE_LIMIT, body.frame()).await {
            Ok(Some(frame)) => frame.map_err(|error| broken(chain(&error.without_url())))?,
            Ok(None) => return Ok(()),
            Err(_) => return Err(broken("nothing more came".to_owned()).into()),
        };
        match frame.into_data() {
            Ok(data) => {
                // Each has a line of its own.
                progress.advance(data.iter().filter(|byte| **byte == b'\n').count() as u64);
                out.write(&data)?;
            }
            Err(other) => {
                let error = other.trailers_ref().and_then(|trailers| trailers.get("x-stream-error"));
                if let Some(error) = error.filter(|error| !error.is_empty()) {
                    return Err(broken(String::from_utf8_lossy(error.as_bytes()).into_owned()).into());
                }
            }
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
