//! Noise and TLS side by side: whichever the other side takes (wire-protocol §1.1).

use cluster_core::PeerId;
use futures_util::future::{BoxFuture, Either};
use libp2p::{
    core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo},
    identity::Keypair,
    noise, tls,
};
use std::error::Error;

/// Both ways to encrypt and authenticate a connection, Noise first.
#[derive(Clone)]
pub(super) struct Security {
    noise: noise::Config,
    tls: tls::Config,
}

/// Why a connection was not secured.
type Failure = Box<dyn Error + Send + Sync>;

/// What came out of it: who is there, and the stream.
type Secured<S> = (PeerId, Either<noise::Output<S>, tls::TlsStream<S>>);

impl Security {
    pub(super) fn new(keypair: &Keypair) -> Result<Self, String> {
        Ok(Self {
            noise: noise::Config::new(keypair).map_err(|error| error.to_string())?,
            tls: tls::Config::new(keypair).map_err(|error| error.to_string())?,
        })
    }
}

const NOISE: &str = "/noise";
const TLS: &str = "/tls/1.0.0";

impl UpgradeInfo for Security {
    type Info = &'static str;
    type InfoIter = [&'static str; 2];

    fn protocol_info(&self) -> Self::InfoIter {
        [NOISE, TLS]
    }
}

impl<S> InboundConnectionUpgrade<S> for Security
where
    noise::Config: InboundConnectionUpgrade<S, Output = (PeerId, noise::Output<S>), Error = noise::Error>,
    tls::Config: InboundConnectionUpgrade<S, Output = (PeerId, tls::TlsStream<S>), Error = tls::UpgradeError>,
    noise::Config: UpgradeInfo<Info = &'static str>,
    tls::Config: UpgradeInfo<Info = &'static str>,
    <noise::Config as InboundConnectionUpgrade<S>>::Future: Send,
    <tls::Config as InboundConnectionUpgrade<S>>::Future: Send,
    S: Send + 'static,
{
    type Output = Secured<S>;
    type Error = SecurityError;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, socket: S, info: Self::Info) -> Self::Future {
        Box::pin(async move {
            if info == NOISE {
                let (peer, stream) =
                    self.noise.upgrade_inbound(socket, info).await.map_err(|e| SecurityError(e.into()))?;
                Ok((peer, Either::Left(stream)))
            } else {
                let (peer, stream) =
                    self.tls.upgrade_inbound(socket, info).await.map_err(|e| SecurityError(e.into()))?;
                Ok((peer, Either::Right(stream)))
            }
        })
    }
}

impl<S> OutboundConnectionUpgrade<S> for Security
where
    noise::Config: OutboundConnectionUpgrade<S, Output = (PeerId, noise::Output<S>), Error = noise::Error>,
    tls::Config:
        OutboundConnectionUpgrade<S, Output = (PeerId, tls::TlsStream<S>), Error = tls::UpgradeError>,
    noise::Config: UpgradeInfo<Info = &'static str>,
    tls::Config: UpgradeInfo<Info = &'static str>,
    <noise::Config as OutboundConnectionUpgrade<S>>::Future: Send,
    <tls::Config as OutboundConnectionUpgrade<S>>::Future: Send,
    S: Send + 'static,
{
    type Output = Secured<S>;
    type Error = SecurityError;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, socket: S, info: Self::Info) -> Self::Future {
        Box::pin(async move {
            if info == NOISE {
                let (peer, stream) =
                    self.noise.upgrade_outbound(socket, info).await.map_err(|e| SecurityError(e.into()))?;
                Ok((peer, Either::Left(stream)))
            } else {
                let (peer, stream) =
                    self.tls.upgrade_outbound(socket, info).await.map_err(|e| SecurityError(e.into()))?;
                Ok((peer, Either::Right(stream)))
            }
        })
    }
}

/// Why a connection was not secured, by either way.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct SecurityError(Failure);
