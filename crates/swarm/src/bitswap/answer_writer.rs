//! Writes answers to one peer.

use super::{
    answers::make_answers,
    dialect::Dialect,
    exchange::Shared,
    ledger::LedgerInput,
    out_stream::{OutStream, WriteError},
    session::Session,
};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// How often a stream for answers is tried to be opened before what is due is dropped.
const ATTEMPTS: u32 = 4;

/// How long is waited after the first attempt; then twice as long each time.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Answers the wants of a peer until the future is dropped. Only what one call of `make_answers` makes is in
/// memory: the next is made when the peer took it.
pub(super) async fn write_answers(shared: Arc<Shared>, session: Arc<Session>) {
    let mut stream = OutStream::default();
    loop {
        tokio::select! {
            () = session.answers_ready.notified() => {}
            () = stream.lost() => {}
        }
        while shared.ledger_of(&session, |ledger| ledger.has_due(&session.peer)) {
            if !write_due(&shared, &session, &mut stream).await {
                tracing::debug!(target: "bitswap", peer = %session.peer, "the peer does not take its answers");
                shared.note_of_ledger(&session, LedgerInput::Stuck(session.peer));
            }
        }
    }
}

/// Makes and writes some answers; false when the peer does not take them.
async fn write_due(shared: &Arc<Shared>, session: &Arc<Session>, stream: &mut OutStream) -> bool {
    let Some(dialect) = open(shared, session, stream).await else { return false };
    let Ok(permit) = shared.reads.acquire().await else { return false };
    let (for_thread, of_peer) = (Arc::clone(shared), Arc::clone(session));
    let made = tokio::task::spawn_blocking(move || make_answers(&for_thread, &of_peer, dialect)).await;
    drop(permit);
    let Ok(frames) = made else {
        tracing::error!(target: "bitswap", peer = %session.peer, "reading blocks panicked");
        return true;
    };
    for frame in frames {
        let mut written = stream.write(&frame).await;
        // A stream that was good long ago may be dead by now: the second attempt is on a fresh one.
        if written == Err(WriteError::Broken) && open(shared, session, stream).await == Some(dialect) {
            written = stream.write(&frame).await;
        }
        if written.is_err() {
            return false;
        }
        shared.counters.answer_messages_sent.add(1);
    }
    true
}

async fn open(shared: &Shared, session: &Session, stream: &mut OutStream) -> Option<Dialect> {
    for attempt in 0..ATTEMPTS {
        match stream.open(&*shared.opener, session.peer).await {
            Ok(dialect) => return Some(dialect),
            Err(error) => {
                tracing::debug!(target: "bitswap", peer = %session.peer, %error, "no stream for answers");
            }
        }
        sleep(BACK_OFF * 2u32.pow(attempt)).await;
    }
    None
}
