//! What a program must offer to be cut.

use super::{judge::State, operation::Operation, recorder::Running, recording::Recording};
use std::{path::Path, process::Command};

/// A program with a folder, operations on keys, and a way to read all of them back.
pub trait Workload {
    /// Names it in reports.
    fn name(&self) -> String;

    /// Makes the folder `root` ready for the first start, and returns the state it then holds. Everything it
    /// leaves there counts as durable. `round` numbers the recordings of a campaign, so that some can begin with
    /// a folder that was in use.
    ///
    /// # Errors
    /// When the folder cannot be made.
    fn prepare(&self, root: &Path, round: usize, seed: u64) -> anyhow::Result<State>;

    /// Returns the command that runs the program on `root`; its input and output are piped.
    ///
    /// # Errors
    /// When it cannot be made, for instance because no port is free.
    fn command(&self, root: &Path) -> anyhow::Result<Command>;

    /// Puts load on the running program and waits for the answers.
    ///
    /// # Errors
    /// When the program does not do its work.
    fn drive(&self, program: &mut Running, seed: u64) -> anyhow::Result<()>;

    /// Reads the operations and their answers out of the recorded talk.
    ///
    /// # Errors
    /// When the talk makes no sense.
    fn operations(&self, recording: &Recording) -> anyhow::Result<Vec<Operation>>;

    /// Starts the program on a rebuilt `root`, reads everything it holds, and checks what else must be right.
    ///
    /// # Errors
    /// When it does not start or something is wrong; the text goes into the report.
    fn read_back(&self, root: &Path) -> anyhow::Result<State>;
}
