//! Answers on their way to the stream.

use super::{
    STALL_LIMIT, WRITE_SIZE,
    frame::{Kind, write_frame},
};
use futures_util::io::{AsyncWrite, AsyncWriteExt};
use std::io;
use tokio::time::{Instant, timeout_at};

/// Room kept between two writes.
const KEPT_CAPACITY: usize = 256 * 1024;

/// Frames to be written, and what is given back once they are: room for further requests.
#[derive(Debug)]
pub(super) struct Outbox<R> {
    /// What is being written, and how far.
    current: Batch<R>,
    written: usize,
    flushed: bool,
    /// What follows.
    next: Batch<R>,
    /// When the other side last took something, or had nothing to take.
    moved: Instant,
}

#[derive(Debug)]
struct Batch<R> {
    bytes: Vec<u8>,
    rooms: Vec<R>,
}

impl<R> Batch<R> {
    const EMPTY: Self = Self { bytes: Vec::new(), rooms: Vec::new() };
}

impl<R> Outbox<R> {
    pub(super) fn new() -> Self {
        Self { current: Batch::EMPTY, written: 0, flushed: true, next: Batch::EMPTY, moved: Instant::now() }
    }

    /// Adds a frame.
    pub(super) fn push(&mut self, number: u64, kind: Kind, body: &[u8], room: R) {
        if self.is_idle() {
            self.moved = Instant::now();
        }
        write_frame(&mut self.next.bytes, number, kind, body);
        self.next.rooms.push(room);
    }

    /// Says whether another frame may come.
    pub(super) fn has_room(&self) -> bool {
        self.next.bytes.len() < WRITE_SIZE
    }

    /// Says whether all was written and seen off.
    pub(super) fn is_idle(&self) -> bool {
        self.flushed && self.current.bytes.is_empty() && self.next.bytes.is_empty()
    }

    /// Writes some of the bytes; sees them off when nothing is left to write.
    ///
    /// # Errors
    /// When the stream breaks, or the other side takes nothing for [`STALL_LIMIT`] ([`io::ErrorKind::TimedOut`]).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn advance(&mut self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let limit = self.moved + STALL_LIMIT;
        timeout_at(limit, self.step(stream)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        self.moved = Instant::now();
        Ok(())
    }

    async fn step(&mut self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        if self.current.bytes.is_empty() {
            std::mem::swap(&mut self.current, &mut self.next);
        }
        if self.current.bytes.is_empty() {
            stream.flush().await?;
            self.flushed = true;
            return Ok(());
        }
        self.flushed = false;
        let taken = stream.write(&self.current.bytes[self.written..]).await?;
        if taken == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.written += taken;
        if self.written == self.current.bytes.len() {
            self.current.bytes.clear();
            self.current.bytes.shrink_to(KEPT_CAPACITY);
            self.current.rooms.clear();
            self.written = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::io::Cursor;

    #[tokio::test]
    async fn room_comes_back_with_the_bytes_and_what_follows_is_bounded() {
        let mut outbox = Outbox::new();
        let room = std::sync::Arc::new(());
        let body = vec![7; WRITE_SIZE];
        outbox.push(1, Kind::Answer, &body, room.clone());
        assert!(!outbox.has_room() && !outbox.is_idle());
        let mut little = [0; 100];
        let mut stream = Cursor::new(&mut little[..]);
        outbox.advance(&mut stream).await.unwrap();
        assert!(outbox.has_room(), "what is being written stands in nobody's way");
        outbox.push(2, Kind::Answer, &[], room.clone());
        assert_eq!(std::sync::Arc::strong_count(&room), 3);
        let mut stream = Cursor::new(Vec::new());
        while !outbox.is_idle() {
            outbox.advance(&mut stream).await.unwrap();
        }
        assert_eq!(std::sync::Arc::strong_count(&room), 1);
        let mut expected = Vec::new();
        write_frame(&mut expected, 1, Kind::Answer, &body);
        write_frame(&mut expected, 2, Kind::Answer, &[]);
        assert_eq!(stream.into_inner(), expected[100..]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_takes_nothing_is_waited_for_only_so_long_whatever_happens_meanwhile() {
        let (near, _far) = tokio::io::duplex(16);
        let mut stream = tokio_util::compat::TokioAsyncReadCompatExt::compat(near);
        let mut outbox = Outbox::new();
        outbox.push(1, Kind::Answer, &[0; 100], ());
        outbox.advance(&mut stream).await.unwrap();
        let began = Instant::now();
        let error = loop {
            // Other work comes in between all the time.
            tokio::select! {
                moved = outbox.advance(&mut stream) => break moved.unwrap_err(),
                () = tokio::time::sleep(STALL_LIMIT / 7) => {}
            }
        };
        assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, STALL_LIMIT));
    }
}
