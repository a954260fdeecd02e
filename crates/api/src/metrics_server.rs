//! Serves numbers to Prometheus: `GET /metrics` (api §11.1).

use crate::{BindError, listener::Listener};
use axum::body::Body;
use cluster_core::Multiaddr;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::{Encoder, Registry, TextEncoder};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// Connections served at once; those beyond wait in the system's queue. A scraper needs one.
const MAX_CONNECTIONS: usize = 16;

/// How long a request may take to arrive, and a connection to stay silent.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// A server that has its port.
#[derive(Debug)]
pub struct MetricsServer {
    listener: Listener,
    registry: Registry,
}

impl MetricsServer {
    /// Takes the port.
    ///
    /// # Errors
    /// When the address is of another kind or taken.
    pub async fn bind(address: &Multiaddr, registry: Registry) -> Result<Self, BindError> {
        Ok(Self { listener: Listener::bind(address).await?, registry })
    }

    /// Serves until `stop` is ready.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let serving = async {
            loop {
                let Ok(place) = places.clone().acquire_owned().await else { return };
                let stream = match self.listener.accept().await {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(target: "cluster", %error, "a connection for metrics was not accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                };
                let registry = self.registry.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(registry.clone(), request));
                    let mut server = http1::Builder::new();
                    server.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
                    // A broken connection concerns nobody but the scraper.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                    drop(place);
                });
            }
        };
        tokio::select! {
            () = serving => {}
            () = stop => {}
        }
    }
}

async fn answer(registry: Registry, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    if request.uri().path() != "/metrics" {
        return Ok(text(StatusCode::NOT_FOUND, "only /metrics is served here\n"));
    }
    if request.method() != Method::GET {
        return Ok(text(StatusCode::METHOD_NOT_ALLOWED, "use GET\n"));
    }
    // Some numbers are read from the store.
    let written = tokio::task::spawn_blocking(move || {
        let mut written = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut written).map(|()| written)
    });
    Ok(match written.await {
        Ok(Ok(written)) => {
            let mut response = Response::new(Body::from(written));
            let kind = HeaderValue::from_static(prometheus::TEXT_FORMAT);
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        Ok(Err(error)) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the numbers cannot be read\n"),
    })
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    response
}
