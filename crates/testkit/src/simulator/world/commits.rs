//! Commits, and what the oracle makes of them.

use super::{
    BlockContent, Context, Datastore, EngineInput, Happening, Item, Name, Peer, Result, Tree, World, ensure,
};
use cluster_consensus::crdt::CrdtOutput;
use cluster_core::{
    pinset::{Outcome, Ticket, stored_pin},
    ports::{consensus::SubmitError, datastore::Cursor},
    tracker::TrackerEvent,
};
use cluster_datastore::FailMode;
use std::collections::BTreeMap;

impl World {
    pub(super) fn on_commit(&mut self, peer: Peer) -> Result<()> {
        let now = self.now;
        let fails = self.chance.permille(self.faults.failed_commits);
        let mode = match self.chance.index(3) {
            0 => FailMode::Refused,
            1 => FailMode::Unknown { survives: false },
            _ => FailMode::Unknown { survives: true },
        };
        let replica = &mut self.replicas[peer];
        let Some(process) = replica.process.as_mut().filter(|process| !process.broken) else { return Ok(()) };
        if process.writer.deadline().is_none() {
            return Ok(());
        }
        if fails && replica.armed.is_none() {
            replica.armed = Some(mode);
            replica.store.fail_next_commit(mode);
        }
        let items = std::mem::take(&mut process.items);
        match process.writer.commit(now) {
            Ok(committed) => {
                let is_hollow = process.writer.is_stale();
                let mut outcomes: BTreeMap<Ticket, Outcome> = committed.outcomes.into_iter().collect();
                let events = committed.signals.into_iter().map(TrackerEvent::Signal).collect();
                if is_hollow {
                    self.on_failed_commit(peer, items, &mut outcomes)?;
                    return self.tell_engine(peer, EngineInput::Committed(committed.outputs));
                }
                let own = committed.outputs.iter().filter_map(|output| match output {
                    CrdtOutput::Announce(id) => Some(id.0),
                    _ => None,
                });
                let own: Vec<Name> = own.collect();
                self.note_durable(peer, items, &mut outcomes, own)?;
                self.compare_shown(peer)?;
                self.tell_tracker(peer, events)?;
                self.tell_engine(peer, EngineInput::Committed(committed.outputs))
            }
            Err(failed) => {
                ensure!(replica.armed.is_some(), "a commit failed by itself: {}", failed.error);
                let mut outcomes = failed.outcomes.into_iter().collect();
                self.on_failed_commit(peer, items, &mut outcomes)
            }
        }
    }

    fn on_failed_commit(
        &mut self,
        peer: Peer,
        items: Vec<Item>,
        outcomes: &mut BTreeMap<Ticket, Outcome>,
    ) -> Result<()> {
        self.summary.failed_commits += 1;
        let replica = &mut self.replicas[peer];
        let mode = replica.armed.take();
        let text = format!("fails to commit {} inputs: {mode:?}", items.len());
        let life = replica.life;
        if let Some(process) = &mut replica.process {
            process.broken = true;
        }
        let mut clients = Vec::new();
        for item in &items {
            if let Item::Request { ticket, request, .. } = item {
                match outcomes.get(ticket) {
                    // A refusal stands.
                    Some(Outcome::Submit(Err(SubmitError::Rejected(_)))) => {}
                    Some(Outcome::Submit(Err(_))) => clients.push(request.clone()),
                    other => anyhow::bail!("the commit failed, but a client is told {other:?}"),
                }
            }
        }
        let has_requests = items.iter().any(|item| matches!(item, Item::Request { .. }));
        if mode == Some(FailMode::Unknown { survives: true }) {
            replica.survivor = Some(items);
        }
        self.say(peer, || text);
        if has_requests {
            self.compare_shown(peer).context("an operation whose batch is not flushed")?;
        }
        clients.into_iter().for_each(|request| self.repeat_later(peer, request));
        let wait = self.chance.within(20..1500);
        self.plan_in(wait, peer, Happening::Recover { life });
        Ok(())
    }

