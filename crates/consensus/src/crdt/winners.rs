//! Which blocks brought what is shown.

use super::{BlockId, rows::ElementRow};
use cluster_core::{
    PinKey,
    ports::datastore::{Snapshot, StoreError, Tree},
};
use std::collections::BTreeSet;

/// Live elements of one key that are looked at: whoever adds a pin again removes none of the elements before.
const MAX_ELEMENTS: usize = 1024;

/// Returns the blocks whose elements win for these pins, up to `limit`. Pins that wait for a delta have none.
///
/// # Errors
/// When the store fails.
pub(crate) fn winners(
    view: &dyn Snapshot,
    pins: &[PinKey],
    limit: usize,
) -> Result<BTreeSet<BlockId>, StoreError> {
    let mut blocks = BTreeSet::new();
    for pin in pins {
        if blocks.len() == limit {
            break;
        }
        let rows = view.prefix(Tree::Elements, pin.as_bytes(), MAX_ELEMENTS)?;
        // The value of the winner is in the row of the pin.
        let wins = |row: &[u8]| ElementRow::decode(row).is_some_and(|row| row.value.is_none());
        let of_pin = rows.iter().filter(|(key, _)| ElementRow::pin_of(key).as_ref() == Some(pin));
        blocks.extend(of_pin.filter(|(_, row)| wins(row)).filter_map(|(key, _)| ElementRow::block_of(key)));
    }
    Ok(blocks)
}
