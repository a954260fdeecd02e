//! What browsers of other origins may do (api §3.4).

use crate::{CorsRules, failure::empty};
use axum::body::Body;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
};

/// Headers that a page may always send.
const ALWAYS_ALLOWED: [&str; 4] = ["accept", "content-type", "x-requested-with", "origin"];

/// Answers a preflight; `None` when the request is none.
pub(crate) fn preflight(rules: &CorsRules, method: &Method, request: &HeaderMap) -> Option<Response<Body>> {
    let wanted = request.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|_| method == Method::OPTIONS)?;
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(
        VARY,
        HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    );
    let asked = request.get(ACCESS_CONTROL_REQUEST_HEADERS);
    let method_allowed = wanted.to_str().is_ok_and(|m| allows(&rules.allowed_methods, m));
    let headers_allowed = asked.is_none_or(|list| {
        list.to_str().is_ok_and(|list| {
            list.split(',').map(str::trim).filter(|h| !h.is_empty()).all(|h| allows_header(rules, h))
        })
    });
    let Some(origin) = allowed_origin(rules, request).filter(|_| method_allowed && headers_allowed) else {
        return Some(response);
    };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, wanted.clone());
    if let Some(asked) = asked {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    if rules.allow_credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    if !rules.max_age.is_zero() {
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(rules.max_age.as_secs()));
    }
    Some(response)
}

/// Adds the headers of an actual request's answer.
pub(crate) fn decorate(
    rules: &CorsRules,
    method: &Method,
    origin: Option<HeaderValue>,
    response: &mut HeaderMap,
) {
    response.append(VARY, HeaderValue::from_static("Origin"));
    if !allows(&rules.allowed_methods, method.as_str()) {
        return;
    }
    let request: HeaderMap = origin.map(|origin| (ORIGIN, origin)).into_iter().collect();
    let Some(origin) = allowed_origin(rules, &request) else { return };
    response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if let Ok(exposed) = HeaderValue::from_str(&rules.exposed_headers.join(", "))
        && !rules.exposed_headers.is_empty()
    {
        response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    if rules.allow_credentials {
        response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

fn allowed_origin(rules: &CorsRules, request: &HeaderMap) -> Option<HeaderValue> {
    let origin = request.get(ORIGIN)?;
    if rules.allowed_origins.iter().any(|o| o == "*") {
        return Some(HeaderValue::from_static("*"));
    }
    let text = origin.to_str().ok()?;
    rules.allowed_origins.iter().any(|o| o.eq_ignore_ascii_case(text)).then(|| origin.clone())
}

fn allows(list: &[String], method: &str) -> bool {
    method == "OPTIONS" || list.iter().any(|m| m.eq_ignore_ascii_case(method))
}

fn allows_header(rules: &CorsRules, name: &str) -> bool {
    let is = |allowed: &str| allowed == "*" || allowed.eq_ignore_ascii_case(name);
    ALWAYS_ALLOWED.iter().any(|a| a.eq_ignore_ascii_case(name)) || rules.allowed_headers.iter().any(|a| is(a))
}

/// Name of the header that browsers send with a request to another origin.
pub(crate) const ORIGIN_HEADER: HeaderName = ORIGIN;
