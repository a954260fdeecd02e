//! The faults: kills and partitions, one after the other and at once.

use super::{
    cluster::Cluster,
    doors::Doors,
    election::{Reign, Watch},
    storm::StormOptions,
    summary::StormSummary,
};
use anyhow::Result;
use cluster_testkit::powercut::Dice;
use std::time::{Duration, Instant};

/// Election time-outs within which there must be a new leader.
pub(super) const BOUND: u32 = 3;
/// Election time-outs after which one that comes is not waited for any longer.
const PATIENCE: u32 = 20;
/// How long a fault waits for a leader that can be replaced, if it does.
const SETTLING: Duration = Duration::from_secs(8);
/// Time between looks at what is due.
const POLL: Duration = Duration::from_millis(5);

/// Who makes the faults.
pub(super) struct Nemesis<'a> {
    cluster: &'a mut Cluster,
    doors: &'a Doors,
    watch: Watch<'a>,
    dice: Dice,
    options: &'a StormOptions,
    /// When each peer that is down is started again.
    returns: Vec<Option<Instant>>,
    heals: Option<Instant>,
    began: Instant,
}

impl<'a> Nemesis<'a> {
    pub(super) fn new(cluster: &'a mut Cluster, doors: &'a Doors, options: &'a StormOptions) -> Self {
        let returns = vec![None; cluster.peers.len()];
        Self {
            cluster,
            doors,
            watch: Watch::new(doors),
            dice: Dice::part(options.seed, 1),
            options,
            returns,
            heals: None,
            began: Instant::now(),
        }
    }

    /// Makes all faults, then heals everything.
    ///
    /// # Errors
    /// When a peer ends of itself, or the system refuses.
    pub(super) fn rage(mut self, summary: &mut StormSummary) -> Result<()> {
        let (mut kills, mut partitions) = (self.options.kills, self.options.partitions);
        if !self.cluster.has_machines() {
            partitions = 0;
        }
        while kills + partitions > 0 {
            self.pause(50, 1000)?;
            // Begins with what has to be seen at least once.
            let is_first = summary.elections.is_empty();
            if self.dice.chance(60) || is_first {
                self.settle()?;
            }
            let before = self.watch.reign(self.cluster);
            let began = Instant::now();
            if self.dice.below((kills + partitions) as u64) < partitions as u64 && (!is_first || kills == 0) {
                if self.cluster.is_parted() {
                    continue;
                }
                self.part(before.as_ref())?;
                partitions -= 1;
                summary.partitions += 1;
            } else {
                let killed = self.kill(before.as_ref(), kills, is_first)?;
                kills -= killed;
                summary.kills += killed;
                if killed == 0 {
                    continue;
                }
            }
            if let Some(before) = before {
                self.observe(&before, began, is_first, summary)?;
            }
        }
        while self.heals.is_some() || self.returns.iter().any(Option::is_some) {
            self.tick()?;
        }
        Ok(())
    }

    /// Kills one peer or, rarely, all of them; returns how many. None when too many would be down.
    fn kill(&mut self, before: Option<&Reign>, most: usize, is_first: bool) -> Result<usize> {
        let count = self.cluster.peers.len();
        let running: Vec<usize> = (0..count).filter(|peer| self.cluster.runs(*peer)).collect();
        let is_bold = self.dice.chance(8);
        if running.is_empty() || (running.len() <= count / 2 + 1 && !is_bold) {
            return Ok(0);
        }
        let leader = before.map(|reign| reign.leader);
        let victims = match leader {
            Some(leader) if is_first => vec![leader],
            _ if self.dice.chance(3) && running.len() <= most => running,
            Some(leader) if self.dice.chance(50) => vec![leader],
            _ => vec![running[self.dice.index(running.len())]],
        };
        for peer in &victims {
            self.cluster.peers[*peer].kill()?;
            self.doors.killed(*peer);
            let pause = Duration::from_millis(20 + self.dice.below(2500));
            self.returns[*peer] = Some(Instant::now() + pause);
        }
        self.say(format_args!("killed {victims:?}, the leader was {leader:?}"));
        Ok(victims.len())
    }

