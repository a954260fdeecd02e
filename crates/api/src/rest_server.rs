//! The server: bound first, served later.

use crate::{BindError, RestConfig, connections, router::Rest};
use cluster_core::{Multiaddr, ports::ClusterApi};
use http::{HeaderName, HeaderValue};
use multiaddr::Protocol;
use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use tokio::{net::TcpListener, sync::watch};

/// A REST server that has its ports.
pub struct RestServer {
    rest: Arc<Rest>,
    listeners: Vec<TcpListener>,
}

impl std::fmt::Debug for RestServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RestServer").field("addresses", &self.local_addrs()).finish_non_exhaustive()
    }
}

impl RestServer {
    /// Takes every port; connections wait until [`RestServer::serve`].
    ///
    /// # Errors
    /// When an address is of another kind or taken.
    pub async fn bind(config: RestConfig, api: Arc<dyn ClusterApi>) -> Result<Self, BindError> {
        let mut listeners = Vec::new();
        for address in &config.listen {
            let socket = socket(address).ok_or_else(|| BindError::Kind { address: address.clone() })?;
            listeners.push(TcpListener::bind(socket).await.map_err(|source| {
                let address = address.clone();
                match source.kind() {
                    std::io::ErrorKind::AddrInUse => BindError::Taken { address },
                    _ => BindError::Io { address, source },
                }
            })?);
        }
        let extra =
            config.headers.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        let extra = extra.filter_map(|(name, value)| {
            Some((HeaderName::try_from(name.as_str()).ok()?, HeaderValue::try_from(value.as_str()).ok()?))
        });
        let extra = extra.collect();
        Ok(Self { rest: Arc::new(Rest { api, config, extra }), listeners })
    }

    /// Returns where it listens.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves until `stop` is ready, then lets requests under way finish, within seconds.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let (sender, receiver) = watch::channel(false);
        let serving = self
            .listeners
            .into_iter()
            .map(|listener| tokio::spawn(connections::serve(listener, self.rest.clone(), receiver.clone())));
        let serving: Vec<_> = serving.collect();
        stop.await;
        sender.send_replace(true);
        for listener in serving {
            // One that panicked has been logged by the runtime.
            let _ = listener.await;
        }
    }
}

fn socket(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        Protocol::Dns(name) | Protocol::Dns4(name) if name == "localhost" => [127, 0, 0, 1].into(),
        _ => return None,
    };
    match (parts.next()?, parts.next(), parts.next()) {
        (Protocol::Tcp(port), None | Some(Protocol::Http), None) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}
