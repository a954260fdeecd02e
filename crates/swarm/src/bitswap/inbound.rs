//! Reads the messages of one inbound stream.

use super::{
    exchange::Shared,
    fields::Malformed,
    frame::{FrameError, FrameReader},
    ledger::LedgerInput,
    message::Message,
    session::Session,
    want_list::WantInput,
};
use crate::open_streams::BoxedStream;
use futures_util::io::AsyncWriteExt;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Size of messages, in bytes, up to which they are decoded and hashed right here, and need no permit for their
/// bytes.
const SMALL: usize = 64 * 1024;

/// How long a peer may take to notice that we are done with its stream.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
enum InboundError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Reads messages until the peer closes the stream, or does what it must not.
pub(super) async fn read_stream(
    shared: Arc<Shared>,
    session: Arc<Session>,
    stream: BoxedStream,
    permit: OwnedSemaphorePermit,
) {
    let mut reader = FrameReader::new(stream);
    match read_messages(&shared, &session, &mut reader).await {
        Ok(()) => {
            let _ = timeout(CLOSE_DEADLINE, reader.into_inner().close()).await;
        }
        Err(error) => {
            match error {
                InboundError::Frame(FrameError::Slow) => shared.counters.streams_slow.add(1),
                InboundError::Frame(FrameError::TooLong) | InboundError::Malformed(_) => {
                    shared.counters.streams_garbage.add(1);
                }
                InboundError::Frame(FrameError::Broken(_)) => {}
            }
            tracing::debug!(target: "bitswap", peer = %session.peer, %error, "an inbound stream ended");
        }
    }
    drop(permit);
}

async fn read_messages(
    shared: &Shared,
    session: &Session,
    reader: &mut FrameReader<BoxedStream>,
) -> Result<(), InboundError> {
    while let Some((frame, _room)) = reader.next(|length| room(shared, session, length)).await? {
        let message = if frame.len() <= SMALL {
            Message::decode(&frame)?
        } else {
            let decoded = tokio::task::spawn_blocking(move || Message::decode(&frame)).await;
            decoded.unwrap_or(Err(Malformed("decoding panicked")))?
        };
        on_message(shared, session, message);
    }
    Ok(())
}

/// Waits until the bytes of a message have room, the peer's own share first.
async fn room(
    shared: &Shared,
    session: &Session,
    length: usize,
) -> Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)> {
    let length = u32::try_from(length).ok().filter(|length| *length as usize > SMALL)?;
    let of = |semaphore: &Arc<Semaphore>| Arc::clone(semaphore).acquire_many_owned(length);
    let of_peer = of(&session.bytes).await.ok()?;
    Some((of_peer, of(&shared.inbound_bytes).await.ok()?))
}

fn on_message(shared: &Shared, session: &Session, message: Message) {
    let peer = session.peer;
    shared.counters.blocks_foreign.add(message.foreign);
    shared.counters.entries_skipped.add(message.skipped);
    shared.note_of_wants(session, WantInput::Heard(peer));
    if !message.blocks.is_empty() {
        shared.on_blocks(session, message.blocks);
    }
    for (cid, have) in message.presences {
        shared.note_of_wants(session, WantInput::Presence { peer, cid, have });
    }
    if message.full || !message.wants.is_empty() {
        let wants = LedgerInput::Wants { peer, full: message.full, wants: &message.wants };
        shared.note_of_ledger(session, wants);
    }
}
