//! TCP that dials from the port it listens at, and from another one where that does not go.

use futures_util::{FutureExt, future::BoxFuture};
use libp2p::{
    Multiaddr, Transport,
    core::transport::{DialOpts, ListenerId, PortUse, TransportError, TransportEvent},
    tcp,
};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

/// TCP that dials once more from any port if the one it listens at cannot be taken.
///
/// The library takes that port on every address of the machine. Who listens at one of them only does not get it while something else,
/// a connection of another program perhaps, holds the same port on another one; the library gives up then.
#[derive(Default)]
pub(super) struct OwnPortTcp {
    tcp: tcp::tokio::Transport,
}

type Stream = <tcp::tokio::Transport as Transport>::Output;

impl Transport for OwnPortTcp {
    type Output = Stream;
    type Error = io::Error;
    type ListenerUpgrade = <tcp::tokio::Transport as Transport>::ListenerUpgrade;
    type Dial = BoxFuture<'static, io::Result<Stream>>;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.tcp.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.tcp.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        let own = self.tcp.dial(address.clone(), options)?;
        let dial = async move {
            match own.await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    let options = DialOpts { port_use: PortUse::New, ..options };
                    let any = tcp::tokio::Transport::default().dial(address, options);
                    any.map_err(|refused| match refused {
                        TransportError::Other(error) => error,
                        TransportError::MultiaddrNotSupported(_) => error,
                    })?
                    .await
                }
                done => done,
            }
        };
        Ok(dial.boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Pin::new(&mut self.tcp).poll(context)
    }
}
