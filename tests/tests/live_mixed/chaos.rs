//! Random pins and unpins through peers of both families, while peers of both are killed and started again at moments
//! that a seed decides. All must agree in the end, and what ours acknowledged must be there.

use crate::{book::Book, number, settled::until_settled_within};
use anyhow::{Context, Result, ensure};
use cluster_client::api_types::PinOptions;
use cluster_testkit::powercut::Dice;
use cluster_tests::mixed::{Family, LIMIT, MixedCluster, MixedPeer, Plan};
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

/// Operations of one seed.
const OPERATIONS: usize = 1000;

/// How long all may take.
#[derive(Clone, Copy)]
struct Limits {
    /// From the last operation until all pinsets are equal.
    quiet: Duration,
    /// From then on until everything is pinned where it should be.
    settle: Duration,
}

/// With heads told again every 5 s.
const SHORT: Limits = Limits { quiet: Duration::from_secs(60), settle: LIMIT };

/// With the intervals of `init`: heads are told again once a minute, and Go's peers try again what failed every 12 minutes.
const USUAL: Limits = Limits { quiet: Duration::from_secs(200), settle: Duration::from_secs(13 * 60) };

/// In how many of a hundred rounds somebody who is down comes back.
const PERCENT_BACK: u64 = 12;

/// Longest time from the begin of a round to a kill in it, in ms.
const LONGEST_MOMENT: u64 = 30;

#[tokio::test]
async fn all_agree_after_random_operations_and_deaths() {
    play_all("CLUSTER_LIVE_SEEDS", &Plan::new(2, 2), SHORT).await;
}

#[tokio::test]
async fn all_agree_with_usual_intervals() {
    play_all("CLUSTER_LIVE_USUAL_SEEDS", &Plan::new(2, 2).usual_intervals(), USUAL).await;
}

/// Plays as many seeds as the variable says.
async fn play_all(count: &str, plan: &Plan, limits: Limits) {
    let first = number("CLUSTER_LIVE_SEED", 1);
    let mut failed = Vec::new();
    for seed in first..first + number(count, 1) {
        let started = Instant::now();
        println!("=== seed {seed}");
        match play(seed, plan, limits).await {
            Ok(true) => println!("=== seed {seed} passed after {} s", started.elapsed().as_secs()),
            Ok(false) => return,
            Err(error) => {
                println!("=== seed {seed} failed: {error:#}");
                failed.push(seed);
            }
        }
    }
    assert!(failed.is_empty(), "failed with CLUSTER_LIVE_SEED={failed:?}");
}

/// Plays one seed; `false` when that is not possible here.
async fn play(seed: u64, plan: &Plan, limits: Limits) -> Result<bool> {
    let Some(cluster) = MixedCluster::start(plan).await? else { return Ok(false) };
    let book = Book::new(cluster.peers.len());
    let mut game = Game { book, cluster, dice: Dice::new(seed), done: 0, fetching: false, limits };
    match game.play().await {
        Ok(()) => Ok(true),
        Err(error) => {
            game.cluster.keep_if_asked();
            let history = game.book.history_of(&format!("{error:#}"));
            Err(error.context(format!("\n{history}")))
        }
    }
}

/// Somebody who dies, and how: with a word (SIGTERM), or in the middle of whatever it does.
///
/// What a Go peer had not synced when it was killed is gone, and it syncs nothing: it comes back as it was at some moment
/// before, in the middle of a walk perhaps, and then what it had not merged at that moment is lost to it for good. (Four
/// Go peers among themselves diverge within a few hundred operations.) So it comes back with an empty state instead, and
/// fetches everything anew.
#[derive(Debug, Clone, Copy)]
struct Victim {
    number: usize,
    orderly: bool,
}

struct Game {
    cluster: MixedCluster,
    book: Book,
    dice: Dice,
    done: usize,
    /// A Go peer came back with an empty state after all last agreed.
    fetching: bool,
    limits: Limits,
}

impl Game {
    async fn play(&mut self) -> Result<()> {
        while self.done < OPERATIONS {
            self.restart_some(PERCENT_BACK).await?;
            let victim = self.choose_victim().await?;
            self.round(victim).await?;
        }
        self.end().await
    }

    /// Brings back who is down, at some time.
    async fn restart_some(&mut self, percent: u64) -> Result<()> {
        for peer in self.cluster.peers.iter_mut().filter(|peer| peer.service.pid().is_none()) {
            if self.dice.chance(percent) {
                peer.start_again().await?;
                self.fetching |= peer.family == Family::Go;
                println!("operation {}: {} is back", self.done, peer.name);
            }
        }
        Ok(())
    }

    /// Decides whether somebody dies in this round: at most one of each family is down at a time.
    async fn choose_victim(&mut self) -> Result<Option<Victim>> {
        for (family, percent) in [(Family::Ours, 3), (Family::Go, 2)] {
            let members = self.cluster.of(family);
            let all_run = members.iter().all(|number| self.cluster.peers[*number].service.pid().is_some());
            if !self.dice.chance(percent) || !all_run {
                continue;
            }
            let number = members[self.dice.index(members.len())];
            if family == Family::Go || self.fetching {
                // One of Go's that dies during a walk never fetches what it had not fetched (wire-protocol §4.11), and
                // one that waits for a block of somebody who is down, or just was, takes no other for two minutes.
                self.restart_some(100).await?;
                self.cluster.until_equal(self.limits.quiet, |_| true).await?;
                self.fetching = false;
            }
            let percent = if family == Family::Go { 60 } else { 30 };
            return Ok(Some(Victim { number, orderly: self.dice.chance(percent) }));
        }
        Ok(None)
    }

