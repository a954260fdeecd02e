//! Making the rows of a range equal to those of a snapshot, with everything that follows from each difference.

use super::chunk::{Chunk, Section};
use cluster_core::{
    PinKey,
    mutate::{Mutation as Defect, active},
    pinset::{
        counters::Counter,
        mutation::{Before, Mutation},
        stored_pin,
    },
    ports::datastore::{Row, StoreError},
};
use std::collections::BTreeMap;

/// Rows read at a time.
const PAGE: usize = 256;

/// Makes the rows that `chunk` covers equal to it. What is equal already stays untouched, so doing it again does nothing.
pub(in super::super) fn make_equal(mutation: &mut Mutation<'_>, chunk: &Chunk) -> Result<(), StoreError> {
    let mut wanted: BTreeMap<&[u8], &[u8]> =
        chunk.rows.iter().map(|(key, row)| (key.as_slice(), row.as_slice())).collect();
    let mut start = behind(&chunk.place.after);
    loop {
        let page = mutation.staged.range_from(chunk.place.section.tree(), &[], &start, PAGE)?;
        let is_last = page.len() < PAGE;
        for (key, row) in page {
            if chunk.upto.as_ref().is_some_and(|upto| key > *upto) {
                return add(mutation, chunk.place.section, wanted);
            }
            start = behind(&key);
            match wanted.remove(key.as_slice()) {
                Some(same) if same == row => {}
                Some(other) => replace(mutation, chunk.place.section, (key, row), Some(other))?,
                None if active(Defect::KeepSurplusRows) => {}
                None => replace(mutation, chunk.place.section, (key, row), None)?,
            }
        }
        if is_last {
            return add(mutation, chunk.place.section, wanted);
        }
    }
}

/// The smallest key behind another; of an empty one, the first of all.
fn behind(key: &[u8]) -> Vec<u8> {
    if key.is_empty() { Vec::new() } else { [key, &[0]].concat() }
}

fn add(
    mutation: &mut Mutation<'_>,
    section: Section,
    missing: BTreeMap<&[u8], &[u8]>,
) -> Result<(), StoreError> {
    for (key, row) in missing {
        match section {
            Section::Pins => {
                // Chunks with other keys are not read.
                let Ok(key) = PinKey::from_bytes(key) else { continue };
                // A pin that is gone here may still be being unpinned.
                mutation.put_pin(&key, &stored_pin::pin(&key, row), stored_pin::value(row), None)?;
            }
            Section::Requests => {
                mutation.counters.add(Counter::Requests, outcomes(key));
                mutation.staged.put(section.tree(), key.to_vec(), row.to_vec());
            }
        }
    }
    Ok(())
}

fn replace(
    mutation: &mut Mutation<'_>,
    section: Section,
    (key, row): Row,
    new: Option<&[u8]>,
) -> Result<(), StoreError> {
    match section {
        Section::Pins => {
            let Ok(key) = PinKey::from_bytes(&key) else { return Ok(()) };
            let pin = stored_pin::pin(&key, &row);
            let before = Before { row, pin };
            match new {
                Some(new) => {
                    let pin = stored_pin::pin(&key, new);
                    mutation.put_pin(&key, &pin, stored_pin::value(new), Some(&before))
                }
                None => mutation.remove_pin(&key, &before),
            }
        }
        Section::Requests => {
            match new {
                Some(new) => mutation.staged.put(section.tree(), key, new.to_vec()),
                None => {
                    mutation.counters.sub(Counter::Requests, outcomes(&key));
                    mutation.staged.delete(section.tree(), key);
                }
            }
            Ok(())
        }
    }
}

/// How many outcomes of requests a row is: the others are their places in the order of time.
fn outcomes(key: &[u8]) -> u64 {
    u64::from(key.first() == Some(&b'r'))
}
