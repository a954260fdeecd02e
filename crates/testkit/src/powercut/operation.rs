//! Operations of a workload, as its client or the trace saw them.

use super::event::Position;

/// What an operation does to a key when it takes effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The key is there with this value.
    Put(String),
    /// The key is gone.
    Remove,
}

/// How an operation was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The program said that it is done, at this position.
    Done(Position),
    /// The program said that nothing changed, at this position.
    Refused(Position),
    /// There was no answer, or one that leaves it open.
    Unknown,
}

/// One operation on one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What it is called in reports.
    pub label: String,
    /// The key.
    pub key: String,
    /// What it does.
    pub effect: Effect,
    /// Where the request began to arrive.
    pub requested: Position,
    /// The answer.
    pub answer: Answer,
    /// Byte strings that are written to the disk for this operation, each of them within one file.
    pub needles: Vec<Vec<u8>>,
}

impl Operation {
    /// Returns where the operation was acknowledged, if that was at `cut` or before.
    pub fn acknowledged_by(&self, cut: Position) -> Option<Position> {
        match self.answer {
            Answer::Done(at) if at <= cut => Some(at),
            _ => None,
        }
    }
}
