//! A span of each request, for whoever collects traces (api §11.2).

use http::{StatusCode, request::Parts};
use opentelemetry::{
    Context, KeyValue, global,
    trace::{SpanKind, Status, TraceContextExt, Tracer},
};
use opentelemetry_http::HeaderExtractor;

/// The span of one request, which lasts until the last byte of the answer. Nothing where nobody collects traces, or this request is none of
/// the sample.
#[derive(Debug)]
pub(crate) struct Traced(Context);

impl Traced {
    /// Begins a span below the one that the caller names in `traceparent`.
    pub(crate) fn begin(head: &Parts) -> Self {
        let caller =
            global::get_text_map_propagator(|format| format.extract(&HeaderExtractor(&head.headers)));
        let tracer = global::tracer("restapi");
        let span = tracer.span_builder("request").with_kind(SpanKind::Server);
        let context = caller.with_span(tracer.build_with_context(span, &caller));
        let span = context.span();
        if span.is_recording() {
            let (method, path) = (head.method.as_str(), head.uri.path());
            // Whole paths are of endless variety: the first word groups requests.
            let word = path.split('/').nth(1).unwrap_or_default();
            span.update_name(format!("{method} /{word}"));
            span.set_attribute(KeyValue::new("http.request.method", method.to_owned()));
            span.set_attribute(KeyValue::new("url.path", path.to_owned()));
        }
        Self(context)
    }

    /// Returns what calls that are made for the request belong to.
    pub(crate) fn context(&self) -> Context {
        self.0.clone()
    }

    /// Notes the answer.
    pub(crate) fn answered(&self, status: StatusCode) {
        let span = self.0.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if status.is_server_error() {
            span.set_status(Status::error(""));
        }
    }
}
