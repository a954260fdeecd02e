//! What the program said to its clients and heard from them.

use super::event::Position;

/// Which way bytes went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The program read them.
    Read,
    /// The program wrote them.
    Written,
}

/// One transfer over a pipe or socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamIo {
    /// Where the call began: written bytes may have reached the client from here on.
    pub start: Position,
    /// Where it had returned; `None` when the recording ended before.
    pub end: Option<Position>,
    /// The pipe or socket, as the kernel names it (`socket:[4711]`); unique while it is open.
    pub channel: String,
    /// Number of the descriptor in the program.
    pub descriptor: i64,
    /// Which way.
    pub direction: Direction,
    /// The bytes.
    pub data: Vec<u8>,
}
