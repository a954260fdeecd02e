//! Percent-encoding of paths and queries.

use std::fmt::Write;

/// Appends `text`, a path with slashes, with every segment encoded.
pub(crate) fn push_path(out: &mut String, text: &str) {
    push(out, text, b"/");
}

/// Appends a slash and `text`, which may hold slashes of its own, as one segment.
pub(crate) fn push_segment(out: &mut String, text: &str) {
    out.push('/');
    push(out, text, b"");
}

/// Appends `?key=value&…`; nothing when there are no pairs.
pub(crate) fn push_query<'a>(out: &mut String, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) {
    let mut separator = if out.contains('?') { '&' } else { '?' };
    for (key, value) in pairs {
        out.push(separator);
        push(out, key, b"");
        out.push('=');
        push(out, value, b"");
        separator = '&';
    }
}

fn push(out: &mut String, text: &str, also_plain: &[u8]) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also_plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_and_values_are_encoded() {
        let mut out = String::new();
        push_path(&mut out, "/ipfs/Qm/a b?c#d%é");
        push_segment(&mut out, "a/b");
        push_query(&mut out, [("name", "x&y=z +/"), ("mode", "direct")]);
        assert_eq!(out, "/ipfs/Qm/a%20b%3Fc%23d%25%C3%A9/a%2Fb?name=x%26y%3Dz%20%2B%2F&mode=direct");
    }
}
