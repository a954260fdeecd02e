//! Where the power goes, and what that does.

use super::{dice::Dice, event::Position, recording::Recording};
use std::fmt;

/// What becomes of everything that was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// It is all gone.
    Dropped,
    /// It is all gone, but for one file, which keeps its unsynced writes up to some place inside one of them.
    Torn,
    /// Some of it is there and some is not, by sectors and in no order; lengths may have grown over holes.
    Reordered,
    /// It is all there, as after `kill -9`.
    Nothing,
}

/// When a name in a folder survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameModel {
    /// Only a sync of the folder makes changes of its names durable, and a rename between folders is durable on
    /// each side by itself. What POSIX promises, and less than any usual file system does.
    Strict,
    /// Changes of names are one ordered log: any sync of anything makes all earlier ones durable, and what
    /// survives of the rest is a prefix. What ext4 does with its default options (its flush of a file that is
    /// renamed over another is *not* assumed).
    Ext4Ordered,
}

/// One power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// After which line of the trace.
    pub position: Position,
    /// What is lost.
    pub loss: Loss,
    /// When names survive.
    pub names: NameModel,
    /// Seed of everything else that is chosen.
    pub seed: u64,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "position {}, {:?}, {:?}, seed {}", self.position, self.loss, self.names, self.seed)
    }
}

/// Chooses `count` cuts of a recording by `seed`: a third right at an answer, a third right at or after a sync
/// or a change of names, the rest anywhere. `answers` are the positions of answers.
pub fn choose_cuts(
    recording: &Recording,
    answers: &[Position],
    names: NameModel,
    count: usize,
    seed: u64,
) -> Vec<Cut> {
    let corners = recording.corners();
    let mut cuts = Vec::with_capacity(count);
    for index in 0..count {
        let mut dice = Dice::part(seed, index as u64);
        let loss = [Loss::Dropped, Loss::Torn, Loss::Reordered][index % 3];
        let position = match dice.below(3) {
            0 if !answers.is_empty() => answers[dice.index(answers.len())],
            1 if !corners.is_empty() => corners[dice.index(corners.len())] + dice.below(3),
            _ => 1 + dice.below(recording.last()),
        };
        cuts.push(Cut { position: position.min(recording.last()), loss, names, seed: dice.next_u64() });
    }
    cuts
}
