//! Serving connections: HTTP/1.0, 1.1 and h2 on one port, plain or over TLS, within limits, until told to stop.

mod activity;
mod reaper;
mod stopping;
mod unasked_trailers;
mod watched_stream;

pub(crate) use activity::{Activity, Busy};
pub(crate) use stopping::Stopping;

use crate::{
    ConnectionLimits,
    front::Front,
    listener::{Listener, Stream},
    routes::lasts,
    tls::{Tls, refuse_plain_http},
};
use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use reaper::Reaper;
use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use watched_stream::WatchedStream;

/// Pause after the system refused a connection, for instance because files ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long requests under way may take when the server stops.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// How much of that is left to heads that have begun to arrive.
const HEAD_DRAIN_LIMIT: Duration = Duration::from_millis(500);

/// Requests of one connection over HTTP/2 that are worked on at once.
const MAX_STREAMS: u32 = 32;

/// Bytes of an answer over HTTP/2 that wait for the client: a frame and what is left of the one before it.
const STREAM_BUFFER: usize = 64 << 10;

/// Bytes for heads that the reference grants beyond what is configured.
const HEADER_SLACK: usize = 4096;

/// Smallest buffer that the HTTP layer takes.
const MIN_BUFFER: usize = 8192;

/// What all connections share.
pub(crate) struct Connections {
    front: Arc<Front>,
    http: Builder<TokioExecutor>,
    reaper: Reaper,
    max_connections: usize,
}

impl Connections {
    pub(crate) fn new(
        front: Front,
        limits: ConnectionLimits,
        head: Option<Duration>,
        max_header_bytes: usize,
    ) -> Self {
        let buffer = max_header_bytes.saturating_add(HEADER_SLACK).max(MIN_BUFFER);
        let mut http = Builder::new(TokioExecutor::new());
        // The reaper sees to time-outs: the HTTP layer's own would also cut idle connections. Answers are so small
        // that copying head and body together costs less than handing both to the system.
        http.http1().header_read_timeout(None).half_close(true).writev(false).max_buf_size(buffer);
        // Scripts look for header names as the reference writes them.
        http.http1().title_case_headers(true);
        http.http2().timer(TokioTimer::new()).max_header_list_size(u32::try_from(buffer).unwrap_or(u32::MAX));
        http.http2().max_concurrent_streams(MAX_STREAMS).max_send_buf_size(STREAM_BUFFER);
        Self {
            front: Arc::new(front),
            http,
            reaper: Reaper::new(limits, head),
            max_connections: limits.max_connections.clamp(1, Semaphore::MAX_PERMITS),
        }
    }

    /// Serves the listeners until `stop` is ready, then lets requests under way finish, within [`DRAIN_LIMIT`].
    ///
    /// # Cancel safety
    /// Dropping the future stops the listeners at once and lets requests under way finish.
    pub(crate) async fn serve(
        self: Arc<Self>,
        listeners: Vec<Listener>,
        tls: Option<Tls>,
        stop: impl Future<Output = ()>,
    ) {
        let (stop_all, stopping) = Stopping::new();
        // Nothing is ever sent: the channel closes when the last connection has.
        let (alive, mut all_closed) = mpsc::channel::<()>(1);
        let mut tasks = JoinSet::new();
        let acceptor = tls.as_ref().map(Tls::acceptor);
        for listener in listeners {
            tasks.spawn(self.clone().accept(listener, acceptor.clone(), stopping.clone(), alive.clone()));
        }
        if let Some(tls) = tls {
            tasks.spawn(tls.renew());
        }
        let watched = self.clone();
        tasks.spawn(async move { watched.reaper.run().await });
        drop((alive, stopping));
        stop.await;
        stop_all.begin();
        if tokio::time::timeout(HEAD_DRAIN_LIMIT, all_closed.recv()).await.is_ok() {
            return;
        }
        // Half a head asks for nothing.
        self.reaper.close(Activity::is_in_head);
        if tokio::time::timeout(DRAIN_LIMIT - HEAD_DRAIN_LIMIT, all_closed.recv()).await.is_err() {
            tracing::warn!(target: "restapi", "requests were still under way when the server stopped");
            self.reaper.close(|_| true);
        }
    }

    async fn accept(
        self: Arc<Self>,
        listener: Listener,
        tls: Option<TlsAcceptor>,
        mut stopping: Stopping,
        alive: mpsc::Sender<()>,
    ) {
        // Of its own: whoever floods a public port keeps nobody from the local one.
        let permits = Arc::new(Semaphore::new(self.max_connections));
        loop {
            let next = async {
                // When all permits are out, newcomers wait in the system's queue.
                let permit = permits.clone().acquire_owned().await;
                (permit, listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                () = stopping.begun() => return,
                next = next => next,
            };
            match (permit, accepted) {
                (Ok(permit), Ok((stream, remote))) => {
                    self.clone().spawn(stream, tls.clone(), remote, permit, stopping.clone(), alive.clone());
                }
                (Err(_), _) => return,
                (_, Err(error)) => {
                    tracing::warn!(target: "restapi", %error, "cannot take a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn spawn(
        self: Arc<Self>,
        stream: Stream,
        tls: Option<TlsAcceptor>,
        remote: IpAddr,
        permit: OwnedSemaphorePermit,
        mut stopping: Stopping,
        alive: mpsc::Sender<()>,
    ) {
        let activity = Arc::new(Activity::new(Instant::now()));
        let shared = self.clone();
        let watched = activity.clone();
        let task = tokio::spawn(async move {
            match (stream, tls) {
                // The time for the head of the first request bounds the handshake too.
                (Stream::Tcp(stream), Some(tls)) => {
                    let secured = tokio::select! {
                        () = stopping.begun() => Ok(None),
                        secured = secured(stream, &tls) => secured,
                    };
                    match secured {
                        Ok(Some(stream)) => shared.connection(stream, remote, watched, stopping).await,
                        Ok(None) => {}
                        Err(error) => {
                            tracing::debug!(target: "restapi", %remote, %error, "no TLS came about")
                        }
                    }
                }
                // Nobody listens in between on a socket of this machine.
                (stream, _) => shared.connection(stream, remote, watched, stopping).await,
            }
            drop((permit, alive));
        });
        self.reaper.watch(activity, task.abort_handle());
    }

    async fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        remote: IpAddr,
        activity: Arc<Activity>,
        mut stopping: Stopping,
    ) {
        let io = TokioIo::new(WatchedStream::new(stream, activity.clone()));
        let until = stopping.clone();
        let service = service_fn(|mut request: Request<Incoming>| {
            if lasts(&request) {
                request.extensions_mut().insert(until.clone());
            }
            self.front.clone().answer(remote, activity.clone(), request)
        });
        let mut connection = std::pin::pin!(self.http.serve_connection(io, service));
        let finished = tokio::select! {
            result = connection.as_mut() => Some(result),
            () = stopping.begun() => None,
        };
        let result = match finished {
            Some(result) => result,
            None => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            tracing::debug!(target: "restapi", %error, "a connection broke");
        }
    }
}

/// Shakes hands; `None` for who speaks plain HTTP and was told so.
async fn secured(
    stream: TcpStream,
    tls: &TlsAcceptor,
) -> std::io::Result<Option<tokio_rustls::server::TlsStream<TcpStream>>> {
    match refuse_plain_http(stream).await? {
        Some(stream) => tls.accept(stream).await.map(Some),
        None => Ok(None),
    }
}
