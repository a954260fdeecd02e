//! HTTP over libp2p (api §3.9): every request has a stream of its own.

use bytes::Bytes;
use cluster_client::{
    BodyFrames, BoxFuture, Connector, Host, ReqwestConnector, TransportError, api_types::core::ClusterSecret,
};
use cluster_swarm::HttpHost;
use futures_util::StreamExt;
use http_body_util::{BodyStream, Full};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::compat::FuturesAsyncReadCompatExt;

/// How long a stream may take to be opened.
const OPEN_LIMIT: Duration = Duration::from_secs(15);

/// For ever, as timers know it.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Reaches libp2p hosts by streams, the others by TCP.
pub(crate) struct AnyConnector {
    tcp: ReqwestConnector,
    libp2p: HttpHost,
    limit: Duration,
}

impl AnyConnector {
    /// Makes a connector. `secret` is that of the private network that the libp2p hosts are in.
    pub(crate) async fn new(
        tcp: ReqwestConnector,
        secret: Option<ClusterSecret>,
        limit: Option<Duration>,
    ) -> Result<Self, String> {
        let libp2p = HttpHost::client(secret).await.map_err(|error| error.to_string())?;
        Ok(Self { tcp, libp2p, limit: limit.unwrap_or(NEVER) })
    }

    async fn over_libp2p(
        &self,
        host: &Host,
        mut request: http::Request<Bytes>,
    ) -> Result<http::Response<BodyFrames>, TransportError> {
        let Host::Libp2p { address, peer } = host else {
            return Err(TransportError::new("not a libp2p host"));
        };
        let deadline = Instant::now() + self.limit;
        let opened = timeout(OPEN_LIMIT, self.libp2p.open(**peer, address.clone())).await;
        let stream = opened.map_err(|_| late())?.map_err(TransportError::new)?;
        let io = TokioIo::new(stream.compat());
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(io).await.map_err(TransportError::new)?;
        // It ends with the answer; what breaks it is told by the answer too.
        tokio::spawn(async move { drop(connection.await) });
        if let Ok(name) = http::HeaderValue::try_from(peer.to_base58()) {
            request.headers_mut().insert(http::header::HOST, name);
        }
        let answered = timeout_at(deadline, sender.send_request(request.map(Full::new))).await;
        let response = answered.map_err(|_| late())?.map_err(TransportError::new)?;
        Ok(response.map(|body| {
            let frames = futures_util::stream::unfold(BodyStream::new(body), move |mut body| async move {
                let frame = match timeout_at(deadline, body.next()).await {
                    Ok(frame) => frame?.map_err(TransportError::new),
                    Err(_) => Err(late()),
                };
                Some((frame, body))
            });
            Box::pin(frames) as BodyFrames
        }))
    }
}

fn late() -> TransportError {
    TransportError::new("no answer in time")
}

impl Connector for AnyConnector {
    fn send<'a>(
        &'a self,
        host: &'a Host,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'a, Result<http::Response<BodyFrames>, TransportError>> {
        match host {
            Host::Libp2p { .. } => Box::pin(self.over_libp2p(host, request)),
            _ => self.tcp.send(host, request),
        }
    }
}
