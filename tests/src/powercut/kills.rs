//! `kill -9` under load: the same oracle, with the answers as the clients saw them.

use super::{
    load::{CLIENTS, Clock, Done, Plan, work},
    peer::PeerProgram,
};
use anyhow::{Context as _, Result, ensure};
use cluster_testkit::powercut::{Dice, Operation, State, judge};
use std::{
    fmt,
    path::Path,
    time::{Duration, Instant},
};

/// Kills of one folder before a new one is made.
const KILLS_PER_FOLDER: usize = 20;
/// The most acknowledged operations to wait for before a kill.
const MOST_BEFORE: u64 = 400;
/// How long they may take.
const LOAD_LIMIT: Duration = Duration::from_secs(120);

/// How often, and which seed.
#[derive(Debug, Clone)]
pub struct KillOptions {
    /// Kills.
    pub kills: usize,
    /// Seed of everything.
    pub seed: u64,
}

/// What the kills found.
#[derive(Debug, Clone, Default)]
pub struct KillSummary {
    /// The workload.
    pub name: String,
    /// Seed of everything.
    pub seed: u64,
    /// Kills done.
    pub kills: usize,
    /// Operations sent.
    pub operations: usize,
    /// Operations that were acknowledged before a kill.
    pub acknowledged: usize,
    /// Folders the peer started on again.
    pub reopened: usize,
    /// Keys that were not as they may be.
    pub lost: usize,
    /// Every failure, in words.
    pub failures: Vec<String>,
}

impl fmt::Display for KillSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, seed, kills, operations, acknowledged, reopened, lost, failures } = self;
        write!(
            f,
            "{name}: kill -9: seed {seed}, {kills} kills, {operations} operations, {acknowledged} acknowledged, \
             {reopened} reopened, lost = {lost}"
        )?;
        for failure in failures {
            write!(f, "\n  FAILED {failure}")?;
        }
        Ok(())
    }
}

/// Kills a peer again and again while 16 clients work, and checks after each kill what it still knows.
///
/// # Errors
/// When something prevents the check itself; what it finds is in the summary.
pub fn kill_often(program: &PeerProgram, options: &KillOptions) -> Result<KillSummary> {
    let mut summary = KillSummary { name: program.name(), seed: options.seed, ..KillSummary::default() };
    while summary.kills < options.kills && summary.failures.is_empty() {
        let folder = tempfile::tempdir()?;
        program.init(folder.path())?;
        let plans = (0..CLIENTS).map(|client| {
            let part = summary.kills * CLIENTS + client;
            Plan::new(options.seed, part)
        });
        let mut plans: Vec<Plan> = plans.collect();
        let mut state = State::new();
        for _ in 0..KILLS_PER_FOLDER.min(options.kills - summary.kills) {
            let mut dice = Dice::part(options.seed, summary.kills as u64);
            let after = 1 + dice.below(MOST_BEFORE);
            let (operations, end) = one_kill(program, folder.path(), &mut plans, after)?;
            summary.kills += 1;
            summary.operations += operations.len();
            let acknowledged = operations.iter().filter(|operation| operation.acknowledged_by(end).is_some());
            summary.acknowledged += acknowledged.count();
            let place = format!("kill {} (after {after} answers, seed {})", summary.kills, options.seed);
            let found = match program.read_back(folder.path(), dice.chance(50)) {
                Ok(found) => found,
                Err(error) => {
                    let kept = folder.keep();
                    summary.failures.push(format!("{place}: {error:#}; the folder is {}", kept.display()));
                    return Ok(summary);
                }
            };
            summary.reopened += 1;
            let violations = judge(&state, &operations, end, &found);
            summary.lost += violations.len();
            summary.failures.extend(violations.first().map(|first| format!("{place}: {first}")));
            state = found;
        }
    }
    Ok(summary)
}

/// Starts the peer, puts load on it, kills it after so many answers. Returns all operations and the last moment.
fn one_kill(
    program: &PeerProgram,
    root: &Path,
    plans: &mut [Plan],
    after: u64,
) -> Result<(Vec<Operation>, u64)> {
    let mut peer = program.start(root).context("before a kill")?;
    let (clock, port) = (Clock::default(), peer.port());
    let done: Result<Vec<Done>> = std::thread::scope(|scope| {
        let clock = &clock;
        let start = |plan| scope.spawn(move || work(port, plan, usize::MAX, clock));
        let threads: Vec<_> = plans.iter_mut().map(start).collect();
        let deadline = Instant::now() + LOAD_LIMIT;
        while (clock.acknowledged() as u64) < after && Instant::now() < deadline {
            std::thread::sleep(Duration::from_micros(200));
        }
        let acknowledged = clock.acknowledged() as u64;
        peer.kill()?;
        let done: Vec<Done> = threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a client panicked")))
            .collect::<Result<_>>()?;
        ensure!(acknowledged >= after, "only {acknowledged} of {after} answers in {LOAD_LIMIT:?}");
        Ok(done)
    });
    let operations = done?.into_iter().flat_map(|(operations, _)| operations).collect();
    Ok((operations, clock.tick()))
}
