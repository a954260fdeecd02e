//! Writers whose bytes equal those of Go's `encoding/json` (api §2): `<`, `>`, `&`, U+2028 and U+2029 escaped in
//! strings, floats in Go's form.

mod escaping;

use escaping::GoFormatter;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, PrettyFormatter, Serializer};

/// Appends `value` and a newline: one line of a stream, or a whole body.
///
/// # Errors
/// When the type cannot be JSON (a map with keys that are no text); `out` then holds part of it.
pub fn to_line<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *out, GoFormatter(CompactFormatter)))?;
    out.push(b'\n');
    Ok(())
}

/// Appends `value` indented by four spaces, and a newline (api §4.4).
///
/// # Errors
/// As [`to_line`].
pub fn to_indented<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> serde_json::Result<()> {
    let formatter = GoFormatter(PrettyFormatter::with_indent(b"    "));
    value.serialize(&mut Serializer::with_formatter(&mut *out, formatter))?;
    out.push(b'\n');
    Ok(())
}

/// Reads one object.
///
/// # Errors
/// When the bytes are not exactly one JSON value of that type.
pub fn from_slice<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(bytes)
}

#[cfg(test)]
mod tests;
