//! The URL of a configuration.

use reqwest::Url;
use std::fmt;

/// The URL of a configuration, of HTTP or HTTPS. A password in it and its query, which can be as good as one, are not
/// shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceUrl {
    text: String,
    url: Url,
}

/// Why a text is no [`SourceUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceUrlError {
    /// Not a URL.
    #[error("{0}")]
    Form(String),
    /// Not one of HTTP.
    #[error("{scheme}: is neither http: nor https:")]
    Scheme {
        /// What it is.
        scheme: String,
    },
}

impl SourceUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// It is none, or of another scheme than `http` and `https`.
    pub fn parse(text: &str) -> Result<Self, SourceUrlError> {
        let text = text.trim().to_owned();
        let url = Url::parse(&text).map_err(|error| SourceUrlError::Form(error.to_string()))?;
        match url.scheme() {
            "http" | "https" => Ok(Self { text, url }),
            scheme => Err(SourceUrlError::Scheme { scheme: scheme.to_owned() }),
        }
    }

    /// Returns the whole text as it was given, for the file alone.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Lends the URL to who fetches it.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.url.password().is_none() && self.url.query().is_none() {
            return f.write_str(&self.text);
        }
        let mut shown = self.url.clone();
        if shown.password().is_some() {
            // A URL of HTTP has a host, so it can have a password.
            let _ = shown.set_password(Some("XXX_hidden_XXX"));
        }
        let has_query = shown.query().is_some();
        shown.set_query(None);
        write!(f, "{shown}{}", if has_query { "?XXX_hidden_XXX" } else { "" })
    }
}

impl fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_queries_are_not_shown() {
        for (text, shown) in [
            ("http://127.0.0.1:8080/ipns/example.org", "http://127.0.0.1:8080/ipns/example.org"),
            ("https://example.org", "https://example.org"),
            ("https://me:5ec5ec@example.org/a", "https://me:XXX_hidden_XXX@example.org/a"),
            ("https://example.org/a?token=5ec5ec", "https://example.org/a?XXX_hidden_XXX"),
        ] {
            let url = SourceUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(url.expose(), text);
            assert!(!format!("{url:?}").contains("5ec5ec"));
        }
        for text in ["", "example.org", "ftp://example.org/a", "/etc/passwd", "http://"] {
            assert!(SourceUrl::parse(text).is_err(), "{text}");
        }
    }
}
