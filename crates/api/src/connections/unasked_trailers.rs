//! Trailers for clients that did not say `TE: trailers` (api §3.2).
//!
//! The reference sends them to everyone and its client asks for none, while the HTTP layer drops those that nobody
//! asked for. So they join the bytes below it, in front of the empty line that ends a chunked body.

use bytes::{Buf, Bytes};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::io::AsyncWrite;

/// How a chunked body ends when the HTTP layer writes no trailers.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The line end after the trailers.
const EMPTY_LINE: usize = 2;

/// The trailers that the present answer of a connection still lacks.
#[derive(Debug, Default)]
pub(crate) struct UnaskedTrailers(Mutex<Option<Bytes>>);

impl UnaskedTrailers {
    /// Forgets what an earlier answer left.
    pub(crate) fn clear(&self) {
        self.set(None);
    }

    /// Sets whole lines; they go out with the end of the body, which follows.
    pub(crate) fn put(&self, lines: Bytes) {
        self.set(Some(lines));
    }

    fn set(&self, lines: Option<Bytes>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = lines;
    }

    /// Hands the trailers out when `bytes`, everything the HTTP layer has to write, ends with the end of a body.
    ///
    /// A line of JSON never ends like one, so a chunk that merely fills the buffer is not taken for it.
    pub(super) fn insertion(&self, bytes: &[u8]) -> Option<Insertion> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_none() || !bytes.ends_with(LAST_CHUNK) {
            return None;
        }
        waiting.take().map(|lines| Insertion { ahead: bytes.len() - EMPTY_LINE, lines })
    }
}

/// Lines on their way into what the HTTP layer writes.
#[derive(Debug)]
pub(super) struct Insertion {
    /// Bytes of the HTTP layer that go before them.
    ahead: usize,
    /// What is left of them.
    lines: Bytes,
}

impl Insertion {
    /// Says whether nothing is left.
    pub(super) fn is_done(&self) -> bool {
        self.lines.is_empty()
    }

    /// Writes on; returns how many of the HTTP layer's own bytes went out, as `poll_write` does.
    pub(super) fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        out: &mut W,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let Some((before, after)) = bytes.split_at_checked(self.ahead) else {
                let written = ready!(Pin::new(&mut *out).poll_write(cx, bytes))?;
                self.ahead -= written;
                return Poll::Ready(Ok(written));
            };
            let slices = [IoSlice::new(before), IoSlice::new(&self.lines), IoSlice::new(after)];
            let written = ready!(Pin::new(&mut *out).poll_write_vectored(cx, &slices))?;
            let of_before = written.min(before.len());
            let of_lines = (written - of_before).min(self.lines.len());
            self.ahead -= of_before;
            self.lines.advance(of_lines);
            // Nothing of the HTTP layer's would mean to it that the stream is closed.
            if written == 0 || written > of_lines {
                return Poll::Ready(Ok(written - of_lines));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// Takes so many bytes a call.
    struct Narrow(usize, Vec<u8>);

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.0);
            self.1.extend_from_slice(&bytes[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            self.poll_write(cx, &bytes)
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn lines_stand_before_the_last_line_end_however_little_the_client_takes() {
        let bytes = b"3\r\n{}\n\r\n0\r\n\r\n";
        for width in 1..40 {
            let trailers = UnaskedTrailers::default();
            assert!(trailers.insertion(bytes).is_none());
            trailers.put(Bytes::from_static(b"X-A: b\r\n"));
            assert!(trailers.insertion(&bytes[..8]).is_none(), "the body has not ended");
            let mut insertion = trailers.insertion(bytes).unwrap();
            assert!(trailers.insertion(bytes).is_none());
            let (mut out, mut at) = (Narrow(width, Vec::new()), 0);
            let mut cx = Context::from_waker(Waker::noop());
            while !insertion.is_done() {
                match insertion.poll_write(&mut out, &mut cx, &bytes[at..]) {
                    Poll::Ready(Ok(written)) if written > 0 => at += written,
                    other => panic!("{width}: {other:?}"),
                }
            }
            out.1.extend_from_slice(&bytes[at..]);
            assert_eq!(
                String::from_utf8(out.1).unwrap(),
                "3\r\n{}\n\r\n0\r\nX-A: b\r\n\r\n",
                "{width} bytes a call"
            );
        }
    }
}
