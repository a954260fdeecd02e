//! Serving one listener: HTTP/1.0, 1.1 and h2 on one port, until told to stop.

use crate::router::{Rest, handle};
use axum::body::Body;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch};

/// Pause after the system refused a connection, for instance because files ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long requests under way may take when the server stops.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Accepts connections until `stop` becomes true, then lets requests under way finish.
pub(crate) async fn serve(listener: TcpListener, rest: Arc<Rest>, mut stop: watch::Receiver<bool>) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(rest.config.read_header_timeout)
        .max_buf_size(rest.config.max_header_bytes.max(8192))
        .pipeline_flush(true);
    builder.http2().timer(TokioTimer::new());
    let router = axum::Router::new().fallback({
        let rest = rest.clone();
        move |request: http::Request<Body>| handle(rest.clone(), request)
    });
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(target: "restapi", %error, "cannot take a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Answers are small and waited for.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(target: "restapi", %error, "a connection broke");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_LIMIT, graceful.shutdown()).await.is_err() {
        tracing::warn!(target: "restapi", "requests were still under way when the server stopped");
    }
}