    /// Parts the machines, for a while.
    fn part(&mut self, before: Option<&Reign>) -> Result<()> {
        let count = self.cluster.peers.len();
        let mut is_right: Vec<bool> = Vec::new();
        while is_right.iter().all(|right| *right) || is_right.iter().all(|right| !*right) {
            is_right = (0..count).map(|_| self.dice.chance(50)).collect();
        }
        self.cluster.part(is_right.clone())?;
        self.heals = Some(Instant::now() + Duration::from_millis(300 + self.dice.below(6000)));
        let leader = before.map(|reign| reign.leader);
        self.say(format_args!("parted {is_right:?}, the leader was {leader:?}"));
        Ok(())
    }

    /// Waits for the new leader where there has to be one, if the next fault is not to hit in between.
    fn observe(
        &mut self,
        before: &Reign,
        began: Instant,
        is_first: bool,
        summary: &mut StormSummary,
    ) -> Result<()> {
        let Some(left) = self.watch.bereaved(self.cluster, before) else { return Ok(()) };
        if self.dice.chance(20) && !is_first {
            summary.interrupted += 1;
            self.say(format_args!("the next fault does not wait for a leader of {left:?}"));
            return self.pause(0, 800);
        }
        let timeout = self.options.election_timeout;
        let until = began + timeout * PATIENCE;
        match self.watch.until_led(self.cluster, before, &left, until) {
            Some(at) => {
                let took = at - began;
                self.say(format_args!("led again after {took:?}, {left:?} were left"));
                if took > timeout * BOUND {
                    let place = format!("{left:?} of term {} at {:?}", before.term, self.began.elapsed());
                    summary.failures.push(format!("a new leader after {took:?} only: {place}"));
                }
                summary.elections.push(took);
            }
            None => {
                let place = format!("{left:?} of term {} at {:?}", before.term, self.began.elapsed());
                let waited = timeout * PATIENCE;
                summary.failures.push(format!("no new leader within {waited:?}: {place}"));
                summary.elections.push(waited);
            }
        }
        Ok(())
    }

    /// Waits a while for a leader whose followers are a majority without it: only then its loss must lead to a new one.
    fn settle(&mut self) -> Result<()> {
        let until = Instant::now() + SETTLING;
        let majority = self.cluster.peers.len() / 2 + 1;
        while Instant::now() < until
            && self.watch.reign(self.cluster).is_none_or(|reign| reign.followers.len() < majority)
        {
            self.pause(10, 30)?;
        }
        Ok(())
    }

    /// Lets a random time pass, in milliseconds.
    fn pause(&mut self, least: u64, most: u64) -> Result<()> {
        let until = Instant::now() + Duration::from_millis(least + self.dice.below(most - least));
        while Instant::now() < until {
            self.tick()?;
        }
        Ok(())
    }

    /// Does what is due, and waits a little.
    fn tick(&mut self) -> Result<()> {
        let now = Instant::now();
        for peer in 0..self.returns.len() {
            if self.returns[peer].is_some_and(|at| at <= now) {
                self.returns[peer] = None;
                self.cluster.peers[peer].launch()?;
                self.say(format_args!("started {peer}"));
            }
        }
        if self.heals.is_some_and(|at| at <= now) {
            self.heals = None;
            self.cluster.heal()?;
            self.say(format_args!("healed"));
        }
        self.cluster.check_running()?;
        std::thread::sleep(POLL);
        Ok(())
    }

    fn say(&self, what: std::fmt::Arguments<'_>) {
        if self.options.is_verbose {
            println!("{:>8.3} {what}", self.began.elapsed().as_secs_f64());
        }
    }
}
