//! Newline-delimited JSON in constant memory.

use bytes::{Buf, BytesMut};

/// Longest object accepted, in bytes.
pub(crate) const MAX_LINE: usize = 1024 * 1024;

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    buffer: BytesMut,
    searched: usize,
}

/// An object is longer than [`MAX_LINE`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Lines {
    /// Adds bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the next complete line.
    pub(crate) fn next(&mut self) -> Result<Option<BytesMut>, TooLong> {
        match self.buffer[self.searched..].iter().position(|b| *b == b'\n') {
            Some(at) => {
                let line = self.buffer.split_to(self.searched + at);
                self.buffer.advance(1);
                self.searched = 0;
                Ok(Some(line))
            }
            None if self.buffer.len() > MAX_LINE => Err(TooLong),
            None => {
                self.searched = self.buffer.len();
                Ok(None)
            }
        }
    }

    /// Takes what is left at the end of the stream: a last line without its end.
    pub(crate) fn rest(&mut self) -> BytesMut {
        self.searched = 0;
        std::mem::take(&mut self.buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_however_the_bytes_arrive() {
        let mut lines = Lines::default();
        let mut got = Vec::new();
        for byte in b"{\"a\":1}\n\n{\"b\":2}\nrest" {
            lines.push(&[*byte]);
            while let Some(line) = lines.next().unwrap() {
                got.push(line.to_vec());
            }
        }
        assert_eq!(got, [b"{\"a\":1}".to_vec(), b"".to_vec(), b"{\"b\":2}".to_vec()]);
        assert_eq!(&lines.rest()[..], b"rest");
        lines.push(&vec![b'x'; MAX_LINE + 1]);
        assert_eq!(lines.next(), Err(TooLong));
    }
}
