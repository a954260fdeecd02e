//! The HTTP side of the stand-in.

use super::{End, Endpoint, OpenCall, Script, Shared, answer::perform, flow::Flow, request::Call};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue, TRAILER},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, io, sync::Arc};
use tokio::{net::TcpListener, task::JoinSet};

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Serves until aborted; all connections end with it.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that is gone before it is accepted is no reason to stop.
                let Ok((stream, _)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                let shared = shared.clone();
                connections.spawn(async move {
                    let service = service_fn(|request| handle(request, shared.clone()));
                    // Broken connections are what the stand-in is for.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn handle(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Body>, Infallible> {
    if request.method() != Method::POST {
        return Ok(plain(StatusCode::METHOD_NOT_ALLOWED, "405 - Method Not Allowed\n"));
    }
    let Some(call) = Call::read(request.uri()) else {
        return Ok(plain(StatusCode::NOT_FOUND, "404 page not found\n"));
    };
    let (script, open) = shared.begin(call.endpoint, &call.arg);
    if !script.delay.is_zero() {
        tokio::time::sleep(script.delay).await;
    }
    Ok(answer(call, script, open, shared).await)
}

async fn answer(call: Call, script: Script, open: OpenCall, shared: Arc<Shared>) -> Response<Body> {
    let Script { progress, end, .. } = script;
    if progress.is_empty() {
        match end {
            End::Proper if call.endpoint != Endpoint::PinLsAll => {
                return match perform(&call, &mut shared.state()) {
                    Ok(piece) => plain(StatusCode::OK, piece.text),
                    Err(message) => refuse(&message),
                };
            }
            End::Hang if !call.endpoint.is_listing() => std::future::pending::<()>().await,
            End::Status(code, body) => {
                let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                return plain(code, body);
            }
            End::Error(message) => return refuse(&message),
            End::Garbage(body) => return plain(StatusCode::OK, body),
            _ => {}
        }
    }
    let flow = Flow::new(call, progress, end, open, shared);
    let body = StreamBody::new(stream::unfold(flow, |mut flow| async {
        let frame = flow.next().await?;
        Some((frame, flow))
    }));
    let mut response = Response::new(body.boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(TRAILER, HeaderValue::from_static("X-Stream-Error"));
    response
}

fn refuse(message: &str) -> Response<Body> {
    plain(StatusCode::INTERNAL_SERVER_ERROR, error_object(message))
}

/// Makes Kubo's error object.
pub(crate) fn error_object(message: &str) -> String {
    let message = message.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{{\"Message\":\"{message}\",\"Code\":0,\"Type\":\"error\"}}\n")
}

fn plain(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let full = Full::new(body.into()).map_err(|never: Infallible| match never {});
    let mut response = Response::new(full.boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
