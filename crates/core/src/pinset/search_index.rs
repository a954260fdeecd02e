//! The rows by which pins are searched: by name, by metadata, by creation time. How they are made on a store that had
//! none: `indexing`.
//!
//! A key is the text searched for, so that keys lie in its order, then the pin's key. Texts end in `00 00` and a zero byte
//! inside one is written `00 ff`: no text runs into what follows it, and a prefix of a text is a prefix of its rows. Of a
//! long text only the first [`MAX_TEXT`] bytes are in the key, so whoever reads a row looks at the pin as well.

use super::tracker_row::TrackerRow;
use crate::{Pin, PinKey, UnixMillis, ports::datastore::Tree};

/// Bytes of a text that are in a key.
pub const MAX_TEXT: usize = 255;

const ESCAPED: [u8; 2] = [0, 0xff];
const END: [u8; 2] = [0, 0];

/// One of the indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SearchIndex {
    /// By name; pins without one are not in it.
    Name,
    /// By key and value of each entry of the metadata.
    Metadata,
    /// By the time at which the pin was made; pins without one are not in it.
    Created,
}

impl SearchIndex {
    /// Every index.
    pub const ALL: [Self; 3] = [Self::Name, Self::Metadata, Self::Created];

    /// Returns its tree.
    pub fn tree(self) -> Tree {
        match self {
            Self::Name => Tree::ByName,
            Self::Metadata => Tree::ByMeta,
            Self::Created => Tree::ByCreated,
        }
    }

    /// Returns the name that messages use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Metadata => "metadata",
            Self::Created => "creation time",
        }
    }

    /// Returns the key of the pin in a row of this index; `None` when it has another form.
    pub fn pin_key(self, row_key: &[u8]) -> Option<PinKey> {
        let rest = match self {
            Self::Name => after_text(row_key)?,
            Self::Metadata => after_text(after_text(row_key)?)?,
            Self::Created => row_key.get(8..)?,
        };
        PinKey::from_bytes(rest).ok()
    }
}

/// Returns the rows of a pin.
pub fn rows<'a>(key: &'a PinKey, pin: &'a Pin) -> impl Iterator<Item = (SearchIndex, Vec<u8>)> + 'a {
    let name = Some(&pin.options.name).filter(|name| !name.is_empty());
    let metadata = pin.options.metadata.iter();
    name.map(|name| (SearchIndex::Name, with_key(name_exactly(name), key)))
        .into_iter()
        .chain(metadata.map(|(k, v)| (SearchIndex::Metadata, with_key(metadata_exactly(k, v), key))))
        .chain(pin.timestamp.map(|at| (SearchIndex::Created, TrackerRow::time_key(at.millis().0, key))))
}

/// Returns what the rows of a name start with.
pub fn name_exactly(name: &str) -> Vec<u8> {
    let mut prefix = name_starting(name);
    prefix.extend_from_slice(&END);
    prefix
}

/// Returns what the rows of all names with this beginning start with.
pub fn name_starting(beginning: &str) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(beginning.len().min(MAX_TEXT) + 48);
    escape(beginning, &mut prefix);
    prefix
}

/// Returns what the rows of an entry of metadata start with.
pub fn metadata_exactly(key: &str, value: &str) -> Vec<u8> {
    let mut prefix = name_exactly(key);
    escape(value, &mut prefix);
    prefix.extend_from_slice(&END);
    prefix
}

/// Returns the first key that a row of this time can have.
pub fn created_at(time: UnixMillis) -> Vec<u8> {
    time.0.to_be_bytes().to_vec()
}

fn with_key(mut prefix: Vec<u8>, key: &PinKey) -> Vec<u8> {
    prefix.extend_from_slice(key.as_bytes());
    prefix
}

fn escape(text: &str, into: &mut Vec<u8>) {
    for byte in text.bytes().take(MAX_TEXT) {
        match byte {
            0 => into.extend_from_slice(&ESCAPED),
            byte => into.push(byte),
        }
    }
}

/// Returns what follows the text at the beginning of a key.
fn after_text(mut key: &[u8]) -> Option<&[u8]> {
    loop {
        let zero = key.iter().position(|byte| *byte == 0)?;
        let second = *key.get(zero + 1)?;
        key = key.get(zero + 2..)?;
        if second == END[1] {
            return Some(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UnixSeconds;

    fn pin(name: &str, metadata: &[(&str, &str)]) -> (PinKey, Pin) {
        let mut pin = Pin::new("bafkqaaa".parse().unwrap());
        pin.options.name = name.to_owned();
        pin.options.metadata = metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        pin.timestamp = Some(UnixSeconds(5));
        (pin.key(), pin)
    }

    #[test]
    fn every_row_names_its_pin() {
        let long = "x".repeat(1000);
        for name in ["a", "a\0b", "\0", "\0\u{ff}", "ünï", long.as_str()] {
            let (key, pin) = pin(name, &[(name, name), ("", "")]);
            let rows: Vec<_> = rows(&key, &pin).collect();
            assert_eq!(rows.len(), 4, "{name}");
            for (index, row) in &rows {
                assert_eq!(index.pin_key(row).as_ref(), Some(&key), "{name} {index:?}");
            }
            assert!(rows[0].1.starts_with(&name_exactly(name)));
        }
        assert_eq!(SearchIndex::Name.pin_key(b"no end"), None);
    }

    #[test]
    fn rows_lie_in_the_order_of_the_names() {
        let names = ["", "\0", "\0a", "a", "a\0", "a\0b", "a\u{1}", "ab", "b"];
        let keys: Vec<_> = names.iter().map(|name| name_exactly(name)).collect();
        assert!(keys.is_sorted(), "{keys:?}");
        for name in names {
            assert!(name_exactly(name).starts_with(&name_starting(name)));
        }
        assert!(!name_exactly("ab").starts_with(&name_exactly("a")));
    }
}
