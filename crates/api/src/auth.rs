//! Who may use the API (api §3.3).

use crate::{Credentials, failure::answer};
use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

const BASIC: &str = "Basic realm=\"Restricted IPFS Cluster API\"";
const BEARER: &str = "Bearer realm=\"Restricted IPFS Cluster API\"";
const BAD_TOKEN: &str = "Bearer realm=\"Restricted IPFS Cluster API\", error=\"invalid_token\"";

/// Checks a request; the answer of a refused one comes back.
pub(crate) fn check(
    credentials: Option<&Credentials>,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<(), Box<Response<Body>>> {
    let Some(credentials) = credentials else { return Ok(()) };
    if method == Method::OPTIONS || (method == Method::GET && path == "/health") {
        return Ok(());
    }
    let given = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (scheme, value) = given.split_once(' ').unwrap_or((given, ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return match decode(value) {
            Some((user, password)) if credentials.accept(&user, &password) => Ok(()),
            _ => Err(refuse("unauthorized: access denied", &[BASIC])),
        };
    }
    if scheme.eq_ignore_ascii_case("bearer") {
        // Tokens are not issued by this version, so none can be good.
        return Err(refuse("unauthorized: invalid token", &[BAD_TOKEN]));
    }
    Err(refuse("unauthorized: no auth provided", &[BEARER, BASIC]))
}

fn decode(value: &str) -> Option<(String, String)> {
    let bytes = data_encoding::BASE64.decode(value.trim().as_bytes()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

fn refuse(message: &str, challenges: &[&'static str]) -> Box<Response<Body>> {
    let mut response = answer(StatusCode::UNAUTHORIZED, message);
    for challenge in challenges {
        response.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    Box::new(response)
}
