//! Recordings, cuts and checks, one after the other, and what came out.

use super::{
    cut::{Cut, Loss, NameModel, choose_cuts},
    dice::Dice,
    disk::Disk,
    judge::{State, judge},
    operation::{Answer, Operation},
    recorder::Recorder,
    recording::Recording,
    sync_proof::prove_syncs,
    workload::Workload,
};
use anyhow::{Context as _, Result};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Failures that a summary shows.
const SHOWN: usize = 12;

/// How much of what.
#[derive(Debug, Clone)]
pub struct CampaignOptions {
    /// Disks to rebuild, over all recordings.
    pub disks: usize,
    /// Recordings to make them from.
    pub recordings: usize,
    /// Seed of everything.
    pub seed: u64,
    /// When names survive.
    pub names: NameModel,
    /// Where recordings with a failure are kept.
    pub keep: PathBuf,
}

/// What a campaign found.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// The workload.
    pub name: String,
    /// Seed of everything.
    pub seed: u64,
    /// Recordings made, each of them equal to the real folder.
    pub recordings: usize,
    /// Recorded changes of the folders.
    pub events: usize,
    /// Operations seen.
    pub operations: usize,
    /// Operations that were acknowledged.
    pub acknowledged: usize,
    /// Acknowledged operations with a sync between their own bytes and the answer.
    pub proven: usize,
    /// Acknowledged operations with some write and sync before the answer.
    pub weak: usize,
    /// Disks rebuilt.
    pub cuts: usize,
    /// Disks the program started on.
    pub reopened: usize,
    /// Sum over all disks of the operations that had been acknowledged before the cut.
    pub checked: usize,
    /// Keys that were not as they may be, over all disks.
    pub lost: usize,
    /// Time under load while recording.
    pub load_time: Duration,
    /// Every failure, in words.
    pub failures: Vec<String>,
}

impl Summary {
    /// Says whether everything held.
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: power cuts: seed {}, {} recordings ({} changes), {} operations, {} acknowledged, {} with a proven \
             sync before the answer ({} by time only), {} cuts, {} reopened, {} acknowledgements checked, lost = {}",
            self.name,
            self.seed,
            self.recordings,
            self.events,
            self.operations,
            self.acknowledged,
            self.proven,
            self.weak,
            self.cuts,
            self.reopened,
            self.checked,
            self.lost
        )?;
        for failure in self.failures.iter().take(SHOWN) {
            write!(f, "\n  FAILED {failure}")?;
        }
        match self.failures.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// Cuts the power of a workload, many times.
pub struct Campaign<'a> {
    workload: &'a dyn Workload,
    options: CampaignOptions,
    summary: Summary,
}

impl<'a> Campaign<'a> {
    /// Makes a campaign.
    pub fn new(workload: &'a dyn Workload, options: CampaignOptions) -> Self {
        let summary = Summary { name: workload.name(), seed: options.seed, ..Summary::default() };
        Self { workload, options, summary }
    }

    /// Records, cuts and checks.
    ///
    /// # Errors
    /// When something prevents the check itself; what the check finds is in the summary.
    pub fn run(mut self) -> Result<Summary> {
        let recordings = self.options.recordings.clamp(1, self.options.disks.max(1));
        for round in 0..recordings {
            let disks =
                self.options.disks / recordings + usize::from(round < self.options.disks % recordings);
            let scratch = tempfile::tempdir()?;
            let scratch_path = scratch.path().canonicalize()?;
            let before = self.summary.failures.len();
            let outcome = self.round(&scratch_path, round, disks);
            if outcome.is_err() || self.summary.failures.len() > before {
                let kept = self.keep(&scratch_path, round)?;
                let note = format!("recording {round} is kept in {}", kept.display());
                outcome.with_context(|| note.clone())?;
                self.summary.failures.push(note);
            }
        }
        Ok(self.summary)
    }

    /// Repeats the cuts of a kept recording: `disks` of them, or only number `only`.
    ///
    /// # Errors
    /// As [`Campaign::run`].
    pub fn replay(mut self, kept: &Path, round: usize, only: Option<usize>) -> Result<Summary> {
        let recording = Recording::load(&kept.join("recording"))?;
        let initial = fs::read(kept.join("initial")).context("the kept state before")?;
        let initial = decode_state(&String::from_utf8(initial)?);
        let scratch = tempfile::tempdir()?;
        self.cut(&recording, &initial, scratch.path(), round, self.options.disks, only)?;
        Ok(self.summary)
    }

