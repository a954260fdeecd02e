//! The body of an answer, together with what must happen when it has been sent or given up.

use crate::{access_log::AccessLog, connections::Busy, ndjson, rest_metrics::Measured, traced::Traced};
use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Keeps the connection marked as busy and counts bytes for the access log until it is dropped.
#[derive(Debug)]
pub(crate) struct ReplyBody {
    pub(crate) inner: Body,
    pub(crate) log: Option<Box<AccessLog>>,
    pub(crate) measured: Option<Measured>,
    /// Ends when the body does.
    pub(crate) _traced: Traced,
    pub(crate) busy: Busy,
    /// The client speaks HTTP/1.1 and did not ask for trailers.
    pub(crate) unasked_trailers: bool,
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.busy.ask();
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.busy.offer();
            let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
            if let Some(log) = &mut self.log {
                log.bytes += bytes;
            }
            if let Some(measured) = &mut self.measured {
                measured.bytes += bytes;
            }
        }
        if self.unasked_trailers
            && let Some(Ok(frame)) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            self.busy.activity().trailers().put(ndjson::trailer_lines(trailers));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
