//! Where a REST API listens.

use cluster_api_types::core::PeerId;
use multiaddr::Multiaddr;
use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

/// A place where a REST API listens, from the multiaddress forms of the command line (api §4.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address.
    Tcp(SocketAddr),
    /// A name, resolved before the first request unless that is HTTPS.
    Dns {
        /// The name.
        name: String,
        /// The TCP port.
        port: u16,
        /// Which of its addresses count.
        family: Family,
    },
    /// A Unix socket.
    Unix(PathBuf),
    /// A libp2p host that offers HTTP; reached by a connector that speaks that.
    Libp2p {
        /// Where it is, without its ID.
        address: Multiaddr,
        /// Its ID.
        peer: Box<PeerId>,
    },
}

/// Families of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Both.
    Any,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Says why a text is no host.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Not a multiaddress.
    #[error("\"{text}\" is not a multiaddress such as /ip4/127.0.0.1/tcp/9094")]
    NotAnAddress {
        /// The text.
        text: String,
    },
    /// A multiaddress without the parts needed.
    #[error("\"{text}\" needs an address or name and a TCP port, such as /dns4/example.com/tcp/9094")]
    Incomplete {
        /// The text.
        text: String,
    },
    /// HTTPS is not part of the address.
    #[error("\"{text}\" ends in https: leave that out and turn HTTPS on instead (cluster-ctl --https)")]
    Https {
        /// The text.
        text: String,
    },
    /// A libp2p address that does not end in the ID of the host.
    #[error("\"{text}\" must end in /p2p/<peer ID> to be reached by libp2p")]
    NoPeerId {
        /// The text.
        text: String,
    },
    /// The name has no address.
    #[error("cannot resolve {host}: {source}")]
    Resolve {
        /// The host.
        host: Host,
        /// What the resolver says.
        source: io::Error,
    },
}

impl Host {
    /// Parses `/ip4|ip6|dns|dns4|dns6/…/tcp/<port>`, `/unix/<path>`, or a libp2p address that ends in `/p2p/<peer ID>`.
    ///
    /// # Errors
    /// When the text is something else, https addresses included.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        use multiaddr::Protocol as P;
        let text = text.trim();
        if let Some(path) = text.strip_prefix("/unix").filter(|p| p.len() > 1 && p.starts_with('/')) {
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let address: Multiaddr =
            text.parse().map_err(|_| HostError::NotAnAddress { text: text.to_owned() })?;
        if let Some(P::P2p(peer)) = address.iter().last() {
            let mut address = address;
            address.pop();
            return Ok(Self::Libp2p { address, peer: Box::new(peer) });
        }
        let (mut place, mut port) = (None, None);
        for part in &address {
            match part {
                P::Ip4(ip) => place = Some(Place::Ip(ip.into())),
                P::Ip6(ip) => place = Some(Place::Ip(ip.into())),
                P::Dns(name) => place = Some(Place::Name(name.into_owned(), Family::Any)),
                P::Dns4(name) => place = Some(Place::Name(name.into_owned(), Family::V4)),
                P::Dns6(name) => place = Some(Place::Name(name.into_owned(), Family::V6)),
                P::Tcp(number) => port = Some(number),
                P::P2p(_) | P::Dnsaddr(_) => return Err(HostError::NoPeerId { text: text.to_owned() }),
                P::Tls | P::Https => return Err(HostError::Https { text: text.to_owned() }),
                _ => {}
            }
        }
        match (place, port) {
            (Some(Place::Ip(ip)), Some(port)) => Ok(Self::Tcp(SocketAddr::new(ip, port))),
            (Some(Place::Name(name, family)), Some(port)) => Ok(Self::Dns { name, port, family }),
            _ => Err(HostError::Incomplete { text: text.to_owned() }),
        }
    }

    /// Says whether requests to it never leave this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Dns { .. } | Self::Libp2p { .. } => false,
            Self::Unix(_) => true,
        }
    }

    /// Turns a name into one host per address, in the resolver's order; other hosts stay as they are.
    ///
    /// # Errors
    /// When the name has no address of the wanted family.
    pub(crate) async fn resolve(self) -> Result<Vec<Self>, HostError> {
        let Self::Dns { name, port, family } = &self else { return Ok(vec![self]) };
        let wanted = |address: &SocketAddr| match family {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        };
        let found: Result<Vec<Self>, io::Error> = tokio::net::lookup_host((name.as_str(), *port))
            .await
            .map(|addresses| addresses.filter(wanted).map(Self::Tcp).collect());
        match found {
            Ok(hosts) if !hosts.is_empty() => Ok(hosts),
            Ok(_) => {
                let source =
                    io::Error::new(io::ErrorKind::NotFound, "the name has no address of this family");
                Err(HostError::Resolve { host: self, source })
            }
            Err(source) => Err(HostError::Resolve { host: self, source }),
        }
    }
}

enum Place {
    Ip(IpAddr),
    Name(String, Family),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(SocketAddr::V4(a)) => write!(f, "/ip4/{}/tcp/{}", a.ip(), a.port()),
            Self::Tcp(SocketAddr::V6(a)) => write!(f, "/ip6/{}/tcp/{}", a.ip(), a.port()),
            Self::Dns { name, port, family } => {
                let protocol = match family {
                    Family::Any => "dns",
                    Family::V4 => "dns4",
                    Family::V6 => "dns6",
                };
                write!(f, "/{protocol}/{name}/tcp/{port}")
            }
            Self::Unix(path) => write!(f, "/unix{}", path.display()),
            Self::Libp2p { address, peer } => write!(f, "{address}/p2p/{peer}"),
        }
    }
}

#[cfg(test)]
mod tests;
