//! Making the pinset equal to a snapshot whose chunks are here.

use super::{
    super::{
        backend::RaftInput,
        rows::AppliedRow,
        snapshot::{Chunk, HeldSpool, Parts},
    },
    BUSY_FIRST, RaftStateMachine, StateMachineError, blocking,
};
use cluster_core::{
    mutate::{Mutation as Defect, active},
    pinset::Input,
    ports::datastore::{Datastore, StoreError},
};
use std::{ops::Bound, sync::Arc};

/// Rows of this peer that one batch looks at: a chunk that covers more of them is cut.
const OWN_ROWS: usize = 1024;

impl RaftStateMachine {
    /// Notes that from now on the snapshot in the spool holds. What the note rests on was written before it, and everything
    /// that rests on it is written after it; so it needs no flush of its own.
    pub(super) async fn begin_installing(&self, row: &AppliedRow) -> Result<(), StateMachineError> {
        self.send_inputs([RaftInput::After(self.applied.last), RaftInput::BeginInstalling(row.clone())]).await
    }

    /// Makes the pinset equal to the snapshot in the spool, from its beginning: what was made equal before stays.
    pub(super) async fn install(
        &mut self,
        row: AppliedRow,
        mut spool: HeldSpool,
    ) -> Result<(), StateMachineError> {
        let mut parts = Parts::default();
        loop {
            let store = self.shared.store.clone();
            let read = blocking(move || {
                let next = parts.next(&*store)?;
                Ok((parts, next))
            });
            let next;
            (parts, next) = read.await?;
            let Some((mut chunk, _)) = next else { break };
            loop {
                let (cut, first) = cut(self.shared.store.clone(), chunk).await?;
                self.send_inputs([RaftInput::Install(Box::new(first))]).await?;
                match cut {
                    Some(rest) => chunk = rest,
                    None => break,
                }
            }
        }
        self.send_inputs([RaftInput::Installed]).await?;
        let store = self.shared.store.clone();
        // Whoever sent it counts on it from now on.
        if !active(Defect::SkipInstallFlush) {
            blocking(move || store.sync()).await?;
        }
        self.set_applied(row);
        self.shared.ready.set_whole(true);
        self.shared.waiters.give_up("a snapshot took the place of the log");
        blocking(move || spool.clear()).await
    }

    async fn send_inputs(
        &self,
        inputs: impl IntoIterator<Item = RaftInput>,
    ) -> Result<(), StateMachineError> {
        let now = cluster_runtime::now();
        let inputs: Vec<RaftInput> = inputs.into_iter().collect();
        let mut pause = BUSY_FIRST;
        loop {
            let group = inputs.iter().cloned().map(|input| (Input::Backend(input), now)).collect();
            match self.send(group).await {
                Ok(_) => return Ok(()),
                Err(failed) => self.wait_while_busy(failed, &mut pause).await?,
            }
        }
    }
}

/// Cuts off what is too much for one batch: the rest, and what comes first.
async fn cut(
    store: Arc<dyn Datastore>,
    mut chunk: Chunk,
) -> Result<(Option<Chunk>, Chunk), StateMachineError> {
    blocking(move || {
        let rest = last_of_batch(&*store, &chunk)?.map(|key| chunk.split_behind(&key));
        Ok((rest, chunk))
    })
    .await
}

/// Returns the last key of this peer's rows that one batch looks at, when there are more in the chunk's range.
fn last_of_batch(store: &dyn Datastore, chunk: &Chunk) -> Result<Option<Vec<u8>>, StoreError> {
    let view = store.snapshot()?;
    let to = chunk.upto.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let mut from = match chunk.place.after.as_slice() {
        [] => Bound::Unbounded,
        after => Bound::Excluded(after.to_vec()),
    };
    let mut seen = 0;
    loop {
        let start = match &from {
            Bound::Excluded(key) => Bound::Excluded(key.as_slice()),
            _ => Bound::Unbounded,
        };
        let page = view.page(chunk.place.section.tree(), start, to, OWN_ROWS / 16)?;
        seen += page.len();
        let is_last = page.len() < OWN_ROWS / 16;
        if let Some((key, _)) = page.into_iter().next_back() {
            if seen >= OWN_ROWS && !is_last {
                return Ok(Some(key));
            }
            from = Bound::Excluded(key);
        }
        if is_last {
            return Ok(None);
        }
    }
}
