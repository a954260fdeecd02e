//! What opening makes of a journal whose end never reached the disk, and of one that is damaged.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/stores.rs"]
mod support;

use cluster_core::ports::datastore::{Batch, Datastore as _, Durability, StoreError, Tree};
use cluster_datastore::{FjallStore, OpenError};
use std::fs;
use support::{BUDGET, copy_folder, journals, numbers, write};
use tempfile::TempDir;

/// The files of a store as a crash leaves them, and where in its journal each commit ends.
struct Image {
    folder: TempDir,
    journal: Vec<u8>,
    ends: Vec<usize>,
}

impl Image {
    fn make(commits: &[Durability]) -> Self {
        let live = tempfile::tempdir().unwrap();
        let store = FjallStore::open(live.path(), BUDGET).unwrap();
        let mut ends = Vec::new();
        for (number, durability) in commits.iter().enumerate() {
            write(&store, u32::try_from(number).unwrap(), *durability);
            let bytes = fs::read(&journals(live.path())[0]).unwrap();
            ends.push(bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1);
        }
        let folder = tempfile::tempdir().unwrap();
        copy_folder(live.path(), folder.path());
        let path = &journals(folder.path())[0];
        let mut journal = fs::read(path).unwrap();
        journal.truncate(*ends.last().unwrap());
        // Without the preallocated zeroes, for speed.
        fs::write(path, &journal).unwrap();
        Self { folder, journal, ends }
    }

    /// Opens a copy of the image with this journal; returns its rows.
    fn open_with(&self, journal: &[u8]) -> Result<Vec<u32>, OpenError> {
        self.open_with_files(&[journal])
    }

    /// Opens a copy of the image with these journals, the last being the active one; returns its rows.
    fn open_with_files(&self, files: &[&[u8]]) -> Result<Vec<u32>, OpenError> {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(self.folder.path(), copy.path());
        for (number, journal) in files.iter().enumerate() {
            fs::write(copy.path().join(format!("db/{number}.jnl")), journal).unwrap();
        }
        let store = FjallStore::open(copy.path(), BUDGET)?;
        let found = numbers(&store);
        // The log goes on behind the cut, and is read back.
        write(&store, 1_000, Durability::Flushed);
        drop(store);
        let again = numbers(&FjallStore::open(copy.path(), BUDGET)?);
        assert_eq!(again[..found.len()], found);
        assert_eq!(again[found.len()..], [1_000]);
        Ok(found)
    }
}

/// Adds zeroes, as in a preallocated file.
fn padded(journal: &[u8]) -> Vec<u8> {
    let mut padded = journal.to_vec();
    padded.resize(journal.len() + 5_000, 0);
    padded
}

fn is_damaged_at(answer: Result<Vec<u32>, OpenError>, file: &str) -> bool {
    match answer {
        Err(OpenError::Store(StoreError::Damaged { path, .. })) => path.ends_with(file),
        _ => false,
    }
}

const FLUSHED: [Durability; 4] = [Durability::Flushed; 4];

#[test]
fn a_last_batch_cut_at_any_byte_is_dropped_whole() {
    let image = Image::make(&FLUSHED);
    // Every byte is a case of the scanner's own tests; here the engine opens what the scanner left.
    for cut in (image.ends[2]..image.ends[3]).step_by(23) {
        let journal = &image.journal[..cut];
        // Alternately as a shorter file and as a preallocated one.
        let rows = if cut % 2 == 0 { image.open_with(journal) } else { image.open_with(&padded(journal)) };
        assert_eq!(rows.unwrap(), [0, 1, 2], "cut at {cut}");
    }
    assert_eq!(image.open_with(&image.journal).unwrap(), [0, 1, 2, 3]);
}

#[test]
fn a_last_batch_with_any_byte_changed_is_dropped_whole() {
    let image = Image::make(&FLUSHED);
    for at in (image.ends[2]..image.ends[3]).step_by(23) {
        let mut journal = image.journal.clone();
        journal[at] ^= if at % 2 == 0 { 0x01 } else { 0xff };
        let rows = image.open_with(&journal).unwrap_or_else(|error| panic!("byte {at}: {error}"));
        // The head carries a sequence number no checksum covers: a change there may go unseen.
        let is_sequence_number = (image.ends[2] + 5..image.ends[2] + 13).contains(&at);
        assert!(rows == [0, 1, 2] || is_sequence_number && rows == [0, 1, 2, 3], "byte {at}: {rows:?}");
    }
}

