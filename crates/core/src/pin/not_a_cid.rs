//! Reading CIDs that people typed.

use cid::Cid;

/// What a CID looks like, for those who gave something else.
pub(crate) const LOOKS_LIKE: &str = "a CID looks like \"bafybei…\" or \"Qm…\"";

/// Says that a text is no CID, and what one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a CID ({cause}); {LOOKS_LIKE}")]
pub struct NotACid {
    text: String,
    cause: String,
}

/// Reads a CID of any version, and nothing around it.
///
/// # Errors
/// When the text is not one; the error names it.
pub fn parse_cid(text: &str) -> Result<Cid, NotACid> {
    let fail = |cause: String| NotACid { text: text.to_owned(), cause };
    // The library would take the part behind `/ipfs/`: another CID than the one that a path begins with.
    if text.contains('/') {
        return Err(fail("it is a path".to_owned()));
    }
    text.parse().map_err(|cause: cid::Error| fail(cause.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_cid_is_named_with_an_example() {
        assert!(parse_cid("bafkqaaa").is_ok());
        for text in ["", "nope", "bafkqaa", "Qm", "/ipfs/bafkqaaa", "x/ipfs/bafkqaaa"] {
            let error = parse_cid(text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("\"{text}\" is not a CID")) && error.contains("bafy"),
                "{error}"
            );
        }
    }
}
