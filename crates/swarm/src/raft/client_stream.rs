//! One stream of ours: requests out, answers in.

use super::{
    FRAME_LIMIT, STALL_LIMIT,
    frame::{FrameError, FrameReader, Header, Kind},
    lane::Lane,
    protocol_of,
};
use crate::open_streams::{OpenError, OpenStreams};
use cluster_core::{
    PeerId,
    ports::raft::{RaftCallError, RaftLane, RaftRefusal},
};
use futures_util::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::{future::Future, io, sync::Arc};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Room kept between two writes; what a large request made it grow to is given back.
const KEPT_CAPACITY: usize = 256 * 1024;

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamEnd {
    #[error(transparent)]
    NotOpened(#[from] OpenError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the stream broke: {0}")]
    Broken(#[from] io::Error),
    #[error("the peer took nothing for {}s", STALL_LIMIT.as_secs())]
    Stalled,
    #[error("an answer took longer than {}s", FRAME_LIMIT.as_secs())]
    Slow,
    #[error("the connection is gone")]
    Gone,
    #[error("the peer closed the stream")]
    Closed,
    #[error("the peer answered what it was not asked")]
    Unasked,
    #[error("the swarm is stopping")]
    Stopping,
}

/// Opens the lane's stream and uses it until it ends.
pub(super) async fn run(
    opener: Arc<dyn OpenStreams>,
    peer: PeerId,
    of: RaftLane,
    lane: Arc<Lane>,
    stop: CancellationToken,
) {
    // Boxed: its state is large, and there is one for each stream, not for each request.
    let using = Box::pin(use_stream(&*opener, peer, of, &lane));
    let end = match stop.run_until_cancelled(using).await {
        Some(Err(end)) => end,
        Some(Ok(never)) => match never {},
        None => StreamEnd::Stopping,
    };
    tracing::debug!(target: "raft", %peer, lane = ?of, %end, "no stream");
    lane.ended(end.to_string(), Instant::now());
}

async fn use_stream(
    opener: &dyn OpenStreams,
    peer: PeerId,
    of: RaftLane,
    lane: &Lane,
) -> Result<std::convert::Infallible, StreamEnd> {
    // From here on, so that none is missed.
    let gone = lane.gone.notified();
    let (_, stream) = opener.open(peer, protocol_of(of)).await?;
    let (read, write) = stream.split();
    tokio::select! {
        end = write_requests(lane, write) => Err(end),
        end = read_answers(lane, read) => Err(end),
        () = gone => Err(StreamEnd::Gone),
    }
}

/// Writes requests until that fails.
async fn write_requests(lane: &Lane, mut stream: impl AsyncWrite + Unpin) -> StreamEnd {
    let mut frames = Vec::new();
    loop {
        lane.fill(&mut frames);
        if frames.is_empty() {
            lane.news.notified().await;
            continue;
        }
        let mut rest = frames.as_slice();
        while !rest.is_empty() {
            match moving(stream.write(rest)).await {
                Ok(0) => return StreamEnd::Broken(io::ErrorKind::WriteZero.into()),
                Ok(taken) => rest = &rest[taken..],
                Err(end) => return end,
            }
        }
        if let Err(end) = moving(stream.flush()).await {
            return end;
        }
        frames.clear();
        frames.shrink_to(KEPT_CAPACITY);
    }
}

/// Waits for one step of writing.
async fn moving<T>(step: impl Future<Output = io::Result<T>>) -> Result<T, StreamEnd> {
    match timeout(STALL_LIMIT, step).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(StreamEnd::Stalled),
    }
}

/// Reads answers until that fails.
pub(super) async fn read_answers(lane: &Lane, stream: impl AsyncRead + Unpin) -> StreamEnd {
    let mut frames = FrameReader::new(stream);
    loop {
        match frames.header().await {
            Ok(Some(header)) => {
                if let Err(end) = read_answer(lane, &mut frames, header).await {
                    return end;
                }
            }
            Ok(None) => return StreamEnd::Closed,
            Err(error) => return error.into(),
        }
    }
}

async fn read_answer<S: AsyncRead + Unpin>(
    lane: &Lane,
    frames: &mut FrameReader<S>,
    Header { length, number, kind }: Header,
) -> Result<(), StreamEnd> {
    // Before the body: nobody makes us take one that was not asked for.
    if kind == Kind::Request || !lane.has(number) {
        return Err(StreamEnd::Unasked);
    }
    let body = timeout(FRAME_LIMIT, frames.body(length)).await.map_err(|_| StreamEnd::Slow)??;
    let result = match kind {
        Kind::NotMember => Err(RaftCallError::Refused(RaftRefusal::NotMember)),
        Kind::Request | Kind::Answer => Ok(body),
    };
    if lane.answer(number, result) { Ok(()) } else { Err(StreamEnd::Unasked) }
}
