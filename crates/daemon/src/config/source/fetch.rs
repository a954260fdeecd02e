//! Fetches a configuration: one GET, bounded in time and size.

use super::SourceUrl;
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use std::{
    error::Error,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};
use zeroize::Zeroizing;

/// How long the whole may take. A gateway may have to look a name up in the DHT first.
const LIMIT: Duration = Duration::from_secs(60);

/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Largest configuration, in bytes.
const LARGEST: usize = 4 << 20;

/// Part of a refusal that is repeated, in bytes.
const SHOWN: usize = 256;

/// Why a configuration was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server refuses.
    #[error("unsuccessful request ({code}): {body}")]
    Status {
        /// Status of HTTP.
        code: u16,
        /// How its answer begins.
        body: String,
    },
    /// No answer, or one that broke off.
    #[error("{0}")]
    Transport(String),
    /// It takes too long.
    #[error("no whole answer within {}s", LIMIT.as_secs())]
    TooLate,
    /// It is too large.
    #[error("the answer is larger than the {} MiB that a configuration may have", LARGEST >> 20)]
    TooLarge,
    /// It is no text.
    #[error("the answer is not text in UTF-8")]
    NotText,
    /// The system refuses a thread.
    #[error("cannot start a thread to fetch it: {0}")]
    Thread(std::io::Error),
}

/// Fetches what a URL serves.
pub(super) fn get(url: &SourceUrl) -> Result<Zeroizing<String>, FetchError> {
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let within = async { tokio::time::timeout(LIMIT, ask(url.url())).await };
        runtime.map_err(FetchError::Thread)?.block_on(within).unwrap_or(Err(FetchError::TooLate))
    };
    // Whoever loads a configuration may be at work for a runtime, and within one no other can be entered.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("fetch".to_owned());
        let thread = thread.spawn_scoped(scope, work).map_err(FetchError::Thread)?;
        thread.join().unwrap_or_else(|_| Err(FetchError::Transport("fetching it broke down".to_owned())))
    })
}

async fn ask(url: &Url) -> Result<Zeroizing<String>, FetchError> {
    let mut response = client(url)?.get(url.clone()).send().await.map_err(|error| failed(&error))?;
    let status = response.status();
    let refused = status.as_u16() >= 300;
    let mut body = Zeroizing::new(Vec::new());
    while let Some(piece) = response.chunk().await.map_err(|error| failed(&error))? {
        if body.len() + piece.len() > LARGEST && !refused {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&piece);
        if refused && body.len() >= SHOWN {
            break;
        }
    }
    if refused {
        let start = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]);
        let body = start.trim().replace(|c: char| c.is_control(), " ");
        return Err(FetchError::Status { code: status.as_u16(), body });
    }
    match std::str::from_utf8(&body) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(FetchError::NotText),
    }
}

fn client(url: &Url) -> Result<reqwest::Client, FetchError> {
    let is_tls = url.scheme() == "https";
    let builder = || {
        // What is asked for by TLS is not taken without it, wherever the answer leads.
        let builder = reqwest::Client::builder().connect_timeout(CONNECT_LIMIT).https_only(is_tls);
        let builder = builder.dns_resolver(Arc::new(LocalNames));
        if is_of_this_machine(url) { builder.no_proxy() } else { builder }
    };
    let client = match builder().build() {
        // A system without certificates can still speak plain HTTP.
        Err(_) if !is_tls => builder().tls_certs_only([]).build(),
        built => built,
    };
    client.map_err(|error| failed(&error))
}

/// Looks names up as the system does, but for those below `localhost`, which are this machine's (RFC 6761 §6.3) and which
/// not every system knows. Kubo's gateway sends whoever asks for it by the name `localhost` to such a one.
struct LocalNames;

impl Resolve for LocalNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses: Addrs = if name.as_str().ends_with(".localhost") {
                let all: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
                Box::new(all.into_iter().map(|ip| (ip, 0).into()))
            } else {
                Box::new(tokio::net::lookup_host((name.as_str(), 0)).await?.collect::<Vec<_>>().into_iter())
            };
            Ok(addresses)
        })
    }
}

fn is_of_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Says what the transport ran into. The URL, which is told elsewhere and may hold a password, is left out; the chain
/// below the outermost words holds what really happened.
fn failed(error: &reqwest::Error) -> FetchError {
    let mut texts = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.dedup();
    let text = if texts.is_empty() { "the request cannot be made".to_owned() } else { texts.join(": ") };
    FetchError::Transport(text)
}
