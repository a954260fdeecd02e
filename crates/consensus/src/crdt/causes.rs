//! Why pins are in the pinset, or are no longer.

use super::{BlockId, rows::ElementRow};
use cluster_core::{
    PinKey,
    ports::datastore::{Snapshot, StoreError, Tree},
};
use std::collections::BTreeSet;

/// Live elements of one key that are looked at, and removed ones: whoever adds a pin again removes none of the elements
/// before.
const MAX_ELEMENTS: usize = 1024;

/// What brought some pins, and what was removed of them: all of it, or what they were before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Causes {
    /// Blocks whose elements win.
    pub blocks: BTreeSet<BlockId>,
    /// Elements that are gone, with the block that brought each.
    pub removed: Vec<(PinKey, BlockId)>,
}

impl Causes {
    /// Finds them, up to `limit` in all. Pins that wait for a delta have none yet.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn of(view: &dyn Snapshot, pins: &[PinKey], limit: usize) -> Result<Self, StoreError> {
        let mut causes = Self::default();
        for pin in pins {
            if causes.len() >= limit {
                break;
            }
            let rows_of = |tree| -> Result<Vec<_>, StoreError> {
                let mut rows = view.prefix(tree, pin.as_bytes(), MAX_ELEMENTS)?;
                rows.retain(|(key, _)| ElementRow::pin_of(key).as_ref() == Some(pin));
                Ok(rows)
            };
            // The value of the winner is in the row of the pin.
            let wins = |row: &[u8]| ElementRow::decode(row).is_some_and(|row| row.value.is_none());
            let live = rows_of(Tree::Elements)?;
            let winners = live.iter().filter(|(_, row)| wins(row));
            causes.blocks.extend(winners.filter_map(|(key, _)| ElementRow::block_of(key)));
            let gone = rows_of(Tree::Tombstones)?;
            let gone = gone.iter().filter_map(|(key, _)| ElementRow::block_of(key));
            causes.removed.extend(gone.map(|block| (pin.clone(), block)));
        }
        Ok(causes)
    }

    /// Counts them.
    pub(crate) fn len(&self) -> usize {
        self.blocks.len() + self.removed.len()
    }
}
