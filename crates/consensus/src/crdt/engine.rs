//! The Merkle-CRDT's machine: what is asked for, announced and packed, and when.
//!
//! It decides; the rules of the set itself are the writer's ([`CrdtBackend`](super::CrdtBackend)). It holds the
//! blocks that are on their way and a few times, never the pinset and never the whole frontier.

mod announcer;
mod config;
mod heard;
mod pace;
mod packer;
mod rebroadcast;
mod repair;
mod wants;

pub use config::{Batching, EngineConfig};

use super::{
    Block, BlockId, CrdtInput, CrdtOutput, MAX_BLOCK, Packing,
    rows::{WalkRow, decode_height},
};
use announcer::Announcer;
use cluster_core::{
    PeerId, UnixMillis,
    mutate::{Mutation, active},
    ports::datastore::{Snapshot, StoreError, Tree},
};
use heard::Heard;
use pace::Pace;
use packer::Packer;
use rebroadcast::Rebroadcast;
use repair::Repair;
use std::{collections::VecDeque, time::Duration};
use wants::Wants;

/// Bytes of blocks handed to the writer before it has committed the ones before.
const STAGE_BYTES: usize = 1024 * 1024;

/// Bytes of received blocks that wait for the writer; above it nothing more is asked for.
const MAX_BACKLOG: usize = 8 * 1024 * 1024;

/// Heads of one broadcast that are looked at; a peer with more announces the others another time.
const MAX_HEADS: usize = 1024;

/// What the engine is told.
#[derive(Debug)]
pub enum EngineInput {
    /// The process starts: there may be open walks and waiting operations of an earlier one.
    Start {
        /// Any number; spreads the first broadcast.
        random: u64,
    },
    /// A trusted peer announced these heads.
    HeadsHeard {
        /// Who.
        author: PeerId,
        /// Which.
        heads: Vec<BlockId>,
    },
    /// Whether peers are connected that take few deltas a second.
    SlowPeers(bool),
    /// Somebody served a block.
    BlockReceived {
        /// The block that was asked for.
        id: BlockId,
        /// What came.
        bytes: Vec<u8>,
    },
    /// Nobody served a block.
    FetchFailed(BlockId),
    /// A batch is durable; what the backend wanted done after it.
    Committed(Vec<CrdtOutput>),
    /// A batch failed and the writer has reloaded: what was staged is lost, or it is there and nobody said so.
    CommitFailed,
    /// Time passed.
    Tick {
        /// Any number; spreads broadcasts.
        random: u64,
    },
}

/// What the engine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineOutput {
    /// Hand this to the writer.
    Stage(CrdtInput),
    /// Get this block and answer with it or with [`EngineInput::FetchFailed`].
    Fetch {
        /// Which.
        id: BlockId,
        /// Who should have it.
        from: Option<PeerId>,
    },
    /// Broadcast these heads.
    Announce(Vec<BlockId>),
}

/// The Merkle-CRDT's machine.
///
/// # Contract
/// * `view` shows durable rows, those of the batch an input speaks of included.
/// * Outputs are carried out in order; a `Stage` may be committed at any time after.
#[derive(Debug)]
pub struct CrdtEngine {
    config: EngineConfig,
    heard: Heard,
    wants: Wants,
    pace: Pace,
    packer: Packer,
    announcer: Announcer,
    rebroadcast: Rebroadcast,
    repair: Repair,
    /// Blocks that are here and wait for their turn with the writer.
    arrived: VecDeque<(BlockId, Vec<u8>)>,
    arrived_bytes: usize,
    /// Blocks with the writer, and their bytes.
    staged: VecDeque<(BlockId, usize)>,
    /// When the last block got into the store.
    last_progress: UnixMillis,
}

impl CrdtEngine {
    /// Makes an engine; [`EngineInput::Start`] comes first.
    pub fn new(config: EngineConfig) -> Self {
        Self {
            packer: Packer::new(&config),
            announcer: Announcer::new(config.announce_interval),
            rebroadcast: Rebroadcast::new(config.rebroadcast_interval),
            repair: Repair::new(config.repair_interval),
            pace: Pace::new(config.slow_delta_time),
            config,
            heard: Heard::default(),
            wants: Wants::default(),
            arrived: VecDeque::new(),
            arrived_bytes: 0,
            staged: VecDeque::new(),
            last_progress: UnixMillis(0),
        }
    }

