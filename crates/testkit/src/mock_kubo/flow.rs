//! A streamed body, piece by piece, to whatever end its script says.

use super::{
    End, OpenCall, Shared, Step,
    answer::{Piece, list, perform},
    request::Call,
    server::error_object,
};
use bytes::Bytes;
use hyper::{
    HeaderMap,
    body::Frame,
    header::{HeaderName, HeaderValue},
};
use std::{io, sync::Arc, vec};

/// The trailer of errors that come after the head.
const STREAM_ERROR: HeaderName = HeaderName::from_static("x-stream-error");

/// A body under way.
pub(crate) struct Flow {
    call: Call,
    progress: vec::IntoIter<Step>,
    end: End,
    at: At,
    /// Counts the call as under way until the body is dropped.
    _open: OpenCall,
    shared: Arc<Shared>,
}

enum At {
    Progress,
    /// Within a listing, after this CID.
    Listing(Box<str>),
    /// The last object is said; what follows is the end itself.
    Last,
    Over,
}

type Piecewise = Option<Result<Frame<Bytes>, io::Error>>;

impl Flow {
    pub(crate) fn new(
        call: Call,
        progress: Vec<Step>,
        end: End,
        open: OpenCall,
        shared: Arc<Shared>,
    ) -> Self {
        Self { call, progress: progress.into_iter(), end, at: At::Progress, _open: open, shared }
    }

    /// Makes the next piece; `None` is the proper end.
    pub(crate) async fn next(&mut self) -> Piecewise {
        match std::mem::replace(&mut self.at, At::Over) {
            At::Progress => match self.progress.next() {
                Some(step) => {
                    self.at = At::Progress;
                    tokio::time::sleep(step.after).await;
                    text(progress_line(step))
                }
                None => self.finish(None).await,
            },
            At::Listing(after) => self.finish(Some(after)).await,
            At::Last => self.close().await,
            At::Over => None,
        }
    }

    /// Says what Kubo would say after the progress, as far as the end allows.
    async fn finish(&mut self, after: Option<Box<str>>) -> Piecewise {
        let listing = self.call.endpoint.is_listing();
        let says_all = matches!(self.end, End::Proper);
        let says_own = matches!(self.end, End::Endless(_));
        if says_own || (!listing && !says_all && self.end != End::HalfObject) {
            return self.close().await;
        }
        if let End::Hang | End::Break | End::Trailer(_) | End::ErrorLine(_) | End::Early = self.end
            && after.is_some()
        {
            return self.close().await;
        }
        let said = match &after {
            Some(after) => Ok(list(&self.call, Some(after), &self.shared.state())),
            None => perform(&self.call, &mut self.shared.state()),
        };
        match said {
            Ok(Piece { text: said, next: Some(next) }) if says_all => {
                self.at = At::Listing(next);
                text(said)
            }
            Ok(Piece { text: said, .. }) => {
                self.at = At::Last;
                match self.end {
                    End::Proper => text(said),
                    // Cuts within the last object.
                    End::HalfObject => text(said[..said.len().saturating_sub(6)].to_owned()),
                    _ => {
                        // The first half, to the end of a line.
                        let half = said[..said.len() / 2].rfind('\n').map_or(0, |at| at + 1);
                        text(said[..half].to_owned())
                    }
                }
            }
            Err(message) => trailer(&message),
        }
    }

    async fn close(&mut self) -> Piecewise {
        match std::mem::take(&mut self.end) {
            End::Proper | End::Early | End::HalfObject | End::Status(..) => None,
            End::Hang => std::future::pending().await,
            End::Error(message) | End::Trailer(message) => trailer(&message),
            End::ErrorLine(message) => text(error_object(&message)),
            End::Break => {
                // Lets the server send what was said before.
                tokio::task::yield_now().await;
                Some(Err(io::Error::other("told to break")))
            }
            End::Garbage(bytes) => Some(Ok(Frame::data(bytes.into()))),
            End::Endless(bytes) => {
                self.at = At::Last;
                self.end = End::Endless(bytes.clone());
                // Lets everything else go on.
                tokio::task::yield_now().await;
                Some(Ok(Frame::data(bytes)))
            }
        }
    }
}

fn text(text: String) -> Piecewise {
    Some(Ok(Frame::data(text.into())))
}

fn trailer(message: &str) -> Piecewise {
    let value = HeaderValue::from_str(message).unwrap_or(HeaderValue::from_static("unprintable"));
    Some(Ok(Frame::trailers(HeaderMap::from_iter([(STREAM_ERROR, value)]))))
}

/// Kubo leaves zeros out.
fn progress_line(step: Step) -> String {
    let blocks = (step.blocks > 0).then(|| format!("\"Progress\":{}", step.blocks));
    let bytes = step.bytes.filter(|b| *b > 0).map(|b| format!("\"Bytes\":{b}"));
    let fields: Vec<String> = blocks.into_iter().chain(bytes).collect();
    format!("{{{}}}\n", fields.join(","))
}
