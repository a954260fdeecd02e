//! Messages between replicas.

use super::{BlockId, Broadcast, Datastore, EngineInput, Happening, Peer, Result, Tree, World, ensure};
use cluster_core::PeerId;

impl World {
    /// Says how long a message is on its way.
    pub(super) fn delay(&mut self) -> u64 {
        if self.chance.permille(self.faults.slow) {
            self.chance.within(500..10_000)
        } else {
            self.chance.within(1..150)
        }
    }

    pub(super) fn announce(&mut self, from: Peer, heads: Vec<BlockId>) -> Result<()> {
        let view = self.replicas[from].store.snapshot()?;
        for head in &heads {
            let servable = view.get(Tree::Blocks, &head.0)?.is_some();
            ensure!(servable, "announces {head}, which it cannot serve");
        }
        drop(view);
        self.say(from, || format!("announces {heads:?}"));
        let payload = Broadcast { heads }.encode();
        let author = self.replicas[from].local;
        for to in (0..self.replicas.len()).filter(|to| *to != from) {
            if self.parts[from] != self.parts[to] || self.chance.permille(self.faults.lost) {
                self.summary.lost_messages += 1;
                continue;
            }
            let copies = if self.chance.permille(self.faults.repeated) { 2 } else { 1 };
            for _ in 0..copies {
                let wait = self.delay();
                self.plan_in(wait, to, Happening::Gossip { author, payload: payload.clone() });
            }
        }
        Ok(())
    }

    pub(super) fn on_gossip(&mut self, to: Peer, author: PeerId, payload: &[u8]) -> Result<()> {
        let heads = Broadcast::decode(payload)?.heads;
        self.tell_engine(to, EngineInput::HeadsHeard { author, heads })
    }

    /// A question for a block reaches all who can be reached; one of those who have it answers.
    pub(super) fn on_ask(&mut self, from: Peer, id: BlockId) -> Result<()> {
        let life = self.replicas[from].life;
        if self.chance.permille(self.faults.unanswered) {
            return Ok(());
        }
        let mut answers = Vec::new();
        for (peer, replica) in self.replicas.iter().enumerate() {
            if peer != from && self.parts[peer] == self.parts[from] && replica.process.is_some() {
                answers.extend(replica.store.snapshot()?.get(Tree::Blocks, &id.0)?);
            }
        }
        let mut bytes = (!answers.is_empty()).then(|| answers.swap_remove(self.chance.index(answers.len())));
        if let Some(bytes) = &mut bytes
            && self.chance.permille(self.faults.corrupt)
        {
            let at = self.chance.index(bytes.len());
            bytes[at] ^= 1 << self.chance.index(8);
        }
        let wait = self.delay();
        self.plan_in(wait, from, Happening::Answer { life, id, bytes });
        Ok(())
    }
}
