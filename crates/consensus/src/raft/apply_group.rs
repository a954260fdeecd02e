//! Entries that are carried out in one batch.

use super::{
    backend::RaftInput,
    cluster_id::ClusterId,
    codec::{self, StoredMembership, position},
    position::LogPosition,
    proposal::{Proposal, ProposalError},
    rows::AppliedRow,
    type_config::{Entry, ProposalBytes},
};
use cluster_core::{
    UnixMillis,
    mutate::{Mutation as Defect, active},
    pinset::Input,
};
use cluster_runtime::Group;
use openraft::EntryPayload;

/// Entries carried out in one batch at most.
const ENTRIES: usize = 1024;

/// Bytes of proposals after which a batch is full.
const BYTES: usize = 1024 * 1024;

/// At every so many entries old requests are forgotten. Not more often than rows are trimmed at once, so that no more
/// requests come than go.
const FORGET_EVERY: u64 = 64;

/// What the log says next, as inputs of the writer. The same entries give the same inputs on every peer, however they are
/// grouped; only what checks and notes the place stands around each group.
#[derive(Debug)]
pub(super) struct ApplyGroup {
    inputs: Group<RaftInput>,
    /// Place among the inputs and nonce of each proposal.
    proposals: Vec<(usize, u64)>,
    applied: AppliedRow,
    entries: usize,
    bytes: usize,
}

impl ApplyGroup {
    /// Starts with nothing after what was carried out before.
    pub(super) fn after(applied: &AppliedRow) -> Self {
        Self {
            inputs: vec![(Input::Backend(RaftInput::After(applied.last)), applied.clock)],
            proposals: Vec::new(),
            applied: applied.clone(),
            entries: 0,
            bytes: 0,
        }
    }

    /// Makes the group of these entries anew.
    pub(super) fn of(applied: &AppliedRow, entries: &[Entry]) -> Result<Self, ProposalError> {
        let mut group = Self::after(applied);
        entries.iter().try_for_each(|entry| group.add(entry))?;
        Ok(group)
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries >= ENTRIES || self.bytes >= BYTES
    }

    /// Returns the place of the last entry so far.
    pub(super) fn last(&self) -> Option<LogPosition> {
        self.applied.last
    }

    /// Adds the next entry.
    pub(super) fn add(&mut self, entry: &Entry) -> Result<(), ProposalError> {
        match &entry.payload {
            EntryPayload::Blank => {}
            EntryPayload::Normal(ProposalBytes(bytes)) if let Some(id) = ClusterId::of_founding(bytes) => {
                // Two leaders may have given one before they knew of each other's.
                self.applied.cluster.get_or_insert(id);
            }
            EntryPayload::Normal(ProposalBytes(bytes)) => {
                let Proposal { ordered, at, nonce } = Proposal::decode(bytes)?;
                self.bytes += bytes.len();
                // Never back, whoever leads: what was too old once stays too old.
                self.applied.clock = self.applied.clock.max(at);
                self.proposals.push((self.inputs.len(), nonce));
                // At its own time: one clock that was wrong once must not date every later pin.
                let at = if active(Defect::DateWhereApplied) { cluster_runtime::now() } else { at };
                self.inputs.push((Input::Ordered(Box::new(ordered)), at));
            }
            EntryPayload::Membership(members) => {
                let stored = StoredMembership::new(Some(entry.log_id), members.clone());
                self.applied.membership = codec::membership_row(&stored);
            }
        }
        if entry.log_id.index.is_multiple_of(FORGET_EVERY) {
            self.push(Input::Backend(RaftInput::ForgetRequests));
        }
        self.applied.last = Some(position(&entry.log_id));
        self.entries += 1;
        Ok(())
    }

    fn push(&mut self, input: Input<RaftInput>) {
        let clock: UnixMillis = self.applied.clock;
        self.inputs.push((input, clock));
    }

    /// Ends the group: its inputs, where its proposals stand among them, and what holds once it is carried out.
    pub(super) fn finish(mut self) -> (Group<RaftInput>, Vec<(usize, u64)>, AppliedRow) {
        self.push(Input::Backend(RaftInput::Applied(self.applied.clone())));
        (self.inputs, self.proposals, self.applied)
    }
}
