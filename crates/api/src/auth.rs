//! Who may use the API (api §3.3).

use crate::{Credentials, failure::answer, routes::Reply, token};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::time::{SystemTime, UNIX_EPOCH};

const BASIC: &str = "Basic realm=\"Restricted IPFS Cluster API\"";
const BEARER: &str = "Bearer realm=\"Restricted IPFS Cluster API\"";
const BAD_TOKEN: &str = "Bearer realm=\"Restricted IPFS Cluster API\", error=\"invalid_token\"";

/// Checks a request and returns its user, `None` where nobody needs to be one; the answer of a refused one comes back.
pub(crate) fn check(
    credentials: &Credentials,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<Option<String>, Box<Reply>> {
    if method == Method::OPTIONS || (method == Method::GET && path == "/health") {
        return Ok(None);
    }
    let given = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (scheme, value) = given.split_once(' ').unwrap_or((given, ""));
    if scheme.eq_ignore_ascii_case("basic")
        && let Some((user, password)) = decode(value)
    {
        if credentials.accept(&user, &password) {
            // Only configured users pass, and their names are text.
            return Ok(String::from_utf8(user).ok());
        }
        return Err(refuse("unauthorized: access denied", &[BASIC]));
    }
    if scheme.eq_ignore_ascii_case("bearer") {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        return match token::verify(credentials, value.trim(), now) {
            Some(user) => Ok(Some(user)),
            None => Err(refuse("unauthorized: invalid token", &[BAD_TOKEN])),
        };
    }
    // Also an unreadable basic header: the reference treats it as none.
    Err(refuse("unauthorized: no auth provided", &[BEARER, BASIC]))
}

fn decode(value: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let bytes = data_encoding::BASE64.decode(value.as_bytes()).ok()?;
    let colon = bytes.iter().position(|b| *b == b':')?;
    Some((bytes[..colon].to_vec(), bytes[colon + 1..].to_vec()))
}

fn refuse(message: &str, challenges: &[&'static str]) -> Box<Reply> {
    let mut response = answer(StatusCode::UNAUTHORIZED, message);
    for challenge in challenges {
        response.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    Box::new(response)
}
