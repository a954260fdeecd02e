//! The key of a pin in the pinset and in every index.

use cid::Cid;

/// Identifies an entry of the pinset: the binary CID (v0 and v1 of one content differ). A newtype, so that it
/// can widen without touching those who pass it on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PinKey(Box<[u8]>);

/// Says why bytes or text are not the key of a pin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinKeyError {
    /// The bytes are not exactly one binary CID.
    #[error("not a binary CID")]
    NotACid,
    /// The text is not a slash followed by upper-case base32.
    #[error("not a datastore key of a pin")]
    NotADatastoreKey,
}

impl PinKey {
    /// Takes the key of `cid`.
    pub fn from_cid(cid: &Cid) -> Self {
        Self(cid.to_bytes().into_boxed_slice())
    }

    /// Reads a key back from stored bytes.
    ///
    /// # Errors
    /// When the bytes are not exactly one CID.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PinKeyError> {
        let cid = Cid::try_from(bytes).map_err(|_| PinKeyError::NotACid)?;
        // `Cid::try_from` accepts trailing bytes; a key may not have any.
        if cid.encoded_len() != bytes.len() {
            return Err(PinKeyError::NotACid);
        }
        Ok(Self(bytes.into()))
    }

    /// Parses the key text of a delta: `/` and unpadded upper-case base32 (wire-protocol §4.6).
    ///
    /// # Errors
    /// When the text has another form or does not hold a CID.
    pub fn from_datastore_key(text: &str) -> Result<Self, PinKeyError> {
        let encoded = text.strip_prefix('/').ok_or(PinKeyError::NotADatastoreKey)?;
        let bytes = data_encoding::BASE32_NOPAD
            .decode(encoded.as_bytes())
            .map_err(|_| PinKeyError::NotADatastoreKey)?;
        Self::from_bytes(&bytes)
    }

    /// Writes the key text of a delta.
    pub fn to_datastore_key(&self) -> String {
        let mut text = String::with_capacity(1 + self.0.len() * 8 / 5 + 1);
        text.push('/');
        data_encoding::BASE32_NOPAD.encode_append(&self.0, &mut text);
        text
    }

    /// Returns the bytes, whose order is the order of every listing.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the CID.
    pub fn cid(&self) -> Cid {
        // The constructors checked the bytes; the fallback is never reached and harmless.
        Cid::try_from(&*self.0).unwrap_or_default()
    }
}

impl std::fmt::Debug for PinKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PinKey({})", self.cid())
    }
}

impl std::fmt::Display for PinKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.cid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datastore_keys_of_the_wire_protocol() {
        for (cid, key) in [
            (
                "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
                "/AFKREIGH2AKISCAILDCQABSYG3DFR6CHU3FGPREGIYMSCK7E7AQA4S52ZY",
            ),
            (
                "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn",
                "/CIQFTFEEHEDF6KLBT32BFAGLXEZL4UWFNWM4LFTLMXQBCERZ6CMLX3Y",
            ),
        ] {
            let parsed = PinKey::from_cid(&cid.parse().unwrap());
            assert_eq!(parsed.to_datastore_key(), key);
            assert_eq!(PinKey::from_datastore_key(key).unwrap(), parsed);
            assert_eq!(parsed.cid().to_string(), cid);
        }
    }

    #[test]
    fn trailing_bytes_and_lower_case_are_refused() {
        let key = PinKey::from_cid(&"QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn".parse().unwrap());
        let mut longer = key.as_bytes().to_vec();
        longer.push(0);
        assert_eq!(PinKey::from_bytes(&longer), Err(PinKeyError::NotACid));
        assert!(PinKey::from_datastore_key("AFKQAAA").is_err());
        assert!(PinKey::from_datastore_key("/afkqaaa").is_err());
    }
}