    /// One operation through each peer that runs, all at once, and a death among them.
    async fn round(&mut self, victim: Option<Victim>) -> Result<()> {
        if let Some(victim) = victim.filter(|victim| self.cluster.peers[victim.number].family == Family::Go) {
            // Before the round: nothing is on its way to it.
            self.end_peer(victim)?;
        }
        let running: Vec<usize> = (0..self.cluster.peers.len())
            .filter(|n| self.cluster.peers[*n].service.pid().is_some())
            .collect();
        let mut operations = Vec::new();
        for number in running {
            operations.push((number, self.book.draw(number, self.done, &mut self.dice)));
            self.done += 1;
        }
        let moment = Duration::from_millis(self.dice.below(LONGEST_MOMENT));
        let victim = victim.filter(|victim| self.cluster.peers[victim.number].service.pid().is_some());
        let murder = async {
            let Some(Victim { number, orderly: false }) = victim else { return Ok(()) };
            tokio::time::sleep(moment).await;
            let pid = self.cluster.peers[number].service.pid().context("the victim runs")?;
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("a process has a number")?;
            anyhow::Ok(kill_process(pid, Signal::KILL)?)
        };
        let peers = &self.cluster.peers;
        let asked = operations.iter().map(|(number, operation)| async move {
            let (peer, cid) = (&peers[*number], &operation.cid);
            match &operation.name {
                Some(name) => {
                    let factor = operation.factor;
                    let options = PinOptions {
                        name: name.clone(),
                        replication_factor_min: factor,
                        replication_factor_max: factor,
                        ..PinOptions::default()
                    };
                    peer.pin(cid, &options).await.map(drop)
                }
                None => peer.unpin(cid).await,
            }
        });
        let (answers, killed) = tokio::join!(futures_util::future::join_all(asked), murder);
        killed?;
        for ((number, operation), answer) in operations.iter().zip(answers) {
            let is_known = self.book.note(*number, operation, answer.is_ok());
            if let Err(error) = answer
                && victim.is_none()
                && !is_known
            {
                println!("operation: {} {operation:?}: {error:#}", peers[*number].name);
            }
        }
        if let Some(victim) = victim {
            self.end_peer(victim)?;
        }
        Ok(())
    }

    fn end_peer(&mut self, victim: Victim) -> Result<()> {
        let peer = &mut self.cluster.peers[victim.number];
        let how = if victim.orderly { "stopped" } else { "killed" };
        println!("operation {}: {} is {how}", self.done, peer.name);
        if victim.orderly {
            return peer.service.stop();
        }
        peer.service.kill()?;
        if peer.family == Family::Go {
            let cleaned = peer.service.command(&["state", "cleanup", "--force"])?;
            ensure!(cleaned.status.success(), "cleanup: {}", String::from_utf8_lossy(&cleaned.stderr));
        }
        Ok(())
    }

    /// Everybody comes back; then all must agree and come to rest.
    async fn end(&mut self) -> Result<()> {
        self.restart_some(100).await?;
        println!("{} operations, {}", self.done, self.book.summary());
        let pins = self.cluster.until_equal(self.limits.quiet, |_| true).await?;
        ensure!(self.book.acknowledged() * 10 > self.done * 9, "too few operations succeed");
        for number in self.cluster.of(Family::Ours) {
            let lost = self.book.lost(number, &pins);
            ensure!(
                lost.is_empty(),
                "{} lost what it acknowledged: {lost:#?}",
                self.cluster.peers[number].name
            );
        }
        for number in self.cluster.of(Family::Go) {
            // Told, not judged.
            println!("{} lost {:?}", self.cluster.peers[number].name, self.book.lost(number, &pins));
        }
        self.cluster.until_all_see(self.cluster.peers.len()).await?;
        until_settled_within(&self.cluster, self.limits.settle).await?;
        let kubos = &self.cluster.kubos;
        let look = async |peer: &MixedPeer| {
            let held = kubos[peer.kubo].pins("recursive")?;
            let statuses = peer.statuses().await?;
            let id = peer.service.id();
            let wanted = statuses.into_iter().filter(|(_, info)| {
                let status = info.peer_map.as_ref().and_then(|map| map.get(id));
                status.is_some_and(|info| info.status == cluster_client::TrackerStatus::Pinned)
            });
            let mut wanted: Vec<String> = wanted.map(|(cid, _)| cid).collect();
            let mut held: Vec<String> = held.into_iter().filter(|cid| cid.starts_with("bafkqa")).collect();
            wanted.sort();
            held.sort();
            Ok((wanted, held))
        };
        self.cluster
            .converge("Kubos hold what is pinned", LIMIT, look, |seen| seen.iter().all(|(w, h)| w == h))
            .await?;
        self.cluster.stop_and_compare()?;
        Ok(())
    }
}
