//! From errors to answers: the one place where an error's kind becomes an HTTP status.

use axum::body::Body;
use cluster_api_types::{Error, json};
use cluster_core::{ErrorKind, ports::cluster_api::ApiError};
use http::{HeaderValue, Response, StatusCode, header};

/// Returns the status of an error. The reference answers 500 to every refusal of its own, so rules of the pinset
/// and failures of IPFS carry [`ErrorKind::Internal`]; the others are what clients of today expect.
pub(crate) fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::PRECONDITION_FAILED,
        ErrorKind::Mismatch => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Busy => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        // A follower's refusal, IPFS not there, a deadline passed: 500 in the reference, whose clients look at it.
        ErrorKind::Forbidden
        | ErrorKind::Unavailable
        | ErrorKind::Timeout
        | ErrorKind::Unknown
        | ErrorKind::Fatal
        | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Answers an error of a use case.
pub(crate) fn of_api(error: &ApiError) -> Response<Body> {
    let kind = error.kind();
    let text = chain(error);
    if matches!(kind, ErrorKind::Internal | ErrorKind::Fatal | ErrorKind::Unknown) {
        tracing::warn!(target: "restapi", error = %text, "a request failed");
    }
    let mut response = answer(status(kind), &text);
    if kind == ErrorKind::Busy {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// Writes an error with its causes, as far as its own text does not have them.
fn chain(error: &ApiError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// Answers a mistake of the client's.
pub(crate) fn bad_request(message: &str) -> Response<Body> {
    answer(StatusCode::BAD_REQUEST, message)
}

/// Answers that a path is not built yet.
pub(crate) fn not_yet(what: &str) -> Response<Body> {
    answer(StatusCode::NOT_IMPLEMENTED, &format!("{what} is not in this version yet"))
}

/// Answers with an error object.
pub(crate) fn answer(status: StatusCode, message: &str) -> Response<Body> {
    let error = Error { code: i32::from(status.as_u16()), message: message.to_owned() };
    object(status, &error)
}

/// Answers with one JSON object and a line end.
pub(crate) fn object<T: serde::Serialize>(status: StatusCode, value: &T) -> Response<Body> {
    let mut line = Vec::new();
    let status = match json::to_line(value, &mut line) {
        Ok(()) => status,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut response = Response::new(Body::from(line));
    *response.status_mut() = status;
    response
}

/// Answers without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
