//! The name of a DAG block.

use cid::Cid;
use multihash::Multihash;

/// Identifies a block of the DAG by the SHA-256 of its bytes. No other hash or codec is possible: the CID is
/// always version 1, dag-pb, sha2-256 (wire-protocol §4.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(pub [u8; 32]);

/// Says that a CID or text does not name a block of the DAG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a dag-pb block with a sha2-256 hash")]
pub struct BlockIdError;

const DAG_PB: u64 = 0x70;
const SHA2_256: u64 = 0x12;

impl BlockId {
    /// Names a block by its bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(<sha2::Sha256 as sha2::Digest>::digest(bytes).into())
    }

    /// Reads a name back from a row's key.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Takes the name out of a CID.
    ///
    /// # Errors
    /// When the CID has another version, codec or hash.
    pub fn from_cid(cid: &Cid) -> Result<Self, BlockIdError> {
        let hash = cid.hash();
        if cid.version() != cid::Version::V1 || cid.codec() != DAG_PB || hash.code() != SHA2_256 {
            return Err(BlockIdError);
        }
        Self::from_slice(hash.digest()).ok_or(BlockIdError)
    }

    /// Returns the CID.
    pub fn cid(&self) -> Cid {
        // 32 bytes always fit into a 64-byte multihash.
        Multihash::<64>::wrap(SHA2_256, &self.0).map(|hash| Cid::new_v1(DAG_PB, hash)).unwrap_or_default()
    }

    /// Returns the binary CID, as links and broadcasts carry it.
    pub fn cid_bytes(&self) -> [u8; 36] {
        let mut bytes = [0; 36];
        bytes[..4].copy_from_slice(&[0x01, DAG_PB as u8, SHA2_256 as u8, 32]);
        bytes[4..].copy_from_slice(&self.0);
        bytes
    }

    /// Reads a binary CID.
    ///
    /// # Errors
    /// When it names no block of the DAG.
    pub fn from_cid_bytes(bytes: &[u8]) -> Result<Self, BlockIdError> {
        match bytes.strip_prefix(&[0x01, DAG_PB as u8, SHA2_256 as u8, 32]) {
            Some(digest) => Self::from_slice(digest).ok_or(BlockIdError),
            None => Err(BlockIdError),
        }
    }

    /// Writes the id a tombstone carries: a slash and the base32 multihash. Without the slash Go keeps showing
    /// the removed pin.
    pub fn to_datastore_key(&self) -> String {
        let mut multihash = [0; 34];
        multihash[..2].copy_from_slice(&[SHA2_256 as u8, 32]);
        multihash[2..].copy_from_slice(&self.0);
        format!("/{}", data_encoding::BASE32_NOPAD.encode(&multihash))
    }

    /// Reads the id a tombstone carries.
    ///
    /// # Errors
    /// When the text has another form; such a tombstone removes nothing, on Go peers neither.
    pub fn from_datastore_key(text: &str) -> Result<Self, BlockIdError> {
        let encoded = text.strip_prefix('/').ok_or(BlockIdError)?;
        let bytes = data_encoding::BASE32_NOPAD.decode(encoded.as_bytes()).map_err(|_| BlockIdError)?;
        match bytes.strip_prefix(&[SHA2_256 as u8, 32]) {
            Some(digest) => Self::from_slice(digest).ok_or(BlockIdError),
            None => Err(BlockIdError),
        }
    }
}

impl std::fmt::Debug for BlockId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BlockId({})", self.cid())
    }
}

impl std::fmt::Display for BlockId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.cid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Go compares the texts: in any other spelling a tombstone removes nothing there.
    #[test]
    fn a_tombstone_id_has_one_spelling_only() {
        let id = BlockId([0xa7; 32]);
        let text = id.to_datastore_key();
        assert_eq!(text.len(), 56);
        assert!(text.starts_with("/CIQ"), "{text}");
        assert!(text[1..].bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7')), "{text}");
        assert_eq!(BlockId::from_datastore_key(&text), Ok(id));
        // 34 bytes leave three bits of the last letter without a meaning; they are zero.
        let (rest, last) = text.split_at(55);
        assert_eq!(last, "Y");
        for other in [
            text[1..].to_owned(),
            format!("/{text}"),
            text.to_lowercase(),
            format!("{text}="),
            format!("{text}======"),
            format!("{rest}Z"),
            rest.to_owned(),
            format!(" {text}"),
            format!("/{}", id.cid()),
        ] {
            assert_eq!(BlockId::from_datastore_key(&other), Err(BlockIdError), "{other}");
        }
    }
}