    /// Returns how a backend of this configuration packs at first.
    pub fn packing(&self) -> Packing {
        if self.config.batching.is_some() { Packing::Deferred } else { Packing::Immediate }
    }

    /// Returns when [`EngineInput::Tick`] must come at the latest.
    pub fn deadline(&self) -> UnixMillis {
        let times = [
            Some(self.rebroadcast.deadline()),
            self.announcer.deadline(),
            self.repair.deadline(),
            self.heard.deadline(self.config.fetch_timeout),
            self.wants.deadline(&self.config, self.may_fill()),
            self.packer.deadline(self.last_progress),
        ];
        times.into_iter().flatten().min().unwrap_or_default()
    }

    /// Returns how long a block is waited for.
    pub fn fetch_timeout(&self) -> Duration {
        self.config.fetch_timeout
    }

    /// Returns how many heads were dropped: too many at once, or served by nobody.
    pub fn dropped_heads(&self) -> u64 {
        self.heard.dropped()
    }

    /// Takes note of an input and says what to do.
    ///
    /// # Errors
    /// When the store fails; the input was taken note of all the same.
    pub fn handle(
        &mut self,
        input: EngineInput,
        now: UnixMillis,
        view: &dyn Snapshot,
    ) -> Result<Vec<EngineOutput>, StoreError> {
        let mut outputs = Vec::new();
        match input {
            EngineInput::Start { random } => {
                self.last_progress = now;
                self.wants.read_frontier();
                self.packer.on_start(now, view)?;
                self.rebroadcast.start(now, random);
                outputs.extend(self.repair.start(now, view)?.map(EngineOutput::Stage));
            }
            EngineInput::HeadsHeard { author, heads } => self.on_heads(author, heads, now, view)?,
            EngineInput::SlowPeers(connected) => self.pace.set_slow_peers(connected),
            EngineInput::BlockReceived { id, bytes } => self.on_block(id, bytes, now, view, &mut outputs)?,
            EngineInput::FetchFailed(id) => {
                self.heard.on_failed(&id);
                self.wants.on_failed(id, &self.config, now);
            }
            EngineInput::Committed(done) => self.on_committed(done, now),
            EngineInput::CommitFailed => {
                self.staged.clear();
                self.arrived.clear();
                self.arrived_bytes = 0;
                for (head, author) in self.wants.on_lost() {
                    self.heard.add(author, head);
                }
                // The writer has reloaded; so does what we know of the operations that wait.
                self.packer.on_start(now, view)?;
            }
            EngineInput::Tick { random } => {
                self.heard.expire(&self.config, now);
                self.wants.expire(&self.config, now);
                if self.rebroadcast.is_due(now) {
                    let heads = read_heads(view)?;
                    outputs.extend(
                        self.rebroadcast.turn(heads, now, random).into_iter().map(EngineOutput::Announce),
                    );
                }
                outputs.extend(self.repair.turn(now, view)?.into_iter().map(EngineOutput::Stage));
            }
        }
        outputs.extend(self.announcer.turn(now).map(|head| EngineOutput::Announce(vec![head])));
        outputs.extend(self.packer.turn(self.last_progress, now).into_iter().map(EngineOutput::Stage));
        self.stage_blocks(&mut outputs);
        if self.may_fill() {
            while let Some((id, author)) = self.heard.next(now) {
                outputs.push(EngineOutput::Fetch { id, from: Some(author) });
            }
            let wanted = self.wants.fill(&self.config, now, view)?;
            outputs.extend(wanted.into_iter().map(|(id, from)| EngineOutput::Fetch { id, from }));
        }
        Ok(outputs)
    }

    fn may_fill(&self) -> bool {
        self.arrived_bytes < MAX_BACKLOG
    }

