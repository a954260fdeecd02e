//! What every request passes before its route: body, authentication, CORS, redirects; and what every answer gets.

use crate::{
    RestConfig, RestMetrics,
    access_log::{AccessLog, AccessLogFile},
    auth,
    connections::{Activity, Busy},
    consistency,
    cors::Cors,
    failure::answer as answer_error,
    paths,
    reply_body::ReplyBody,
    request_body::{self, BodyError, BodyPatience, Upload},
    routes::{Reply, reads_body, routes, streams_body, wants_user},
    token::Authenticated,
    traced::Traced,
};
use axum::body::Body;
use cluster_core::ports::ClusterApi;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header,
    request::Parts,
};
use hyper::body::Incoming;
use opentelemetry::trace::FutureExt as _;
use std::{convert::Infallible, net::IpAddr, sync::Arc, time::Duration};
use tower_service::Service as _;

/// What stands before the routes; one for all connections.
pub(crate) struct Front {
    routes: axum::Router,
    api: Arc<dyn ClusterApi>,
    cors: Cors,
    config: RestConfig,
    extra: Vec<(HeaderName, HeaderValue)>,
    log: Option<Arc<AccessLogFile>>,
    read_timeout: Option<Duration>,
    metrics: Option<RestMetrics>,
}

impl Front {
    pub(crate) fn new(
        api: Arc<dyn ClusterApi>,
        config: RestConfig,
        log: Option<AccessLogFile>,
        read_timeout: Option<Duration>,
        metrics: Option<RestMetrics>,
    ) -> Self {
        let pairs = config.headers.iter().flat_map(|(name, values)| values.iter().map(move |v| (name, v)));
        let extra = pairs.filter_map(|(name, value)| {
            let pair =
                HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::try_from(value.as_str()).ok());
            if pair.is_none() {
                tracing::warn!(target: "restapi", name, "a configured header is none and is left out");
            }
            pair
        });
        let extra = extra.collect();
        let log = log.map(Arc::new);
        let routes = routes(api.clone());
        Self { routes, api, cors: Cors::new(config.cors.clone()), config, extra, log, read_timeout, metrics }
    }

    /// Answers one request of a connection.
    pub(crate) async fn answer(
        self: Arc<Self>,
        remote: IpAddr,
        activity: Arc<Activity>,
        request: Request<Incoming>,
    ) -> Result<Response<ReplyBody>, Infallible> {
        let (mut head, body) = request.into_parts();
        activity.trailers().clear();
        let unasked_trailers = head.version == Version::HTTP_11 && !asks_for_trailers(&head.headers);
        let busy = Busy::begin(activity, head.version == Version::HTTP_2);
        let mut measured = self
            .metrics
            .as_ref()
            .map(|metrics| metrics.begin(&head.method, http_body::Body::size_hint(&body).lower()));
        let mut log = AccessLog::start(self.log.as_ref(), remote, &head.method, &head.uri, head.version);
        let traced = Traced::begin(&head);
        let streams = streams_body(&head);
        let is_upload = streams && !http_body::Body::is_end_stream(&body);
        let taken = if streams {
            head.extensions.insert(BodyPatience::new(self.read_timeout));
            Ok(Body::new(Upload::new(&head, body)))
        } else {
            request_body::read(body, reads_body(&head), self.read_timeout).await.map(Body::from)
        };
        let reply = match taken {
            Ok(body) => {
                let reply = self.guarded(head, body).with_context(traced.context()).await;
                // Nobody read what was refused.
                if is_upload && !reply.status().is_success() { close(reply) } else { reply }
            }
            // An upload is the one request that may be large; its refusal is worth reading.
            Err(BodyError::TooLarge { .. }) if head.uri.path() == "/add" => {
                close(self.guarded(head, Body::empty()).await)
            }
            Err(error) => close(self.complete(Completion::Json, refused(error))),
        };
        if let Some(log) = &mut log {
            log.status = reply.status();
        }
        if let Some(measured) = &mut measured {
            measured.status = reply.status();
        }
        traced.answered(reply.status());
        Ok(reply.map(|inner| ReplyBody { inner, log, measured, _traced: traced, busy, unasked_trailers }))
    }

    async fn guarded(&self, mut head: Parts, body: Body) -> Reply {
        if let Some(credentials) = &self.config.credentials {
            match auth::check(credentials, &head.method, head.uri.path(), &head.headers) {
                Ok(Some(user)) if wants_user(&head) => {
                    let credentials = credentials.clone();
                    head.extensions.insert(Authenticated { user, credentials });
                }
                Ok(_) => {}
                Err(refusal) => return self.complete(Completion::Json, *refusal),
            }
        }
        if let Some(reply) = self.cors.preflight(&head.method, &head.headers) {
            return reply;
        }
        let origin = head.headers.get(header::ORIGIN).cloned();
        let method = head.method.clone();
        let (completion, mut reply) = match paths::redirect(&head.uri) {
            Some(redirect) => (Completion::Bare, redirect),
            None => match consistency::prepare(&*self.api, &head).await {
                Ok(()) => self.routed(head, body).await,
                Err(refusal) => (Completion::Json, *refusal),
            },
        };
        self.cors.decorate(&method, origin.as_ref(), reply.headers_mut());
        self.complete(completion, reply)
    }

    async fn routed(&self, mut head: Parts, body: Body) -> (Completion, Reply) {
        // The framework serves HEAD by GET handlers, the reference does not. No route knows TRACE.
        if head.method == Method::HEAD {
            head.method = Method::TRACE;
        }
        let request = Request::from_parts(head, body);
        let reply = self.routes.clone().call(request).await.unwrap_or_else(|never| match never {});
        match reply.status() {
            StatusCode::METHOD_NOT_ALLOWED => (Completion::Bare, without_head(reply)),
            _ => (Completion::Json, reply),
        }
    }

    fn complete(&self, completion: Completion, mut reply: Reply) -> Reply {
        if completion == Completion::Json {
            let headers = reply.headers_mut();
            let reply_has_type = headers.contains_key(header::CONTENT_TYPE);
            for (name, value) in &self.extra {
                headers.append(name.clone(), value.clone());
            }
            // Added, not replaced, as in the reference; an answer of another type says so itself.
            if !reply_has_type {
                headers.append(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
        }
        reply
    }
}

/// What an answer gets on its way out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Completion {
    /// The configured headers and the type of the content.
    Json,
    /// Nothing: the router's own answers.
    Bare,
}

/// Says whether a client wants trailers, as the HTTP layer decides it.
fn asks_for_trailers(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::TE).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|token| token.trim().eq_ignore_ascii_case("trailers"))
}

/// Takes HEAD off the methods that the framework lists.
fn without_head(mut reply: Reply) -> Reply {
    let allowed = reply.headers().get(header::ALLOW).and_then(|list| list.to_str().ok()).unwrap_or_default();
    let rest: Vec<&str> = allowed.split(',').filter(|method| !matches!(*method, "" | "HEAD")).collect();
    if let Ok(list) = HeaderValue::from_str(&rest.join(", ")) {
        reply.headers_mut().insert(header::ALLOW, list);
    }
    reply
}

fn refused(error: BodyError) -> Reply {
    let status = match error {
        BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::Late => StatusCode::REQUEST_TIMEOUT,
        BodyError::Broken => StatusCode::BAD_REQUEST,
    };
    answer_error(status, &error.to_string())
}

fn close(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    reply
}
