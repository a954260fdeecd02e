//! Random pins and unpins through peers of both families, while peers of both are killed and started again at moments
//! that a seed decides. All must agree in the end, and what ours acknowledged must be there.

use crate::{book::Book, number, settled::until_settled};
use anyhow::{Context, Result, ensure};
use cluster_client::api_types::PinOptions;
use cluster_testkit::powercut::Dice;
use cluster_tests::mixed::{Family, LIMIT, MixedCluster, MixedPeer, Plan};
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

/// Operations of one seed.
const OPERATIONS: usize = 1000;

/// How long all may take to agree after the last operation.
const QUIET: Duration = Duration::from_secs(60);

/// Longest time from the begin of a round to a kill in it, in ms.
const LONGEST_MOMENT: u64 = 30;

#[tokio::test]
async fn random_operations_and_deaths_end_in_agreement() {
    let first = number("CLUSTER_LIVE_SEED", 1);
    let mut failed = Vec::new();
    for seed in first..first + number("CLUSTER_LIVE_SEEDS", 1) {
        let started = Instant::now();
        println!("=== seed {seed}");
        match play(seed).await {
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
async fn play(seed: u64) -> Result<bool> {
    let Some(cluster) = MixedCluster::start(&Plan::new(2, 2)).await? else { return Ok(false) };
    let mut game = Game { book: Book::new(cluster.peers.len()), cluster, dice: Dice::new(seed), done: 0 };
    while game.done < OPERATIONS {
        game.restart_some().await?;
        let victim = game.choose_victim().await?;
        game.round(victim).await?;
    }
    game.end().await?;
    Ok(true)
}

/// Somebody who dies, and how.
#[derive(Debug, Clone, Copy)]
struct Victim {
    number: usize,
    /// With a word (SIGTERM), or in the middle of whatever it does.
    orderly: bool,
}

struct Game {
    cluster: MixedCluster,
    book: Book,
    dice: Dice,
    done: usize,
}

impl Game {
    /// Brings back who is down, at some time.
    async fn restart_some(&mut self) -> Result<()> {
        for peer in self.cluster.peers.iter_mut().filter(|peer| peer.service.pid().is_none()) {
            if self.dice.chance(12) {
                peer.start_again().await?;
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
            if family == Family::Go {
                // One of Go's that dies during a walk never fetches what it had not fetched (wire-protocol §4.11).
                self.cluster.until_equal(QUIET, |_| true).await?;
            }
            return Ok(Some(Victim { number, orderly: self.dice.chance(30) }));
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
        if victim.orderly { peer.service.stop() } else { peer.service.kill() }
    }

    /// Everybody comes back; then all must agree and come to rest.
    async fn end(mut self) -> Result<()> {
        for peer in self.cluster.peers.iter_mut().filter(|peer| peer.service.pid().is_none()) {
            peer.start_again().await?;
        }
        println!("{} operations, {}", self.done, self.book.summary());
        let pins = self.cluster.until_equal(QUIET, |_| true).await?;
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
            // Go syncs nothing before it answers: told, not judged.
            println!("{} lost {:?}", self.cluster.peers[number].name, self.book.lost(number, &pins));
        }
        self.cluster.until_all_see(self.cluster.peers.len()).await?;
        until_settled(&self.cluster).await?;
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
