//! From errors to answers: the one place where an error becomes an HTTP status.

use crate::routes::Reply;
use axum::body::Body;
use cluster_api_types::{Error, json};
use cluster_core::{
    ErrorKind,
    ports::{cluster_api::ApiError, consensus::SubmitError},
};
use http::{HeaderValue, Response, StatusCode, header};

/// Room for one answer of a usual pin, so that writing it does not grow the buffer.
const OBJECT_CAPACITY: usize = 768;

/// Returns the status of an error.
pub(crate) fn status(error: &ApiError) -> StatusCode {
    // Whatever goes wrong with the IPFS daemon or another peer is 500 in the reference, and clients look at it.
    if matches!(error, ApiError::Ipfs(_) | ApiError::Call(_) | ApiError::Connect(_)) {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    match error.kind() {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Gone => StatusCode::GONE,
        ErrorKind::Conflict => StatusCode::PRECONDITION_FAILED,
        ErrorKind::Mismatch => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Busy => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        // Forbidden is a follower's refusal: 500 in the reference, as are the rules of the pinset (Internal).
        ErrorKind::Forbidden | ErrorKind::Unknown | ErrorKind::Fatal | ErrorKind::Internal => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

/// Answers an error of a use case.
pub(crate) fn of_api(error: &ApiError) -> Reply {
    let status = status(error);
    let text = chain(error);
    if status.is_server_error() && !is_refusal(error) {
        tracing::warn!(target: "restapi", error = %text, status = status.as_u16(), "a request failed");
    }
    let mut response = answer(status, &text);
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// Says whether nothing is wrong with this peer: a rule or the configuration said no.
fn is_refusal(error: &ApiError) -> bool {
    matches!(
        error,
        ApiError::Submit(SubmitError::Rejected(_))
            | ApiError::FollowerMode
            | ApiError::CannotRemovePeers
            | ApiError::Unsupported { .. }
    )
}

/// Writes an error with its causes, as far as its own text does not have them.
pub(crate) fn chain(error: &ApiError) -> String {
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
pub(crate) fn bad_request(message: &str) -> Reply {
    answer(StatusCode::BAD_REQUEST, message)
}

/// Answers that something is not built yet.
pub(crate) fn not_yet(what: &str) -> Reply {
    answer(StatusCode::NOT_IMPLEMENTED, &format!("{what} is not in this version yet"))
}

/// Answers with an error object.
pub(crate) fn answer(status: StatusCode, message: &str) -> Reply {
    object(status, &Error { code: i32::from(status.as_u16()), message: message.to_owned() })
}

/// Answers with one JSON object and a line end.
pub(crate) fn object<T: serde::Serialize>(status: StatusCode, value: &T) -> Reply {
    let mut line = Vec::with_capacity(OBJECT_CAPACITY);
    let status = match json::to_line(value, &mut line) {
        Ok(()) => status,
        // None of the wire structs can fail here.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut response = Response::new(Body::from(line));
    *response.status_mut() = status;
    response
}

/// Answers without a body.
pub(crate) fn empty(status: StatusCode) -> Reply {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster_core::{
        PeerId,
        pinset::search::SearchError,
        ports::{
            browse_api::EventPosition, consensus::Rejection, datastore::StoreError,
            ipfs_connector::IpfsError, rpc::CallError, swarm::ConnectError,
        },
    };

    #[test]
    fn every_kind_has_its_status() {
        let rejected = |r| ApiError::Submit(SubmitError::Rejected(r));
        let text = || "x".to_owned();
        for (error, expected) in [
            (ApiError::NotPinned, 404),
            (rejected(Rejection::NotPinned), 404),
            (rejected(Rejection::PreconditionFailed), 412),
            (rejected(Rejection::RequestMismatch), 422),
            (rejected(Rejection::TooLarge { size: 2, limit: 1 }), 400),
            (rejected(Rejection::AlreadyExpired), 500),
            (ApiError::FollowerMode, 500),
            (ApiError::Submit(SubmitError::Busy { cause: text() }), 429),
            (ApiError::Submit(SubmitError::Unknown { cause: text() }), 500),
            (ApiError::Submit(SubmitError::Stopping), 503),
            (ApiError::Stopping, 503),
            (ApiError::Store(StoreError::Busy), 429),
            (ApiError::Unsupported { what: "this" }, 501),
            (
                ApiError::Ipfs(IpfsError::Timeout {
                    node: text(),
                    path: text(),
                    after: std::time::Duration::ZERO,
                }),
                500,
            ),
            (ApiError::Ipfs(IpfsError::Http { path: text(), status: 500, body: text() }), 500),
            (ApiError::Ipfs(IpfsError::UnpinDisabled), 500),
            (ApiError::Call(CallError::Unreachable { cause: text() }), 500),
            (ApiError::Connect(ConnectError::NoAddress { peer: PeerId::random() }), 500),
            (ApiError::CannotRemovePeers, 500),
            (ApiError::Forgotten { cause: text() }, 500),
            (ApiError::ForgetSelf, 400),
            (ApiError::BadPosition, 400),
            (ApiError::EventsGone { oldest: EventPosition::end_of(1, 1) }, 410),
            (ApiError::Search(SearchError::NotReady { index: "name", done: 1, pins: 2 }), 429),
        ] {
            assert_eq!(status(&error).as_u16(), expected, "{error}");
        }
    }
}
