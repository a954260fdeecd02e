//! Frames: how requests and answers lie on a stream.

use cluster_core::ports::raft::MAX_RAFT_MESSAGE;
use futures_util::io::{AsyncRead, AsyncReadExt, BufReader};
use std::io;

/// Bytes of a header.
pub(super) const HEADER: usize = 13;

/// How much room is made before the bytes for it are there: a length alone costs its sender nothing.
const STEP: usize = 64 * 1024;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request.
    Request = 0,
    /// The answer to one.
    Answer = 1,
    /// The request was not looked at: its sender is not a member.
    NotMember = 2,
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of the body.
    pub(super) length: usize,
    /// Number of the request.
    pub(super) number: u64,
    /// What the body is.
    pub(super) kind: Kind,
}

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// The length is above the limit.
    #[error("a message of {0} bytes was announced, at most {MAX_RAFT_MESSAGE} are possible")]
    TooLong(u32),
    /// There is no such kind, or not with a body.
    #[error("a frame of an unknown kind came")]
    UnknownKind,
    /// The stream broke, or ended within a frame.
    #[error("the stream broke: {0}")]
    Broken(#[from] io::Error),
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// [`FrameError::TooLong`], [`FrameError::UnknownKind`].
    pub(super) fn decode(bytes: [u8; HEADER]) -> Result<Self, FrameError> {
        let [l0, l1, l2, l3, number @ .., kind] = bytes;
        let announced = u32::from_be_bytes([l0, l1, l2, l3]);
        let length = usize::try_from(announced).ok().filter(|length| *length <= MAX_RAFT_MESSAGE);
        let length = length.ok_or(FrameError::TooLong(announced))?;
        let kind = match kind {
            0 => Kind::Request,
            1 => Kind::Answer,
            2 if length == 0 => Kind::NotMember,
            _ => return Err(FrameError::UnknownKind),
        };
        Ok(Self { length, number: u64::from_be_bytes(number), kind })
    }
}

/// Appends a frame. The body has at most [`MAX_RAFT_MESSAGE`] bytes.
pub(super) fn write_frame(to: &mut Vec<u8>, number: u64, kind: Kind, body: &[u8]) {
    debug_assert!(body.len() <= MAX_RAFT_MESSAGE);
    to.reserve(HEADER + body.len());
    to.extend_from_slice(&(body.len() as u32).to_be_bytes());
    to.extend_from_slice(&number.to_be_bytes());
    to.push(kind as u8);
    to.extend_from_slice(body);
}

/// Reads frames one by one: a header, then its body.
#[derive(Debug)]
pub(super) struct FrameReader<S> {
    stream: BufReader<S>,
}

impl<S: AsyncRead + Unpin> FrameReader<S> {
    /// Starts to read a stream.
    pub(super) fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Waits, without limit, for the next header; `None` at the end of the stream. The body before was read or skipped.
    ///
    /// # Errors
    /// See [`FrameError`]; the stream is then of no more use.
    pub(super) async fn header(&mut self) -> Result<Option<Header>, FrameError> {
        let mut bytes = [0; HEADER];
        if self.stream.read(&mut bytes[..1]).await? == 0 {
            return Ok(None);
        }
        self.stream.read_exact(&mut bytes[1..]).await?;
        Header::decode(bytes).map(Some)
    }

    /// Reads the body of that length.
    ///
    /// # Errors
    /// As [`FrameReader::header`].
    pub(super) async fn body(&mut self, length: usize) -> Result<Vec<u8>, FrameError> {
        let mut body = Vec::new();
        while body.len() < length {
            let start = body.len();
            body.resize(length.min(start + STEP), 0);
            self.stream.read_exact(&mut body[start..]).await?;
        }
        Ok(body)
    }

    /// Reads over the body of that length.
    ///
    /// # Errors
    /// As [`FrameReader::header`].
    pub(super) async fn skip(&mut self, mut length: usize) -> Result<(), FrameError> {
        let mut waste = [0; 4096];
        while length > 0 {
            let part = waste.len().min(length);
            self.stream.read_exact(&mut waste[..part]).await?;
            length -= part;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
