//! Bearer tokens: JSON web tokens, signed with the password of the user they are for (api §3.3).

use crate::{
    Credentials,
    failure::{answer, object},
    routes::Reply,
};
use aws_lc_rs::hmac::{self, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512, Key};
use axum::extract::Request;
use cluster_api_types::{Token, json};
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

/// Who sent a request; only noted where it matters.
#[derive(Debug, Clone)]
pub(crate) struct Authenticated {
    pub(crate) user: String,
    pub(crate) credentials: Credentials,
}

pub(crate) async fn post_token(request: Request) -> Reply {
    let who = request.extensions().get::<Authenticated>();
    match who.and_then(|who| issue(&who.credentials, &who.user)) {
        Some(token) => {
            let mut reply = object(StatusCode::OK, &Token { token });
            reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            reply
        }
        // Without users there is nobody to issue a token for.
        None => answer(StatusCode::UNAUTHORIZED, "unauthorized"),
    }
}

/// The head of a token; the order of its fields is that of the reference.
#[derive(Serialize, Deserialize)]
struct Head {
    alg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    crit: Option<Vec<String>>,
    typ: Option<String>,
}

/// What a token claims; times are seconds since 1970.
#[derive(Default, Serialize, Deserialize)]
struct Claims {
    iss: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<f64>,
}

impl Claims {
    fn hold_at(&self, now: f64) -> bool {
        self.exp.is_none_or(|end| now < end) && [self.nbf, self.iat].iter().flatten().all(|from| *from <= now)
    }
}

/// Issues a token for a user.
fn issue(credentials: &Credentials, user: &str) -> Option<String> {
    let password = credentials.password_of(user)?;
    let head = Head { alg: "HS256".to_owned(), crit: None, typ: Some("JWT".to_owned()) };
    let claims = Claims { iss: user.to_owned(), ..Claims::default() };
    Some(signed(&head, &claims, &Key::new(HMAC_SHA256, password)))
}

fn signed(head: &Head, claims: &Claims, key: &Key) -> String {
    let part = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let content = format!("{}.{}", part(&text_of(head)), part(&text_of(claims)));
    let signature = part(hmac::sign(key, content.as_bytes()).as_ref());
    format!("{content}.{signature}")
}

fn text_of<T: Serialize>(value: &T) -> Vec<u8> {
    let mut text = Vec::new();
    // None of these structs can fail to be written; half of one would not be accepted by anybody.
    let _ = json::to_line(value, &mut text);
    text.pop();
    text
}

/// Checks a token and returns its user. How long that takes depends on lengths alone: a token for somebody unknown
/// is checked as well, with a key that nobody has.
pub(crate) fn verify(credentials: &Credentials, token: &str, unix_seconds: f64) -> Option<String> {
    let (content, signature) = token.rsplit_once('.')?;
    let (head, claims) = content.split_once('.')?;
    let head: Head = parsed(head)?;
    let claims: Claims = parsed(claims)?;
    let algorithm = match head.alg.as_str() {
        "HS256" => HMAC_SHA256,
        "HS384" => HMAC_SHA384,
        "HS512" => HMAC_SHA512,
        // Also `none`.
        _ => return None,
    };
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
    let password = credentials.password_of(&claims.iss);
    let key = Key::new(algorithm, password.unwrap_or(b"nobody"));
    let is_signed = hmac::verify(&key, content.as_bytes(), &signature).is_ok();
    // Extensions that must be understood are not.
    let holds = head.crit.is_none() && claims.hold_at(unix_seconds);
    (is_signed && password.is_some() && holds).then_some(claims.iss)
}

fn parsed<T: serde::de::DeserializeOwned>(part: &str) -> Option<T> {
    json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: f64 = 1_800_000_000.5;

    fn users() -> Credentials {
        Credentials::new([("ann", "secret"), ("bob", ""), ("", "x")].map(|(u, p)| (u.into(), p.into())))
    }

    fn made(head: &str, claims: &str, key: &Key) -> String {
        let part = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let content = format!("{}.{}", part(head.as_bytes()), part(claims.as_bytes()));
        format!("{content}.{}", part(hmac::sign(key, content.as_bytes()).as_ref()))
    }

    #[test]
    fn a_token_is_the_one_other_libraries_make() {
        let token = issue(&users(), "ann").unwrap();
        // Made by Python's hmac module.
        assert_eq!(
            token,
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhbm4ifQ.C6SFetxgiP1n7xP3Z4a-b3Vu4yiqA7LcPT9PClWTkGo"
        );
        assert_eq!(verify(&users(), &token, NOW).as_deref(), Some("ann"));
    }

    #[test]
    fn the_three_algorithms_and_the_times_of_a_token_are_checked() {
        let key = |algorithm| Key::new(algorithm, b"secret");
        let ann = r#"{"iss":"ann"}"#;
        for (name, algorithm) in [("HS256", HMAC_SHA256), ("HS384", HMAC_SHA384), ("HS512", HMAC_SHA512)] {
            let head = format!(r#"{{"alg":"{name}"}}"#);
            assert!(verify(&users(), &made(&head, ann, &key(algorithm)), NOW).is_some(), "{name}");
        }
        let head = r#"{"alg":"HS256","typ":"JWT"}"#;
        for (claims, good) in [
            (r#"{"iss":"ann","exp":1800000001,"nbf":1800000000,"iat":1800000000.25,"sub":"x"}"#, true),
            (r#"{"iss":"ann","exp":1800000000}"#, false),
            (r#"{"iss":"ann","nbf":1800000001}"#, false),
            (r#"{"iss":"ann","iat":1800000001}"#, false),
            (r#"{"iss":"ann","exp":"tomorrow"}"#, false),
            (r#"{"iss":"eve"}"#, false),
            (r#"{}"#, false),
            ("[]", false),
        ] {
            let token = made(head, claims, &key(HMAC_SHA256));
            assert_eq!(verify(&users(), &token, NOW).is_some(), good, "{claims}");
        }
    }

    #[test]
    fn tokens_that_anybody_could_make_are_refused() {
        let (head, ann) = (r#"{"alg":"HS256"}"#, r#"{"iss":"ann"}"#);
        let with = |password: &[u8], head: &str, claims: &str| {
            verify(&users(), &made(head, claims, &Key::new(HMAC_SHA256, password)), NOW)
        };
        assert!(with(b"secret", head, ann).is_some());
        assert!(with(b"secret", r#"{"alg":"none"}"#, ann).is_none());
        assert!(with(b"secret", r#"{"alg":"HS512"}"#, ann).is_none());
        assert!(with(b"secret", r#"{"alg":"RS256"}"#, ann).is_none());
        assert!(with(b"secret", r#"{"alg":"HS256","crit":["b64"]}"#, ann).is_none());
        assert!(with(b"guess", head, ann).is_none());
        assert!(with(b"nobody", head, r#"{"iss":"eve"}"#).is_none());
        // Neither may log in by password.
        assert!(with(b"", head, r#"{"iss":"bob"}"#).is_none());
        assert!(with(b"x", head, r#"{"iss":""}"#).is_none());
        let good = issue(&users(), "ann").unwrap();
        let content = good.rsplit_once('.').unwrap().0;
        for bad in ["", "a", "a.b", "..", "a.b.c", &format!("{content}."), &format!("{good}x"), &good[1..]] {
            assert!(verify(&users(), bad, NOW).is_none(), "{bad}");
        }
        assert!(issue(&users(), "bob").is_none() && issue(&users(), "").is_none());
    }
}