    fn round(&mut self, scratch: &Path, round: usize, disks: usize) -> Result<()> {
        let seed = Dice::part(self.options.seed, round as u64).next_u64();
        let (root, folder) = (scratch.join("data"), scratch.join("recording"));
        fs::create_dir_all(&root)?;
        let initial = self.workload.prepare(&root, round, seed).context("preparing the folder")?;
        fs::write(scratch.join("initial"), encode_state(&initial))?;
        let mut program = Recorder::start(&folder, &root, &self.workload.command(&root)?)?;
        let began = Instant::now();
        let driven = self.workload.drive(&mut program, seed);
        self.summary.load_time += began.elapsed();
        driven.with_context(|| format!("under load; the program says: {}", program.errors()))?;
        program.stop()?;
        let recording = Recording::load(&folder)?;
        recording.verify(&root, &scratch.join("verify"))?;
        fs::remove_dir_all(scratch.join("verify"))?;
        self.cut(&recording, &initial, scratch, round, disks, None)
    }

    fn cut(
        &mut self,
        recording: &Recording,
        initial: &State,
        scratch: &Path,
        round: usize,
        disks: usize,
        only: Option<usize>,
    ) -> Result<()> {
        let operations = self.workload.operations(recording)?;
        let answers: Vec<u64> = operations
            .iter()
            .filter_map(|operation| match operation.answer {
                Answer::Done(at) => Some(at),
                _ => None,
            })
            .collect();
        anyhow::ensure!(!answers.is_empty(), "no operation was acknowledged");
        self.summary.recordings += 1;
        self.summary.events += recording.events().len();
        self.summary.operations += operations.len();
        self.summary.acknowledged += answers.len();
        let proof = prove_syncs(recording, &operations);
        self.summary.proven += proof.proven;
        self.summary.weak += proof.weak;
        let missing = proof.missing.len();
        if let Some(first) = proof.missing.first() {
            let text = format!("{missing} answers without a sync before them; the first: {first}");
            self.summary.failures.push(text);
        }
        let seed = Dice::part(self.options.seed, round as u64).next_u64();
        let cuts = choose_cuts(recording, &answers, self.options.names, disks, seed);
        for (index, cut) in
            cuts.iter().enumerate().filter(|(index, _)| only.is_none_or(|only| only == *index))
        {
            let disk = scratch.join(format!("disk-{index}"));
            let found = self.check(recording, initial, &operations, cut, &disk)?;
            if let Err(detail) = found {
                let mut text = format!("recording {round}, disk {index} ({cut}): {detail}");
                let mut names = Disk::open_names(recording, cut);
                let hidden = names.len().saturating_sub(SHOWN);
                names.truncate(SHOWN);
                text.push_str(&format!("\n    names not synced: {} (and {hidden} more)", names.join(" ")));
                if cut.names == NameModel::Strict && cut.loss != Loss::Nothing {
                    let ordered = Cut { names: NameModel::Ext4Ordered, ..*cut };
                    let path = scratch.join(format!("disk-{index}-ordered"));
                    let mut other = Campaign::new(self.workload, self.options.clone());
                    let held = other.check(recording, initial, &operations, &ordered, &path)?.is_ok();
                    let what = if held { "holds" } else { "fails too" };
                    text.push_str(&format!("\n    the same cut with ext4's order of names {what}"));
                }
                self.summary.failures.push(text);
            }
        }
        Ok(())
    }

    /// Rebuilds one disk, starts the program on it and compares. The inner error is what is wrong with the disk.
    fn check(
        &mut self,
        recording: &Recording,
        initial: &State,
        operations: &[Operation],
        cut: &Cut,
        path: &Path,
    ) -> Result<Result<(), String>> {
        Disk::after(recording, cut).write(path)?;
        self.summary.cuts += 1;
        let found = match self.workload.read_back(path) {
            Ok(found) => found,
            Err(error) => return Ok(Err(format!("cannot be read back: {error:#}"))),
        };
        self.summary.reopened += 1;
        let acknowledged =
            operations.iter().filter(|operation| operation.acknowledged_by(cut.position).is_some());
        self.summary.checked += acknowledged.count();
        let violations = judge(initial, operations, cut.position, &found);
        self.summary.lost += violations.len();
        if let Some(first) = violations.first() {
            return Ok(Err(format!("{} keys are wrong; the first: {first}", violations.len())));
        }
        fs::remove_dir_all(path)?;
        Ok(Ok(()))
    }

    fn keep(&self, scratch: &Path, round: usize) -> Result<PathBuf> {
        let name = format!("{}-{}-{round}", self.summary.name.replace([' ', '/'], "-"), self.options.seed);
        let kept = self.options.keep.join(name);
        if kept.exists() {
            fs::remove_dir_all(&kept)?;
        }
        super::base::copy(scratch, &kept)?;
        Ok(kept)
    }
}

fn encode_state(state: &State) -> String {
    state.iter().map(|(key, value)| format!("{key}\t{value}\n")).collect()
}

fn decode_state(text: &str) -> State {
    let pairs = text.lines().filter_map(|line| line.split_once('\t'));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
