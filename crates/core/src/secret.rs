//! The cluster secret: 32 bytes that key the private network.

use zeroize::Zeroizing;

/// The 32 bytes shared by all peers of a cluster. Never printed: `Debug` is redacted and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterSecret(Zeroizing<[u8; 32]>);

/// Says why a text is not a cluster secret, without repeating it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The text has another length than 64 hexadecimal digits.
    #[error("found {found} characters, but a cluster secret is 64 hexadecimal digits (32 bytes)")]
    Length {
        /// Characters found.
        found: usize,
    },
    /// Some character is not a hexadecimal digit.
    #[error(
        "character {position} is not a hexadecimal digit; a cluster secret is 64 hexadecimal digits (32 bytes)"
    )]
    Digit {
        /// Position of the first wrong character, from 1.
        position: usize,
    },
}

impl ClusterSecret {
    /// Takes the 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Parses 64 hexadecimal digits of either case (wire-protocol §1.2).
    ///
    /// # Errors
    /// Says what is wrong with the text without repeating it.
    pub fn parse_hex(text: &str) -> Result<Self, SecretError> {
        if let Some(at) = text.chars().position(|c| !c.is_ascii_hexdigit()) {
            return Err(SecretError::Digit { position: at + 1 });
        }
        let decoded = data_encoding::HEXLOWER_PERMISSIVE
            .decode(text.as_bytes())
            .map_err(|_| SecretError::Length { found: text.len() })?;
        let bytes: [u8; 32] = decoded.try_into().map_err(|_| SecretError::Length { found: text.len() })?;
        Ok(Self::from_bytes(bytes))
    }

    /// Lends the bytes to the one place that keys the network.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Writes the secret as lower-case hexadecimal digits, for the configuration file alone.
    pub fn expose_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(data_encoding::HEXLOWER.encode(&*self.0))
    }
}

impl std::fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClusterSecret([hidden])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_round_trips_and_never_shows_itself() {
        let text = "ab".repeat(32);
        let secret = ClusterSecret::parse_hex(&text.to_uppercase()).unwrap();
        assert_eq!(secret.expose_hex().as_str(), text);
        assert!(!format!("{secret:?}").contains("ab"));
    }

    #[test]
    fn mistakes_are_named_without_the_text() {
        assert_eq!(ClusterSecret::parse_hex("abcd"), Err(SecretError::Length { found: 4 }));
        assert_eq!(ClusterSecret::parse_hex("abc"), Err(SecretError::Length { found: 3 }));
        let bad = format!("ab{}", "zz".repeat(31));
        let error = ClusterSecret::parse_hex(&bad).unwrap_err();
        assert_eq!(error, SecretError::Digit { position: 3 });
        assert!(!error.to_string().contains("zz"));
    }
}
