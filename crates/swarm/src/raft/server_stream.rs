//! One stream of another member: requests in, answers out.

use super::{
    FRAME_LIMIT, MAX_IN_FLIGHT, STALL_LIMIT,
    frame::{FrameError, FrameReader, Header, Kind},
    max_in_flight_bytes,
    outbox::Outbox,
    server::RaftDrops,
};
use crate::open_streams::BoxedStream;
use cluster_core::{
    PeerId,
    ports::{
        BoxFuture, RaftAnswers,
        raft::{MAX_RAFT_MESSAGE, RaftLane, RaftRefusal},
    },
};
use futures_util::{
    StreamExt,
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    stream::FuturesUnordered,
};
use std::{io, sync::Arc, task::Poll};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};

/// Why a stream is served no further.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServeError {
    /// What came is no request.
    #[error(transparent)]
    Garbage(FrameError),
    /// The number of a request is not above the one before.
    #[error("the numbers of requests do not ascend")]
    OutOfOrder,
    /// A request did not end in time.
    #[error("a request took longer than {}s", FRAME_LIMIT.as_secs())]
    Slow,
    /// The peer does not take its answers.
    #[error("the peer took no answer for {}s", STALL_LIMIT.as_secs())]
    Stalled,
    /// The stream broke.
    #[error("the stream broke: {0}")]
    Broken(io::Error),
    /// An answer of this peer is longer than can be sent.
    #[error("an answer has {bytes} bytes, at most {MAX_RAFT_MESSAGE} are possible")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
}

impl From<FrameError> for ServeError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Broken(error) => Self::Broken(error),
            garbage => Self::Garbage(garbage),
        }
    }
}

impl From<io::Error> for ServeError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut { Self::Stalled } else { Self::Broken(error) }
    }
}

/// Room that a request takes until its answer was written.
#[derive(Debug)]
struct Room {
    _place: OwnedSemaphorePermit,
    _bytes: Option<OwnedSemaphorePermit>,
}

/// A request that is answered.
struct Done {
    number: u64,
    answer: Result<Vec<u8>, RaftRefusal>,
    room: Room,
}

/// A request after the first look at its answer.
enum Job<'a> {
    Done(Done),
    Running(BoxFuture<'a, Done>),
}

/// Answers the requests of a stream until the peer closes it. Then nobody waits for answers any more: a peer that has had
/// enough drops the stream as a whole.
///
/// # Cancel safety
/// Dropping the future resets the stream and drops what is being answered.
pub(super) async fn serve(
    answers: &dyn RaftAnswers,
    from: PeerId,
    lane: RaftLane,
    stream: BoxedStream,
    drops: &RaftDrops,
) -> Result<(), ServeError> {
    let (read, write) = stream.split();
    // Never full: every job has a place.
    let (jobs, accepted) = mpsc::channel(MAX_IN_FLIGHT);
    let bytes = Arc::new(Semaphore::new(max_in_flight_bytes(lane)));
    let reading = read_requests(answers, from, bytes, read, jobs, drops);
    tokio::select! {
        end = reading => end,
        end = write_answers(accepted, write) => end,
    }
}

/// Hands requests over in order, as many at a time as there is room for.
async fn read_requests<'a>(
    answers: &'a dyn RaftAnswers,
    from: PeerId,
    bytes: Arc<Semaphore>,
    stream: impl AsyncRead + Unpin,
    jobs: mpsc::Sender<Job<'a>>,
    drops: &RaftDrops,
) -> Result<(), ServeError> {
    let places = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    let mut frames = FrameReader::new(stream);
    let mut last = 0;
    while let Some(Header { length, number, kind }) = frames.header().await? {
        if kind != Kind::Request {
            return Err(ServeError::Garbage(FrameError::UnknownKind));
        }
        if number <= last {
            return Err(ServeError::OutOfOrder);
        }
        last = number;
        let Some(place) = take(&places, 1).await else { return Ok(()) };
        let job = match answers.admit(&from) {
            Ok(()) => {
                let Some(bytes) = take(&bytes, length).await else { return Ok(()) };
                let room = Room { _place: place, _bytes: Some(bytes) };
                let request = in_time(frames.body(length)).await?;
                let mut answering: BoxFuture<'a, Done> = Box::pin(async move {
                    Done { number, answer: Ok(answers.answer(from, request).await), room }
                });
                match futures_util::poll!(answering.as_mut()) {
                    Poll::Ready(done) => Job::Done(done),
                    Poll::Pending => Job::Running(answering),
                }
            }
            Err(refusal) => {
                drops.note_refused();
                in_time(frames.skip(length)).await?;
                let room = Room { _place: place, _bytes: None };
                Job::Done(Done { number, answer: Err(refusal), room })
            }
        };
        if jobs.send(job).await.is_err() {
            // The other half has ended, and says why.
            return Ok(());
        }
    }
    Ok(())
}

async fn take(of: &Arc<Semaphore>, count: usize) -> Option<OwnedSemaphorePermit> {
    // Lengths are bounded, and nobody closes the semaphore.
    of.clone().acquire_many_owned(u32::try_from(count).ok()?).await.ok()
}

async fn in_time<T>(work: impl Future<Output = Result<T, FrameError>>) -> Result<T, ServeError> {
    Ok(timeout(FRAME_LIMIT, work).await.map_err(|_| ServeError::Slow)??)
}

/// Writes answers as they come; while the peer takes none, the work on others goes on until there is enough to write.
async fn write_answers(
    mut jobs: mpsc::Receiver<Job<'_>>,
    mut stream: impl AsyncWrite + Unpin,
) -> Result<(), ServeError> {
    let mut running = FuturesUnordered::new();
    let mut outbox = Outbox::new();
    loop {
        tokio::select! {
            biased;
            Some(done) = running.next(), if outbox.has_room() => push(&mut outbox, done)?,
            job = jobs.recv(), if outbox.has_room() => match job {
                Some(Job::Done(done)) => push(&mut outbox, done)?,
                Some(Job::Running(answering)) => running.push(answering),
                // The other half has ended, and says why.
                None => return Ok(()),
            },
            moved = outbox.advance(&mut stream), if !outbox.is_idle() => moved?,
        }
    }
}

fn push(outbox: &mut Outbox<Room>, Done { number, answer, room }: Done) -> Result<(), ServeError> {
    match answer {
        Ok(answer) if answer.len() > MAX_RAFT_MESSAGE => {
            tracing::error!(target: "raft", bytes = answer.len(), "an answer is too long to be sent");
            return Err(ServeError::TooLong { bytes: answer.len() });
        }
        Ok(answer) => outbox.push(number, Kind::Answer, &answer, room),
        Err(RaftRefusal::NotMember) => outbox.push(number, Kind::NotMember, &[], room),
    }
    Ok(())
}
