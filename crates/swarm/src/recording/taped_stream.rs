//! A stream whose bytes are written down.

use super::tape::Tape;
use crate::open_streams::BoxedStream;
use futures_util::io::{AsyncRead, AsyncWrite};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Passes everything on and tells the tape.
pub(super) struct TapedStream {
    pub(super) stream: BoxedStream,
    pub(super) tape: Tape,
    /// Which stream of the tape this is.
    pub(super) number: usize,
}

impl AsyncRead for TapedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(self.stream.as_mut().poll_read(context, buffer))?;
        self.tape.on_received(self.number, &buffer[..count]);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for TapedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(self.stream.as_mut().poll_write(context, bytes))?;
        self.tape.on_sent(self.number, &bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_close(context)
    }
}