    fn on_heads(
        &mut self,
        author: PeerId,
        mut heads: Vec<BlockId>,
        now: UnixMillis,
        view: &dyn Snapshot,
    ) -> Result<(), StoreError> {
        heads.truncate(MAX_HEADS);
        if active(Mutation::SkipHead) && heads.len() == 1 {
            heads.clear();
        }
        self.rebroadcast.on_heard(&heads);
        for head in heads {
            if view.get(Tree::Merged, &head.0)?.is_some() {
                continue;
            }
            self.pace.on_writer(author, now);
            if self.wants.contains(&head) || view.get(Tree::Frontier, &WalkRow::missing_key(&head))?.is_some()
            {
                self.wants.hurry(&head, author, now);
            } else {
                self.heard.add(author, head);
            }
        }
        Ok(())
    }

    fn on_block(
        &mut self,
        id: BlockId,
        bytes: Vec<u8>,
        now: UnixMillis,
        view: &dyn Snapshot,
        outputs: &mut Vec<EngineOutput>,
    ) -> Result<(), StoreError> {
        if !self.wants.is_wanted(&id) && !self.heard.contains(&id) {
            return Ok(());
        }
        let is_it = bytes.len() <= MAX_BLOCK && BlockId::of(&bytes) == id;
        let block = Block::decode(&bytes).ok().filter(|_| is_it);
        if block.is_none() && !active(Mutation::TrustBytes) {
            // Somebody else may have the real one.
            self.heard.on_failed(&id);
            self.wants.on_failed(id, &self.config, now);
            return Ok(());
        }
        let author = self.heard.take(&id);
        let from = self.wants.on_here(id, author);
        self.arrived_bytes += bytes.len();
        self.arrived.push_back((id, bytes));
        // What it links to is asked for at once: a chain would otherwise wait for a commit at every block.
        for link in block.map(|block| block.links).unwrap_or_default() {
            if self.may_fill()
                && !self.heard.contains(&link)
                && view.get(Tree::Merged, &link.0)?.is_none()
                && self.wants.ask_early(link, from, &self.config, now)
            {
                outputs.push(EngineOutput::Fetch { id: link, from });
            }
        }
        Ok(())
    }

    fn on_committed(&mut self, done: Vec<CrdtOutput>, now: UnixMillis) {
        let mut announced = None;
        let mut waiting = (0, false);
        for output in done {
            match output {
                CrdtOutput::Announce(id) => announced = Some(id),
                CrdtOutput::Fetch(missing) => {
                    if self.wants.is_idle() {
                        self.last_progress = now;
                    }
                    self.wants.add(&missing);
                }
                CrdtOutput::Waiting { operations, held } => waiting = (operations, held),
                CrdtOutput::Taken(id) => {
                    self.last_progress = now;
                    self.wants.on_taken(&id);
                    self.staged.retain(|(staged, _)| *staged != id);
                }
                CrdtOutput::WalkEnded(_) => {}
            }
        }
        // Of several deltas of one batch each follows the one before: the last one leads to all.
        if let Some(id) = announced {
            self.announcer.on_head(id);
        }
        let least = self.pace.interval(now);
        self.packer.on_committed(announced.is_some(), waiting, least, now);
    }

    /// Hands blocks to the writer, at most [`STAGE_BYTES`] beyond what it has committed, at least one.
    fn stage_blocks(&mut self, outputs: &mut Vec<EngineOutput>) {
        let mut with_writer: usize = self.staged.iter().map(|(_, size)| size).sum();
        while let Some((_, bytes)) = self.arrived.front()
            && (self.staged.is_empty() || with_writer + bytes.len() <= STAGE_BYTES)
        {
            let Some((id, bytes)) = self.arrived.pop_front() else { break };
            self.arrived_bytes -= bytes.len();
            with_writer += bytes.len();
            self.staged.push_back((id, bytes.len()));
            outputs.push(EngineOutput::Stage(CrdtInput::Block { id, bytes }));
        }
    }
}

/// Heads read at once; a set of them far smaller than this is merged by the next write.
const HEADS_PAGE: usize = 4096;

fn read_heads(view: &dyn Snapshot) -> Result<Vec<BlockId>, StoreError> {
    let rows = view.prefix(Tree::Heads, &[], HEADS_PAGE)?;
    Ok(rows
        .iter()
        .filter(|(_, row)| decode_height(row).is_some())
        .filter_map(|(key, _)| BlockId::from_slice(key))
        .collect())
}

#[cfg(test)]
mod tests;