#[test]
fn a_page_of_the_last_batch_that_never_arrived_drops_it() {
    let live = tempfile::tempdir().unwrap();
    let store = FjallStore::open(live.path(), BUDGET).unwrap();
    write(&store, 0, Durability::Flushed);
    let mut batch = Batch::new();
    batch.put(Tree::Blocks, "b", vec![0xab; 20_000]);
    store.commit(batch, Durability::Flushed).unwrap();
    let folder = tempfile::tempdir().unwrap();
    copy_folder(live.path(), folder.path());
    let whole = fs::read(&journals(folder.path())[0]).unwrap();
    for page in 0..5 {
        let mut journal = whole.clone();
        let start = if page == 0 { 1_024 } else { page * 4_096 };
        journal[start..(page + 1) * 4_096].fill(0);
        fs::write(&journals(folder.path())[0], &journal).unwrap();
        let store = FjallStore::open(folder.path(), BUDGET).unwrap();
        assert_eq!(numbers(&store), [0], "page {page}");
        assert_eq!(store.snapshot().unwrap().get(Tree::Blocks, b"b").unwrap(), None);
    }
}

#[test]
fn a_readable_batch_that_was_written_after_a_sync_convicts_an_unreadable_one() {
    let image = Image::make(&FLUSHED);
    for at in (0..image.ends[2]).step_by(61) {
        let mut journal = image.journal.clone();
        journal[at] ^= 0xff;
        let answer = image.open_with(&journal);
        let batch = image.ends.iter().filter(|end| **end <= at).count();
        let batch_start = if batch == 0 { 0 } else { image.ends[batch - 1] };
        if (batch_start + 5..batch_start + 13).contains(&at) {
            continue;
        }
        assert!(is_damaged_at(answer, "0.jnl"), "byte {at}");
    }
}

#[test]
fn unsynced_batches_may_reach_the_disk_in_any_order() {
    use Durability::{Flushed, Lazy};
    let image = Image::make(&[Flushed, Lazy, Lazy, Flushed]);
    // The last flush was under way: of what it was to write, only the end arrived.
    let mut journal = image.journal.clone();
    journal[image.ends[0]..image.ends[2]].fill(0);
    assert_eq!(image.open_with(&journal).unwrap(), [0]);
    let mut journal = image.journal.clone();
    journal[image.ends[0] + 40] ^= 0xff;
    assert_eq!(image.open_with(&journal).unwrap(), [0]);
    // One more commit proves that it had ended.
    let image = Image::make(&[Flushed, Lazy, Lazy, Flushed, Lazy]);
    let mut journal = image.journal.clone();
    journal[image.ends[0]..image.ends[2]].fill(0);
    assert!(is_damaged_at(image.open_with(&journal), "0.jnl"));
}

#[test]
fn anything_wrong_in_a_sealed_journal_is_damage() {
    let image = Image::make(&FLUSHED);
    let (sealed, active) = image.journal.split_at(image.ends[1]);
    let open = |sealed: &[u8], active: &[u8]| image.open_with_files(&[sealed, active]);
    assert_eq!(open(sealed, active).unwrap(), [0, 1, 2, 3]);
    assert_eq!(open(&padded(sealed), &padded(active)).unwrap(), [0, 1, 2, 3]);
    for at in (0..sealed.len()).step_by(43) {
        let batch_start = if at < image.ends[0] { 0 } else { image.ends[0] };
        if (batch_start + 5..batch_start + 13).contains(&at) {
            continue;
        }
        let mut harmed = padded(sealed);
        harmed[at] ^= 0xff;
        assert!(is_damaged_at(open(&harmed, active), "0.jnl"), "byte {at}");
        // Even when nothing follows it.
        if at >= image.ends[0] && at + 13 < image.ends[1] {
            assert!(is_damaged_at(open(&harmed, &[0; 64]), "0.jnl"), "byte {at} of the last batch");
        }
    }
    let mut stray = padded(sealed);
    stray[sealed.len() + 100] = 7;
    assert!(is_damaged_at(open(&stray, active), "0.jnl"));
    assert!(is_damaged_at(open(&padded(&sealed[..image.ends[1] - 20]), active), "0.jnl"));
}

#[test]
fn a_missing_journal_between_two_is_damage() {
    let image = Image::make(&FLUSHED);
    let first = &image.journal[..image.ends[0]];
    let third = &image.journal[image.ends[1]..image.ends[2]];
    assert!(is_damaged_at(image.open_with_files(&[first, third]), "1.jnl"));
    assert!(is_damaged_at(image.open_with_files(&[third, first]), "1.jnl"));
}

/// A write that failed half-way may end a journal that is sealed before the engine stops altogether.
#[test]
fn a_half_written_batch_may_end_the_last_sealed_journal_if_nothing_follows() {
    let image = Image::make(&FLUSHED);
    for cut in [image.ends[2] + 3, image.ends[2] + 100, image.ends[3] - 1] {
        let sealed = padded(&image.journal[..cut]);
        assert_eq!(image.open_with_files(&[&sealed, &[0; 4_096]]).unwrap(), [0, 1, 2], "cut at {cut}");
    }
}
