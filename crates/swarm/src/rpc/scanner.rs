//! Finds the end of a msgpack value in bytes that arrive in pieces.

use super::{
    head::{Head, Reserved},
    limits::{Limits, MAX_DEPTH},
};

/// Why bytes are no value that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScanError {
    /// A byte without meaning.
    #[error("invalid byte descriptor: 0xc1 starts no msgpack value")]
    Reserved,
    /// Keys of maps are texts, with all peers. Said of the first other one, since the rest may never come.
    #[error("invalid byte descriptor for decoding bytes, got: {found:#04x}")]
    Key {
        /// First byte of the key.
        found: u8,
    },
    /// Arrays and maps within each other.
    #[error("nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// More bytes than allowed.
    #[error("larger than {max} bytes")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// More elements than allowed.
    #[error("more than {max} elements")]
    TooMany {
        /// The limit.
        max: usize,
    },
}

impl From<Reserved> for ScanError {
    fn from(_: Reserved) -> Self {
        Self::Reserved
    }
}

/// Remembers how far a value was looked at, so that no byte is looked at twice however small the pieces are.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    /// Where the next header is; past the bytes at hand when a text is still coming.
    at: usize,
    /// For each array or map that is open, how many values are to come.
    open: [u64; MAX_DEPTH],
    depth: usize,
    /// A bit for each that is open and a map.
    maps: u32,
    elements: u64,
    /// Whether nothing but the last text is to come.
    all_seen: bool,
}

impl Scanner {
    /// Looks at a value: `Some` its length, and the scanner is ready for the next one; `None` when more is needed.
    /// `bytes` begin where the value does and may only get longer from call to call.
    ///
    /// # Errors
    /// When this is no msgpack, or goes beyond the limits; said as soon as a header announces it.
    pub(super) fn advance(&mut self, bytes: &[u8], limits: Limits) -> Result<Option<usize>, ScanError> {
        while !self.all_seen {
            let Some(head) = bytes.get(self.at..).map_or(Ok(None), Head::read)? else { return Ok(None) };
            if self.expects_key() && !head.is_raw() && !head.is_nil() {
                return Err(ScanError::Key { found: head.marker });
            }
            self.at = self.at.saturating_add(head.size).saturating_add(head.body);
            self.elements = self.elements.saturating_add(head.children);
            if self.elements > limits.elements as u64 {
                return Err(ScanError::TooMany { max: limits.elements });
            }
            // Each value inside takes at least one byte.
            if (self.at as u64).saturating_add(head.children) > limits.bytes as u64 {
                return Err(ScanError::TooLarge { max: limits.bytes });
            }
            if head.children > 0 {
                *self.open.get_mut(self.depth).ok_or(ScanError::TooDeep)? = head.children;
                let bit = 1 << self.depth;
                self.maps = if head.is_map() { self.maps | bit } else { self.maps & !bit };
                self.depth += 1;
            } else {
                self.close();
            }
        }
        if bytes.len() < self.at {
            return Ok(None);
        }
        let length = self.at;
        *self = Self::default();
        Ok(Some(length))
    }

    /// Says whether the next value is the key of a map, of which an even number of values is to come.
    fn expects_key(&self) -> bool {
        self.depth > 0
            && self.maps & (1 << (self.depth - 1)) != 0
            && self.open[self.depth - 1].is_multiple_of(2)
    }

    /// Counts one finished value, and whatever it finishes.
    fn close(&mut self) {
        while self.depth > 0 {
            let left = &mut self.open[self.depth - 1];
            *left -= 1;
            if *left > 0 {
                return;
            }
            self.depth -= 1;
        }
        self.all_seen = true;
    }
}

#[cfg(test)]
mod tests;
