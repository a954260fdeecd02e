//! CIDs made from a counter: version 1, raw, sha2-256, so that every pin is new and any of them can be told again.

use sha2::{Digest, Sha256};

/// Length of the text of such a CID.
pub(crate) const CID_LENGTH: usize = 59;

/// The text of a CID, without allocation.
pub(crate) type CidText = [u8; CID_LENGTH];

const PREFIX: [u8; 4] = [0x01, 0x55, 0x12, 0x20];
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Returns the hash that stands for number `index` of the sequence `seed`.
pub(crate) fn digest(seed: u64, index: u64) -> [u8; 32] {
    let mut input = [0u8; 16];
    input[..8].copy_from_slice(&seed.to_be_bytes());
    input[8..].copy_from_slice(&index.to_be_bytes());
    Sha256::digest(input).into()
}

/// Writes the CID of a hash as text.
pub(crate) fn text_of(digest: &[u8; 32]) -> CidText {
    let mut bytes = [0u8; 36];
    bytes[..4].copy_from_slice(&PREFIX);
    bytes[4..].copy_from_slice(digest);
    let mut text = [b'b'; CID_LENGTH];
    let (mut held, mut bits, mut at) = (0u32, 0u32, 1);
    for byte in bytes {
        held = (held << 8) | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text[at] = ALPHABET[(held >> bits) as usize & 31];
            at += 1;
        }
    }
    text[at] = ALPHABET[(held << (5 - bits)) as usize & 31];
    text
}

/// Writes the CID of number `index` of the sequence `seed` as text.
pub(crate) fn text(seed: u64, index: u64) -> CidText {
    text_of(&digest(seed, index))
}

/// Reads the hash out of a CID's text; `None` when it is not a raw sha2-256 CID of version 1 in base 32.
pub(crate) fn parse(text: &[u8]) -> Option<[u8; 32]> {
    if text.len() != CID_LENGTH || text[0] != b'b' {
        return None;
    }
    let mut bytes = [0u8; 36];
    let (mut held, mut bits, mut at) = (0u32, 0u32, 0);
    for letter in &text[1..] {
        let value = match letter {
            b'a'..=b'z' => letter - b'a',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => return None,
        };
        held = (held << 5) | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes[at] = (held >> bits) as u8;
            at += 1;
        }
    }
    let digest = bytes.strip_prefix(&PREFIX)?;
    digest.try_into().ok()
}

/// Borrows a CID's text as a string.
pub(crate) fn as_str(text: &CidText) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{as_str, digest, parse, text, text_of};
    use sha2::{Digest, Sha256};

    #[test]
    fn the_empty_block_has_its_well_known_cid() {
        let empty: [u8; 32] = Sha256::digest(b"").into();
        assert_eq!(as_str(&text_of(&empty)), "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku");
    }

    #[test]
    fn a_text_reads_back_as_its_hash_and_nothing_else_does() {
        assert_eq!(parse(&text(7, 12)), Some(digest(7, 12)));
        assert_ne!(text(7, 12), text(7, 13));
        assert_ne!(text(7, 12), text(8, 12));
        assert_eq!(parse(b"QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"), None);
        let mut wrong = text(7, 12);
        wrong[1] = b'b';
        assert_eq!(parse(&wrong), None);
    }
}
