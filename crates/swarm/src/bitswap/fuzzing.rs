//! The exchange of blocks, for the fuzzer.

use super::{
    dialect::Dialect,
    frame::FrameReader,
    message::{MAX_MESSAGE, Message},
};
use futures_util::{FutureExt, future::ready, io::Cursor};

/// Reads a stream of messages, each after its length; and the same bytes as a message of their own.
pub(crate) fn messages(bytes: &[u8]) {
    one(bytes);
    let mut reader = FrameReader::new(Cursor::new(bytes));
    thread_local! {
        static RUNTIME: Option<tokio::runtime::Runtime> =
            tokio::runtime::Builder::new_current_thread().enable_time().build().ok();
    }
    let read = async {
        while let Ok(Some((frame, ()))) = reader.next(|_| ready(())).await {
            one(&frame);
        }
    };
    RUNTIME.with(|runtime| runtime.as_ref().map(|runtime| runtime.block_on(read.fuse())));
}

fn one(bytes: &[u8]) {
    let Ok(mut message) = Message::decode(bytes) else { return };
    (message.foreign, message.skipped) = (0, 0);
    let frame = message.encode(Dialect::Current);
    // The length in front: seven bits a byte.
    let start = frame.iter().take_while(|byte| **byte >= 0x80).count() + 1;
    let body = frame.get(start..).unwrap_or_default();
    // Blocks without the envelope take less.
    if body.len() <= MAX_MESSAGE {
        assert_eq!(Message::decode(body).as_ref(), Ok(&message));
    }
    for dialect in [Dialect::Oldest, Dialect::Current] {
        assert!(!message.encode(dialect).is_empty());
    }
}
