//! Tells one peer what is wanted of it.

use super::{
    exchange::Shared,
    message::{Ask, Message, Want},
    out_stream::OutStream,
    session::Session,
    want_list::WantInput,
};
use crate::open_streams::OpenError;
use std::sync::Arc;

/// Most entries of one message; what is left goes into the next.
const MAX_ENTRIES: usize = 1024;

/// Writes wants and cancels to a peer until the future is dropped.
pub(super) async fn write_wants(shared: Arc<Shared>, session: Arc<Session>) {
    let mut stream = OutStream::default();
    loop {
        tokio::select! {
            () = session.wants_ready.notified() => {}
            () = stream.lost() => shared.note_of_wants(&session, WantInput::StreamLost(session.peer)),
        }
        while shared.has_news(&session) {
            write_next(&shared, &session, &mut stream).await;
        }
    }
}

async fn write_next(shared: &Shared, session: &Session, stream: &mut OutStream) {
    let dialect = match stream.open(&*shared.opener, session.peer).await {
        Ok(dialect) => dialect,
        Err(OpenError::Unsupported(_)) => {
            return shared.note_of_wants(session, WantInput::Unsupported(session.peer));
        }
        Err(error) => {
            tracing::debug!(target: "bitswap", peer = %session.peer, %error, "no stream for wants");
            return shared.note_of_wants(session, WantInput::Unreachable(session.peer));
        }
    };
    let wants = shared.take_news(session, MAX_ENTRIES);
    let priorities = (1..=i32::MAX).rev();
    let wants = wants.into_iter().zip(priorities).map(|((cid, ask), priority)| match ask {
        Ask::Cancel => Want { cid, ask, priority: 0, dont_have: false },
        Ask::Block | Ask::Have => Want { cid, ask, priority, dont_have: true },
    });
    let message = Message { wants: wants.collect(), ..Message::default() };
    match stream.write(&message.encode(dialect)).await {
        Ok(()) => shared.counters.want_messages_sent.add(1),
        Err(error) => {
            tracing::debug!(target: "bitswap", peer = %session.peer, %error, "wants were not written");
            shared.note_of_wants(session, WantInput::StreamLost(session.peer));
        }
    }
}
