//! The toy store as a workload.

use super::toy::{Fault, list};
use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum as _;
use cluster_testkit::powercut::{
    Answer, Dice, Direction, Effect, Operation, Recording, Running, State, Workload,
};
use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

/// The toy store, run as a process of its own.
#[derive(Debug)]
pub struct ToyWorkload {
    program: PathBuf,
    fault: Fault,
    requests: usize,
}

impl ToyWorkload {
    /// Takes the program that has the toy in it (this crate's `powercut`), and what shall be wrong with the toy.
    pub fn new(program: PathBuf, fault: Fault, requests: usize) -> Self {
        Self { program, fault, requests }
    }
}

impl Workload for ToyWorkload {
    fn name(&self) -> String {
        format!("toy {:?}", self.fault)
    }

    fn prepare(&self, _root: &Path, _round: usize, _seed: u64) -> Result<State> {
        Ok(State::new())
    }

    fn command(&self, root: &Path) -> Result<Command> {
        let fault = self.fault.to_possible_value().context("a fault without a name")?;
        let mut command = Command::new(&self.program);
        command.arg("toy").arg(root).arg(fault.get_name());
        Ok(command)
    }

    fn drive(&self, program: &mut Running, seed: u64) -> Result<()> {
        let mut dice = Dice::new(seed);
        let mut stdin = program.stdin.take().context("no input")?;
        let mut stdout = BufReader::new(program.stdout.take().context("no output")?);
        let mut line = String::new();
        for index in 0..self.requests {
            let key = format!("key{}", dice.below(40));
            if dice.chance(75) {
                let long = usize::try_from(dice.below(1500))?;
                writeln!(stdin, "put {key} v{index}{}", "x".repeat(long))?;
            } else {
                writeln!(stdin, "remove {key} r{index}")?;
            }
            line.clear();
            stdout.read_line(&mut line)?;
            ensure!(line.trim_end() == format!("ok {key}"), "answer {line:?}");
        }
        Ok(())
    }

    fn operations(&self, recording: &Recording) -> Result<Vec<Operation>> {
        let mut operations = Vec::new();
        let mut waiting = VecDeque::new();
        // A line may come in pieces; it is requested where its first piece was.
        let (mut heard, mut began) = (Vec::new(), None);
        for io in recording.streams() {
            match (io.direction, io.descriptor) {
                (Direction::Read, 0) => {
                    heard.extend(&io.data);
                    let requested = *began.get_or_insert(io.start);
                    while let Some(end) = heard.iter().position(|byte| *byte == b'\n') {
                        let line = String::from_utf8(heard.drain(..=end).collect())?;
                        waiting.push_back(operation(line.trim_end(), requested));
                        began = None;
                    }
                }
                (Direction::Written, 1) => {
                    let done = waiting.pop_front().context("an answer to nothing")?;
                    operations.extend(done.map(|done| Operation { answer: Answer::Done(io.start), ..done }));
                }
                _ => {}
            }
        }
        operations.extend(waiting.into_iter().flatten());
        Ok(operations)
    }

    fn read_back(&self, root: &Path) -> Result<State> {
        list(root, self.fault)
    }
}

fn operation(line: &str, requested: u64) -> Option<Operation> {
    let mut words = line.split(' ');
    let (verb, key, value) = (words.next()?, words.next()?, words.next()?);
    let effect = if verb == "put" { Effect::Put(value.to_owned()) } else { Effect::Remove };
    Some(Operation {
        label: verb.to_owned(),
        key: key.to_owned(),
        effect,
        requested,
        answer: Answer::Unknown,
        needles: vec![line.as_bytes().to_vec()],
    })
}