    pub(super) fn on_recover(&mut self, peer: Peer) -> Result<()> {
        let replica = &mut self.replicas[peer];
        let Some(process) = replica.process.as_mut().filter(|process| process.broken) else { return Ok(()) };
        process.writer.recover()?;
        process.broken = false;
        let survivor = replica.survivor.take();
        self.say(peer, || format!("recovers; a batch survived: {}", survivor.is_some()));
        if let Some(items) = survivor {
            self.note_survivor(peer, items)?;
        }
        self.compare_shown(peer).context("after a recovery")?;
        self.tell_tracker(peer, vec![TrackerEvent::Resync])?;
        self.tell_engine(peer, EngineInput::CommitFailed)
    }

    /// Notes a batch of which nobody knew whether it is durable, and that turned out to be.
    pub(super) fn note_survivor(&mut self, peer: Peer, items: Vec<Item>) -> Result<()> {
        let replica = &mut self.replicas[peer];
        // A failed batch in which nothing was staged for the store cannot have survived.
        replica.store.recover()?;
        let mut own = Vec::new();
        let mut cursor = Cursor::all(Tree::Merged);
        while !cursor.is_done() {
            for (key, _) in cursor.next_page(&*replica.store, 1024)? {
                let name: Name = key.as_slice().try_into()?;
                let staged = items.iter().any(|item| matches!(item, Item::Block(block) if *block == name));
                if !staged && !replica.model.known().contains(&name) {
                    own.push(name);
                }
            }
        }
        self.note_durable(peer, items, &mut BTreeMap::new(), own)
    }

    /// Follows a durable batch: each input in turn, then the blocks that the replica wrote at its end.
    fn note_durable(
        &mut self,
        peer: Peer,
        items: Vec<Item>,
        outcomes: &mut BTreeMap<Ticket, Outcome>,
        own: Vec<Name>,
    ) -> Result<()> {
        for item in items {
            match item {
                Item::Request { ticket, request, at } => {
                    let expected = self.replicas[peer].model.operate(&request.operation, at);
                    let Some(Outcome::Submit(answer)) = outcomes.remove(&ticket) else { continue };
                    ensure!(
                        expected.fits(&answer),
                        "{:?} is answered with {answer:?}, but should be with {expected:?}",
                        request.operation
                    );
                    match answer {
                        Ok(applied) if applied.repeated => self.summary.repeated += 1,
                        Ok(_) => self.summary.acknowledged += 1,
                        Err(_) => self.summary.rejected += 1,
                    }
                }
                Item::Block(name) => {
                    let block = self.blocks.get(&name).context("merges a block that nobody wrote")?;
                    let model = &mut self.replicas[peer].model;
                    self.summary.merged += u64::from(!model.known().contains(&name));
                    model.merge(name, block);
                }
            }
        }
        let mut read = Vec::new();
        for name in own {
            let bytes = self.replicas[peer].store.snapshot()?.get(Tree::Blocks, &name)?;
            let bytes = bytes.context("a block of its own is not stored")?;
            read.push((name, BlockContent::read(&name, &bytes)?));
        }
        read.sort_by_key(|(_, block)| block.priority);
        for (name, block) in read {
            self.say(peer, || format!("writes {block:?}"));
            self.replicas[peer].model.publish(name, &block)?;
            self.summary.blocks += 1;
            self.blocks.insert(name, block);
        }
        Ok(())
    }

    /// Compares what a reader of this replica sees with what must be shown.
    pub(super) fn compare_shown(&self, peer: Peer) -> Result<()> {
        let replica = &self.replicas[peer];
        let view = replica.store.snapshot()?;
        for key in self.clients.keys() {
            let row = view.get(Tree::Pins, key.as_bytes())?;
            let shown = row.as_deref().map(stored_pin::value);
            let expected = replica.model.shown(key.as_bytes());
            ensure!(
                shown == expected.as_deref(),
                "{key} shows {:?}, but should {:?}",
                shown.map(hex),
                expected.as_deref().map(hex)
            );
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
