//! The encoding of rows of ours: a version byte, then integers as LEB128 and byte strings with their length.

/// Builds a row.
#[derive(Debug, Default)]
pub struct RowWriter(Vec<u8>);

impl RowWriter {
    /// Starts a row of the given version.
    pub fn new(version: u8) -> Self {
        Self(vec![version])
    }

    /// Adds one byte.
    #[must_use]
    pub fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    /// Adds an integer.
    #[must_use]
    pub fn int(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    /// Adds a byte string with its length.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        let mut writer = self.int(bytes.len() as u64);
        writer.0.extend_from_slice(bytes);
        writer
    }

    /// Adds bytes that run to the end of the row, or whose length is fixed.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Ends the row.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Takes a row apart; every method returns `None` when the row is too short or has another form.
#[derive(Debug, Clone)]
pub struct RowReader<'a>(&'a [u8]);

impl<'a> RowReader<'a> {
    /// Starts reading a row that must be of the given version.
    pub fn new(row: &'a [u8], version: u8) -> Option<Self> {
        let (first, rest) = row.split_first()?;
        (*first == version).then_some(Self(rest))
    }

    /// Takes one byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Takes an integer.
    pub fn int(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Takes a byte string.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.int()?).ok()?;
        self.fixed(len)
    }

    /// Takes exactly `len` bytes.
    pub fn fixed(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    /// Takes what is left.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Says whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Reads a big-endian integer from the first eight bytes of a key.
pub(crate) fn read_be(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(..8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let row = RowWriter::new(3).byte(9).int(0).int(300).int(u64::MAX).bytes(b"abc").raw(b"tail").finish();
        let mut reader = RowReader::new(&row, 3).unwrap();
        assert_eq!(reader.byte(), Some(9));
        assert_eq!(reader.int(), Some(0));
        assert_eq!(reader.int(), Some(300));
        assert_eq!(reader.int(), Some(u64::MAX));
        assert_eq!(reader.bytes(), Some(&b"abc"[..]));
        assert_eq!(reader.rest(), b"tail");
    }

    #[test]
    fn short_rows_and_other_versions_are_refused() {
        assert!(RowReader::new(&[2], 1).is_none());
        assert!(RowReader::new(&[], 1).is_none());
        assert_eq!(RowReader::new(&[1, 0x80], 1).unwrap().int(), None);
        assert_eq!(RowReader::new(&[1, 5, 1], 1).unwrap().bytes(), None);
        assert_eq!(RowReader::new(&[[1].as_slice(), &[0xff; 11]].concat(), 1).unwrap().int(), None);
    }
}
