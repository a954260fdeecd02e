//! Makes the messages that answer what a peer wants. Reads the store: runs on a thread that may block.

use super::{
    dag_links::dag_links,
    dialect::Dialect,
    exchange::Shared,
    ledger::{Due, LedgerInput},
    message::{MAX_BLOCK, Message},
    read_ahead::MAX_STRIDE_BYTES,
    session::Session,
};
use cid::Cid;
use std::collections::VecDeque;

/// Size of blocks, in bytes, up to which the block is the answer to a question whether it is here.
const MAX_UNASKED: usize = 1024;

/// Size of a message, in bytes, beyond which no further block is put into it.
const MAX_ANSWER: usize = 512 * 1024;

/// Wants that are answered at once, before the messages are written.
const MAX_ANSWERED: usize = 1024;

/// Bytes read from the store beyond which no further want is answered before the messages are written: blocks are
/// also read to tell that they are there.
const MAX_READ: usize = 4 * 1024 * 1024;

/// Messages in the making. In memory are at most [`MAX_ANSWER`] bytes, one block beyond, and what is sent ahead.
#[derive(Default)]
struct Answers {
    messages: Vec<Message>,
    /// Bytes of the blocks of the last message.
    last: usize,
    /// Bytes of the blocks of all messages.
    bytes: usize,
    /// Bytes of the blocks that were read for wants.
    read: usize,
}

impl Answers {
    fn current(&mut self) -> &mut Message {
        if self.messages.is_empty() {
            self.messages.push(Message::default());
        }
        let last = self.messages.len() - 1;
        &mut self.messages[last]
    }

    fn put_block(&mut self, cid: Cid, data: Vec<u8>) {
        let length = Message::block_len(&data);
        if self.last > 0 && self.last + length > MAX_ANSWER {
            self.messages.push(Message::default());
            self.last = 0;
        }
        self.last += length;
        self.bytes += length;
        self.current().blocks.push((cid, data));
    }
}

/// Answers the wants that are due to a peer, as many as are good for one go; returns framed messages.
pub(super) fn make_answers(shared: &Shared, session: &Session, dialect: Dialect) -> Vec<Vec<u8>> {
    let mut answers = Answers::default();
    for _ in 0..MAX_ANSWERED {
        if answers.bytes >= MAX_ANSWER || answers.read >= MAX_READ {
            break;
        }
        let next = shared.ledger_of(session, |ledger| ledger.next(&session.peer));
        let Some((cid, due)) = next else { break };
        answer(shared, session, dialect, cid, due, &mut answers);
    }
    shared.note_of_ledger(session, LedgerInput::Answered(session.peer));
    answers.messages.iter().map(|message| message.encode(dialect)).collect()
}

fn answer(shared: &Shared, session: &Session, dialect: Dialect, cid: Cid, due: Due, answers: &mut Answers) {
    let Some(data) = shared.source.block(&cid).filter(|data| data.len() <= MAX_BLOCK) else {
        if due.dont_have && dialect == Dialect::Current {
            answers.current().presences.push((cid, false));
        }
        return;
    };
    answers.read += data.len();
    shared.ledger_of(session, |ledger| ledger.on_found(&session.peer, &cid));
    if !due.block && data.len() > MAX_UNASKED {
        if dialect == Dialect::Current {
            answers.current().presences.push((cid, true));
        }
        return;
    }
    let links = if session.is_ours() { dag_links(&data) } else { Vec::new() };
    answers.put_block(cid, data);
    shared.counters.blocks_sent.add(1);
    if session.is_ours() {
        send_ahead(shared, session, cid, links, answers);
    }
}

/// Adds the blocks that a walk of the peer asks for next, breadth first, as it would ask for them.
fn send_ahead(shared: &Shared, session: &Session, cid: Cid, links: Vec<Cid>, answers: &mut Answers) {
    let mut blocks = shared.read_ahead(session, |ahead| ahead.on_answer(cid));
    let mut bytes = MAX_STRIDE_BYTES;
    let mut frontier = VecDeque::from(links);
    while blocks > 0
        && let Some(link) = frontier.pop_front()
    {
        if shared.read_ahead(session, |ahead| ahead.was_sent(&link)) {
            continue;
        }
        let Some(data) = shared.source.block(&link) else { continue };
        let length = Message::block_len(&data);
        if length > bytes {
            frontier.push_front(link);
            break;
        }
        bytes -= length;
        blocks -= 1;
        shared.read_ahead(session, |ahead| ahead.on_sent(link));
        frontier.extend(dag_links(&data));
        answers.put_block(link, data);
        shared.counters.blocks_sent_ahead.add(1);
    }
    shared.read_ahead(session, |ahead| ahead.expect(frontier));
}
