//! The tracker and the IPFS daemon of a replica.

use super::super::replica::Job;
use super::{Datastore, Happening, Peer, Replica, Result, World};
use cluster_core::{
    PinKey,
    pinset::{Input, TrackedState, TrackerInput, counters::Counter, read},
    tracker::{Action, JobResult, TrackerCommand, TrackerEvent},
};

/// Time between two looks of the tracker at the clock.
const TICK: u64 = 500;

impl Replica {
    /// Lets the IPFS daemon have done what it was asked for.
    pub(super) fn have_done(&mut self, key: &PinKey, job: &Job) {
        match (job.action, &job.pin) {
            (Action::Pin, Some(pin)) => self.ipfs.pin(pin),
            (Action::Unpin, _) => self.ipfs.unpin(key),
            (Action::Pin, None) | (Action::Check, _) => {}
        }
    }
}

impl World {
    /// Gives the tracker events and carries out what it wants.
    pub(super) fn tell_tracker(&mut self, peer: Peer, events: Vec<TrackerEvent>) -> Result<()> {
        for event in events {
            let now = self.now;
            let replica = &mut self.replicas[peer];
            let view = replica.store.snapshot()?;
            let Some(process) = &mut replica.process else { return Ok(()) };
            let mut commands = Vec::new();
            process.tracker.handle(event, now, &*view, &mut commands)?;
            drop(view);
            for command in commands {
                self.carry_out(peer, command)?;
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, peer: Peer, command: TrackerCommand) -> Result<()> {
        self.say(peer, || format!("tracker: {command:?}"));
        match command {
            TrackerCommand::Start(job) => {
                let wait = if self.chance.permille(150) {
                    self.chance.within(500..6000)
                } else {
                    self.chance.within(1..300)
                };
                let replica = &mut self.replicas[peer];
                let life = replica.life;
                let pin = match job.action {
                    Action::Pin => read::pin(&*replica.store.snapshot()?, &job.key)?.map(|(pin, _)| pin),
                    Action::Unpin | Action::Check => None,
                };
                if let Some(process) = &mut replica.process {
                    let asked = Job { action: job.action, pin, cancelled: false };
                    process.jobs.insert((job.key.clone(), job.revision), asked);
                }
                let (key, revision, action) = (job.key, job.revision, job.action);
                self.plan_in(wait, peer, Happening::JobEnd { life, key, revision, action });
            }
            TrackerCommand::Cancel { key, revision } => {
                let process = self.replicas[peer].process.as_mut();
                if let Some(job) = process.and_then(|process| process.jobs.get_mut(&(key, revision))) {
                    job.cancelled = true;
                }
            }
            TrackerCommand::Transition(input) => {
                let life = self.replicas[peer].life;
                let at = self.through_pipe(peer);
                self.queue.plan(at, peer, Happening::Transition { life, input });
            }
        }
        Ok(())
    }

    pub(super) fn on_transition(&mut self, peer: Peer, input: TrackerInput) -> Result<()> {
        let now = self.now;
        // What a broken writer drops is settled by the look at all rows once it works again.
        let Some(process) = self.replicas[peer].working() else { return Ok(()) };
        process.writer.stage(Input::Tracker(input), now);
        self.plan_commit(peer, 20);
        Ok(())
    }

    pub(super) fn on_job_end(
        &mut self,
        peer: Peer,
        key: PinKey,
        revision: u64,
        action: Action,
    ) -> Result<()> {
        let (fails, half_done) = (self.chance.permille(self.faults.failed_jobs), self.chance.permille(500));
        let random = self.chance.any();
        let replica = &mut self.replicas[peer];
        let Some(process) = &mut replica.process else { return Ok(()) };
        let Some(job) = process.jobs.remove(&(key.clone(), revision)) else { return Ok(()) };
        let result = match action {
            _ if job.cancelled => JobResult::Cancelled,
            _ if fails => JobResult::Failed("the daemon says no".to_owned()),
            Action::Check if !replica.ipfs.pinned().contains_key(&key) => JobResult::Missing,
            Action::Pin | Action::Unpin | Action::Check => JobResult::Done { size: 1 },
        };
        let text = format!("job {action:?} {key} of revision {revision} ends: {result:?}");
        self.say(peer, || text);
        let replica = &mut self.replicas[peer];
        let done = match &result {
            JobResult::Done { .. } => true,
            // What was given up or failed may have happened all the same.
            JobResult::Cancelled | JobResult::Failed(_) => half_done,
            JobResult::Missing => false,
        };
        if done {
            replica.have_done(&key, &job);
        }
        self.tell_tracker(peer, vec![TrackerEvent::Finished { key, revision, result, random }])
    }

    pub(super) fn on_tracker_tick(&mut self, peer: Peer) -> Result<()> {
        let life = self.replicas[peer].life;
        let Some(process) = &self.replicas[peer].process else { return Ok(()) };
        let pinned = process.writer.counters().get(Counter::State(TrackedState::Pinned));
        self.plan_in(TICK, peer, Happening::TrackerTick { life });
        self.tell_tracker(peer, vec![TrackerEvent::Tick { pinned }])
    }
}
