//! From an IPFS path to the CID it ends at.

use super::Kubo;
use crate::answer::ResolveAnswer;
use cid::Cid;
use cluster_core::ports::ipfs_connector::IpfsError;

impl Kubo {
    /// Resolves a path. What a path within a block leads to is that block.
    pub(super) async fn ask_resolve(&self, path: String) -> Result<Cid, IpfsError> {
        let path = format!("resolve?arg={}", encode(&path));
        let answer: ResolveAnswer = self.query(&path).await?;
        let mut segments = answer.path.split('/');
        let (start, namespace, root) = (segments.next(), segments.next(), segments.next());
        let immutable = start == Some("") && matches!(namespace, Some("ipfs" | "ipld"));
        root.filter(|_| immutable)
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| self.rpc.bad_answer(&path, "the path it resolves to is not immutable"))
    }
}

/// Encodes text for the value of a query argument.
pub(super) fn encode(text: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn encodes_what_a_query_would_misread() {
        assert_eq!(encode("/ipfs/bafy/a b&c=d+%é"), "/ipfs/bafy/a%20b%26c%3Dd%2B%25%C3%A9");
    }
}
