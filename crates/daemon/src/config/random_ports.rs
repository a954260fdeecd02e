//! Replaces the ports of listeners by free ones (api §5.2, `--randomports`).

use super::{Config, Environment, HttpApiConfig};
use cluster_core::Multiaddr;
use multiaddr::Protocol;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket},
};

impl Config {
    /// Gives every TCP and UDP listener of swarm, REST API, proxy and pinning service a port that is free now, each
    /// another one. Addresses that the environment gives are left alone.
    ///
    /// # Errors
    /// The system has no free port, or none on an address.
    pub fn randomize_ports(&mut self, environment: &Environment) -> io::Result<()> {
        // Held until all are chosen, so that none is chosen twice.
        let mut taken = Taken::default();

        let proxy = self.ipfsproxy.as_mut().map(|proxy| &mut proxy.listen_multiaddress);
        let lists = [
            ("CLUSTER_LISTENMULTIADDRESS", Some(&mut self.cluster.listen_multiaddress)),
            ("CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS", http_list(&mut self.restapi)),
            ("CLUSTER_PINSVCAPI_HTTPLISTENMULTIADDRESS", http_list(&mut self.pinsvcapi)),
            ("CLUSTER_IPFSPROXY_LISTENMULTIADDRESS", proxy),
        ];
        for (variable, list) in lists {
            if environment.get(variable).is_none() {
                for address in list.into_iter().flatten() {
                    *address = taken.free(address)?;
                }
            }
        }
        Ok(())
    }
}

fn http_list(api: &mut Option<HttpApiConfig>) -> Option<&mut Vec<Multiaddr>> {
    api.as_mut().map(|api| &mut api.http_listen_multiaddress)
}

#[derive(Default)]
struct Taken {
    tcp: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
}

impl Taken {
    fn free(&mut self, address: &Multiaddr) -> io::Result<Multiaddr> {
        let mut ip = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let mut changed = Multiaddr::empty();
        for part in address {
            changed.push(match part {
                Protocol::Ip4(v4) => {
                    ip = v4.into();
                    part
                }
                Protocol::Ip6(v6) => {
                    ip = v6.into();
                    part
                }
                Protocol::Tcp(_) => {
                    let listener = TcpListener::bind((ip, 0))?;
                    let port = listener.local_addr()?.port();
                    self.tcp.push(listener);
                    Protocol::Tcp(port)
                }
                Protocol::Udp(_) => {
                    let socket = UdpSocket::bind((ip, 0))?;
                    let port = socket.local_addr()?.port();
                    self.udp.push(socket);
                    Protocol::Udp(port)
                }
                other => other,
            });
        }
        Ok(changed)
    }
}
