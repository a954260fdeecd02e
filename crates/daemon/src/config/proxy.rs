//! The `api.ipfsproxy` section (api §6.7).

use super::{
    address,
    checker::{Checker, Reach, file_name, text_or},
    http_api::HttpLimits,
    raw::RawProxy,
};
use cluster_core::{Multiaddr, go_duration::print};
use std::{net::Ipv4Addr, path::PathBuf, time::Duration};

/// Settings of the stand-in for the IPFS daemon's API.
#[derive(Debug, Clone, PartialEq)]
pub struct ProxyConfig {
    /// TCP ports and Unix sockets it listens on.
    pub listen_multiaddress: Vec<Multiaddr>,
    /// API of the daemon behind it.
    pub node_multiaddress: Multiaddr,
    /// Speak HTTPS to the daemon.
    pub node_https: bool,
    /// File of the access log, relative to the base folder.
    pub log_file: Option<PathBuf>,
    /// Bounds of a request.
    pub limits: HttpLimits,
    /// More headers to take over.
    pub extract_headers_extra: Vec<String>,
    /// Call whose headers are taken over.
    pub extract_headers_path: String,
    /// How long they are good for.
    pub extract_headers_ttl: Duration,
}

impl ProxyConfig {
    pub(crate) fn parse(raw: RawProxy, check: &mut Checker<'_>) -> Self {
        let local = |port| address::tcp(Ipv4Addr::LOCALHOST, port);
        let (listen, node) = (raw.listen_multiaddress.as_ref(), raw.node_multiaddress.as_ref());
        let ttl = raw.extract_headers_ttl.as_ref();
        Self {
            listen_multiaddress: check.multiaddrs(
                "listen_multiaddress",
                listen,
                vec![local(9095)],
                Reach::Tcp,
            ),
            node_multiaddress: check.multiaddr("node_multiaddress", node, local(5001), Reach::Tcp),
            node_https: raw.node_https.unwrap_or(false),
            limits: HttpLimits::parse(
                [&raw.read_timeout, &raw.read_header_timeout, &raw.write_timeout, &raw.idle_timeout],
                raw.max_header_bytes,
                Duration::from_secs(60),
                check,
            ),
            log_file: file_name(raw.log_file),
            extract_headers_ttl: check.positive("extract_headers_ttl", ttl, Duration::from_secs(300)),
            extract_headers_extra: raw.extract_headers_extra.unwrap_or_default(),
            extract_headers_path: text_or(raw.extract_headers_path, "/api/v0/version"),
        }
    }

    pub(crate) fn to_raw(&self) -> RawProxy {
        let [read, header, write, idle] = self.limits.to_raw();
        RawProxy {
            listen_multiaddress: Some(self.listen_multiaddress.iter().map(ToString::to_string).collect()),
            node_multiaddress: Some(self.node_multiaddress.to_string()),
            node_https: Some(self.node_https),
            log_file: Some(self.log_file.as_ref().map(|path| path.display().to_string()).unwrap_or_default()),
            read_timeout: Some(read),
            read_header_timeout: Some(header),
            write_timeout: Some(write),
            idle_timeout: Some(idle),
            max_header_bytes: i64::try_from(self.limits.max_header_bytes).ok(),
            extract_headers_extra: Some(self.extract_headers_extra.clone()),
            extract_headers_path: Some(self.extract_headers_path.clone()),
            extract_headers_ttl: Some(print(self.extract_headers_ttl)),
        }
    }
}
