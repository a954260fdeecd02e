//! What browsers of other origins may do (api §3.4).

use crate::{CorsRules, failure::empty, routes::Reply};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
};

/// Headers that a page may send when none are configured.
const HARMLESS: [&str; 3] = ["accept", "content-type", "x-requested-with"];

/// The rules, prepared once.
#[derive(Debug)]
pub(crate) struct Cors {
    rules: CorsRules,
    exposed: Option<HeaderValue>,
}

impl Cors {
    pub(crate) fn new(rules: CorsRules) -> Self {
        let exposed = (!rules.exposed_headers.is_empty()).then(|| rules.exposed_headers.join(", "));
        let exposed = exposed.and_then(|text| HeaderValue::from_str(&text).ok());
        Self { rules, exposed }
    }

    /// Answers a preflight; `None` when the request is none.
    pub(crate) fn preflight(&self, method: &Method, request: &HeaderMap) -> Option<Reply> {
        let wanted = request.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|_| method == Method::OPTIONS)?;
        let mut response = empty(StatusCode::NO_CONTENT);
        let headers = response.headers_mut();
        headers.insert(
            VARY,
            HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        );
        let asked = request.get(ACCESS_CONTROL_REQUEST_HEADERS);
        let fits = wanted.to_str().is_ok_and(|m| self.allows_method(m))
            && asked.is_none_or(|list| list.to_str().is_ok_and(|l| self.allows_headers(l)));
        let Some(origin) = request.get(ORIGIN).and_then(|o| self.allowed_origin(o)).filter(|_| fits) else {
            return Some(response);
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, wanted.clone());
        if let Some(asked) = asked {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        if self.rules.allow_credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if !self.rules.max_age.is_zero() {
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.rules.max_age.as_secs()));
        }
        Some(response)
    }

    /// Adds the headers of an actual request's answer.
    pub(crate) fn decorate(&self, method: &Method, origin: Option<&HeaderValue>, response: &mut HeaderMap) {
        response.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = origin.filter(|_| self.allows_method(method.as_str())) else { return };
        let Some(origin) = self.allowed_origin(origin) else { return };
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if let Some(exposed) = &self.exposed {
            response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
        if self.rules.allow_credentials {
            response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    fn allowed_origin(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        if self.rules.allowed_origins.iter().any(|o| o == "*") {
            return Some(HeaderValue::from_static("*"));
        }
        let text = origin.to_str().ok()?;
        self.rules.allowed_origins.iter().any(|rule| matches(rule, text)).then(|| origin.clone())
    }

    fn allows_method(&self, method: &str) -> bool {
        method == "OPTIONS" || self.rules.allowed_methods.iter().any(|m| m.eq_ignore_ascii_case(method))
    }

    fn allows_headers(&self, list: &str) -> bool {
        let allowed = &self.rules.allowed_headers;
        list.split(',').map(str::trim).filter(|name| !name.is_empty()).all(|name| {
            if allowed.is_empty() {
                return HARMLESS.iter().any(|h| h.eq_ignore_ascii_case(name));
            }
            allowed.iter().any(|a| a == "*" || a.eq_ignore_ascii_case(name))
        })
    }
}

/// Compares without case; one `*` in the rule stands for any text.
fn matches(rule: &str, origin: &str) -> bool {
    let (rule, origin) = (rule.to_ascii_lowercase(), origin.to_ascii_lowercase());
    match rule.split_once('*') {
        None => rule == origin,
        Some((start, end)) => {
            origin.len() >= start.len() + end.len() && origin.starts_with(start) && origin.ends_with(end)
        }
    }
}
