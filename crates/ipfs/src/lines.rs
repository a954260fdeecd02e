//! Splits a streamed body into lines, each of bounded length.

use bytes::{Buf, Bytes, BytesMut};

/// Longest line, in bytes. An error message or a list of one pin's name is far below it; a longer line is the
/// answer of something that is no IPFS daemon.
pub(crate) const MAX_LINE: usize = 1024 * 1024;

/// A line longer than [`MAX_LINE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineTooLong;

/// Collects pieces of a body and gives back whole lines, without their newline. Holds one line at most beside
/// the last piece.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    buffer: BytesMut,
    scanned: usize,
}

impl Lines {
    /// Takes the next piece of the body. Take the lines out before pushing again.
    pub(crate) fn push(&mut self, piece: &Bytes) {
        self.buffer.extend_from_slice(piece);
    }

    /// Takes out the next whole line that is not blank.
    pub(crate) fn next_line(&mut self) -> Result<Option<Bytes>, LineTooLong> {
        loop {
            let Some(found) = self.buffer[self.scanned..].iter().position(|b| *b == b'\n') else {
                self.scanned = self.buffer.len();
                return if self.scanned > MAX_LINE { Err(LineTooLong) } else { Ok(None) };
            };
            let end = self.scanned + found;
            self.scanned = 0;
            let line = self.buffer.split_to(end).freeze();
            self.buffer.advance(1);
            if line.len() > MAX_LINE {
                return Err(LineTooLong);
            }
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(line));
            }
        }
    }

    /// Takes out what stands after the last newline, when it is not blank.
    pub(crate) fn rest(&mut self) -> Option<Bytes> {
        self.scanned = 0;
        let rest = self.buffer.split().freeze();
        (!rest.iter().all(u8::is_ascii_whitespace)).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_lines_across_pieces() {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for piece in ["{\"a\"", ":1}\n\r\n", "{\"b\":2}\n{\"c\"", ":3}"] {
            lines.push(&Bytes::from_static(piece.as_bytes()));
            while let Some(line) = lines.next_line().unwrap() {
                found.push(line);
            }
        }
        assert_eq!(found, ["{\"a\":1}", "{\"b\":2}"]);
        assert_eq!(lines.rest().unwrap(), "{\"c\":3}");
        assert_eq!(lines.rest(), None);
    }

    #[test]
    fn refuses_a_line_that_never_ends() {
        let mut lines = Lines::default();
        lines.push(&vec![b'x'; MAX_LINE].into());
        assert_eq!(lines.next_line(), Ok(None));
        lines.push(&Bytes::from_static(b"x"));
        assert_eq!(lines.next_line(), Err(LineTooLong));
    }

    #[test]
    fn refuses_a_whole_line_that_is_too_long() {
        let mut lines = Lines::default();
        lines.push(&[vec![b'x'; MAX_LINE + 1], b"\n".to_vec()].concat().into());
        assert_eq!(lines.next_line(), Err(LineTooLong));
    }
}
