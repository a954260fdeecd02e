//! Paths of requests: cleaning, redirects and segments (api §3.1).

use crate::{
    failure::{bad_request, empty},
    routes::Reply,
};
use http::{HeaderValue, StatusCode, Uri, header};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// Answers a path that has another form than the one it is served under.
pub(crate) fn redirect(uri: &Uri) -> Option<Reply> {
    let path = uri.path();
    // The clean path comes first: `//host/` must not become a redirect to another host.
    if let Some(clean) = cleaned(path) {
        return Some(to(StatusCode::MOVED_PERMANENTLY, &clean, uri.query()));
    }
    // `/` itself is no redirect: the reference sends it to itself for ever.
    let shorter = path.strip_suffix('/').filter(|shorter| !shorter.is_empty())?;
    Some(to(StatusCode::TEMPORARY_REDIRECT, shorter, uri.query()))
}

fn to(status: StatusCode, path: &str, query: Option<&str>) -> Reply {
    let mut reply = empty(status);
    let target = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    if let Ok(value) = HeaderValue::from_str(&target) {
        reply.headers_mut().insert(header::LOCATION, value);
    }
    reply
}

/// Returns the path without double slashes and dot segments, when it has any. A slash at the end stays.
fn cleaned(path: &str) -> Option<String> {
    let is_clean = !path.contains("//") && !path.split('/').any(|s| matches!(s, "." | ".."));
    if is_clean || !path.starts_with('/') {
        return None;
    }
    let mut clean: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    let end = if path.ends_with('/') && !clean.is_empty() { "/" } else { "" };
    Some(format!("/{}{end}", clean.join("/")))
}

/// Returns the text of a segment of the path, from 0, decoded.
pub(crate) fn segment(uri: &Uri, index: usize) -> Result<Cow<'_, str>, Box<Reply>> {
    decoded(uri.path().split('/').nth(index + 1).unwrap_or_default())
}

/// Returns the path from its second segment on, with the slash before it, decoded.
pub(crate) fn below_first(uri: &Uri) -> Result<Cow<'_, str>, Box<Reply>> {
    let path = uri.path();
    let second = path.get(1..).and_then(|rest| rest.find('/')).map_or(path.len(), |at| at + 1);
    decoded(path.get(second..).unwrap_or_default())
}

fn decoded(text: &str) -> Result<Cow<'_, str>, Box<Reply>> {
    percent_decode_str(text).decode_utf8().map_err(|_| Box::new(bad_request("the path is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirected(uri: &str) -> Option<(u16, String)> {
        let reply = redirect(&uri.parse().unwrap())?;
        let location = reply.headers()[header::LOCATION].to_str().unwrap().to_owned();
        Some((reply.status().as_u16(), location))
    }

    #[test]
    fn only_unusual_paths_are_redirected() {
        for path in ["/", "/pins", "/pins/ipfs/a/b?x=//y/", "/a..b"] {
            assert_eq!(redirected(path), None, "{path}");
        }
        for (path, status, location) in [
            ("/pins/?local=true", 307, "/pins?local=true"),
            ("//pins", 301, "/pins"),
            ("//evil.example/", 301, "/evil.example/"),
            ("/pins/./x/../y", 301, "/pins/y"),
            ("/../..", 301, "/"),
            ("//", 301, "/"),
        ] {
            assert_eq!(redirected(path), Some((status, location.to_owned())), "{path}");
        }
    }

    #[test]
    fn segments_are_decoded() {
        let uri: Uri = "/pins/ipfs/bafkqaaa/a%20b".parse().unwrap();
        assert_eq!(segment(&uri, 1).unwrap(), "ipfs");
        assert_eq!(below_first(&uri).unwrap(), "/ipfs/bafkqaaa/a b");
        assert!(segment(&"/pins/%ff".parse().unwrap(), 1).is_err());
    }
}
