//! User and password of basic authentication.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderValue;

/// The `Authorization` header of basic authentication. Never printed.
#[derive(Clone)]
pub struct Credentials(HeaderValue);

impl Credentials {
    /// Takes user and password.
    pub fn basic(user: &str, password: &str) -> Self {
        let text = format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")));
        // Base64 has no character a header refuses; an empty header would only be refused by the server.
        let mut value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        value.set_sensitive(true);
        Self(value)
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials([hidden])")
    }
}
