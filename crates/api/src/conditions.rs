//! What a writing request asks for besides its pin: `If-Match`, `If-None-Match: *`, `Idempotency-Key`. None of them
//! exists in the reference, so a request without them behaves as there.

use cluster_core::ports::consensus::{Etag, Precondition, RequestId};
use http::{HeaderMap, HeaderName, HeaderValue, header};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Precondition and idempotency key of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Conditions {
    pub(crate) precondition: Precondition,
    pub(crate) request_id: Option<RequestId>,
}

impl Conditions {
    /// Reads the headers; the error is the text of a 400.
    pub(crate) fn parse(headers: &HeaderMap) -> Result<Self, &'static str> {
        let precondition = match (headers.get(header::IF_MATCH), headers.get(header::IF_NONE_MATCH)) {
            (None, None) => Precondition::None,
            (None, Some(any)) if any == "*" => Precondition::IfAbsent,
            (Some(tag), None) => Precondition::IfMatch(
                parse_etag(tag).ok_or("If-Match must be the ETag of an answer about this pin")?,
            ),
            _ => return Err("If-None-Match must be * and cannot stand beside If-Match"),
        };
        let request_id = headers
            .get(IDEMPOTENCY_KEY)
            .map(|value| value.to_str().ok().and_then(RequestId::new))
            .map(|key| key.ok_or("Idempotency-Key must have 1 to 255 ASCII characters"))
            .transpose()?;
        Ok(Self { precondition, request_id })
    }
}

/// Writes a tag as a header.
pub(crate) fn etag_header(etag: &Etag) -> Option<HeaderValue> {
    let mut text = [b'"'; 34];
    data_encoding::HEXLOWER.encode_mut(&etag.0, text.get_mut(1..33)?);
    HeaderValue::from_bytes(&text).ok()
}

fn parse_etag(value: &HeaderValue) -> Option<Etag> {
    parse_etag_text(value.as_bytes().trim_ascii().strip_prefix(b"\"")?.strip_suffix(b"\"")?)
}

/// Reads a tag without its quotation marks.
pub(crate) fn parse_etag_text(hex: &[u8]) -> Option<Etag> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(hex).ok()?;
    Some(Etag(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&'static str, &'static str)]) -> Result<Conditions, &'static str> {
        let pairs = pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)));
        Conditions::parse(&pairs.collect())
    }

    #[test]
    fn a_tag_reads_back_as_written() {
        let etag = Etag::of(b"value");
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, etag_header(&etag).unwrap());
        assert_eq!(Conditions::parse(&headers).unwrap().precondition, Precondition::IfMatch(etag));
        assert_eq!(etag_header(&etag).unwrap(), format!("\"{etag}\""));
    }

    #[test]
    fn conditions_that_cannot_be_kept_are_refused() {
        assert_eq!(parse(&[]), Ok(Conditions { precondition: Precondition::None, request_id: None }));
        assert_eq!(parse(&[("if-none-match", "*")]).unwrap().precondition, Precondition::IfAbsent);
        assert!(parse(&[("if-none-match", "\"x\"")]).is_err());
        assert!(parse(&[("if-match", "*")]).is_err());
        assert!(parse(&[("if-match", "\"abcd\"")]).is_err());
        assert!(parse(&[("idempotency-key", "")]).is_err());
        assert_eq!(parse(&[("idempotency-key", "k1")]).unwrap().request_id, RequestId::new("k1"));
    }
}
