use super::*;
use crate::FjallStore;
use cluster_core::ports::datastore::{Batch, Datastore as _, Durability, Tree};
use std::fs;

/// A journal the engine wrote, and where in it each commit ends.
struct Written {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

fn written(commits: usize) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path(), 16 * 1024 * 1024).unwrap();
    let path = folder.path().join("db/0.jnl");
    let mut written = Written { bytes: Vec::new(), ends: Vec::new() };
    for number in 0..commits {
        let mut batch = Batch::new();
        batch.put(Tree::Pins, [number as u8], [0xa5; 40]);
        batch.delete(Tree::Tracker, "some key");
        // Beyond the length from which the engine compresses unless told not to.
        batch.put(Tree::Blocks, "block", vec![0x5a; 5_000]);
        store.commit(batch, Durability::Flushed).unwrap();
        written.bytes = fs::read(&path).unwrap();
        written.ends.push(written.bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1);
    }
    written.bytes.truncate(written.ends[commits - 1]);
    written
}

impl Written {
    /// Lists the offsets of a batch: each byte of heads, keys and the end, and some of the long value.
    fn offsets(&self, batch: usize) -> impl Iterator<Item = usize> + use<> {
        let start = if batch == 0 { 0 } else { self.ends[batch - 1] };
        let end = self.ends[batch];
        (start..end).filter(move |at| at - start < 250 || end - at < 30 || at % 211 == 0)
    }
}

/// Repairs a folder with these journals; returns the number of the last commit and the files' lengths.
fn repaired(files: &[&[u8]]) -> Result<(u64, Vec<u64>), StoreError> {
    let folder = tempfile::tempdir().unwrap();
    let path = |number: usize| folder.path().join(format!("{number}.jnl"));
    for (number, bytes) in files.iter().enumerate() {
        fs::write(path(number), bytes).unwrap();
    }
    let report = repair(folder.path())?;
    let lengths = (0..files.len()).map(|number| fs::metadata(path(number)).unwrap().len()).collect();
    Ok((report.last.map_or(0, |marker| marker.number), lengths))
}

#[test]
fn every_batch_is_read_and_zeroes_behind_them_are_nothing() {
    let Written { mut bytes, ends } = written(3);
    let len = bytes.len() as u64;
    assert_eq!(repaired(&[&bytes]).unwrap(), (3, vec![len]));
    assert_eq!(repaired(&[&bytes[..ends[0]], &bytes[ends[0]..]]).unwrap().0, 3);
    bytes.resize(bytes.len() + 70_000, 0);
    assert_eq!(repaired(&[&bytes]).unwrap(), (3, vec![len]));
    assert_eq!(repaired(&[]).unwrap(), (0, vec![]));
    assert_eq!(repaired(&[&[0; 100]]).unwrap(), (0, vec![0]));
}

#[test]
fn a_last_batch_cut_anywhere_is_cut_off() {
    let image = written(3);
    let Written { bytes, ends } = &image;
    let expected = (2, vec![ends[1] as u64]);
    for cut in image.offsets(2) {
        assert_eq!(repaired(&[&bytes[..cut]]).unwrap(), expected, "cut at {cut}");
        let mut padded = bytes[..cut].to_vec();
        padded.resize(bytes.len() + 100, 0);
        assert_eq!(repaired(&[&padded]).unwrap(), expected, "zeroes from {cut}");
    }
}

#[test]
fn a_last_batch_changed_anywhere_is_cut_off() {
    let image = written(3);
    let Written { bytes, ends } = &image;
    // No checksum covers the sequence number in the head.
    let unseen = ends[1] + 5..ends[1] + 13;
    for at in image.offsets(2).filter(|at| !unseen.contains(at)) {
        for change in [0x01, 0xff] {
            let mut harmed = bytes.clone();
            harmed[at] ^= change;
            assert_eq!(repaired(&[&harmed]).unwrap(), (2, vec![ends[1] as u64]), "byte {at}");
        }
    }
}

#[test]
fn an_earlier_batch_changed_anywhere_is_damage() {
    let image = written(3);
    let Written { bytes, ends } = &image;
    let starts = [0, ends[0]];
    let is_unseen = |at: usize| starts.iter().any(|start| (start + 5..start + 13).contains(&at));
    for at in image.offsets(0).chain(image.offsets(1)).filter(|at| !is_unseen(*at)) {
        let mut harmed = bytes.clone();
        harmed[at] ^= 0xff;
        let whole = repaired(&[&harmed]).unwrap_err();
        assert!(
            matches!(&whole, StoreError::Damaged { path, .. } if path.ends_with("0.jnl")),
            "{at}: {whole}"
        );
        let sealed = repaired(&[&harmed[..ends[1]], &harmed[ends[1]..]]).unwrap_err();
        assert!(
            matches!(&sealed, StoreError::Damaged { path, .. } if path.ends_with("0.jnl")),
            "{at}: {sealed}"
        );
    }
}

#[test]
fn random_bytes_never_panic() {
    use rand::{Rng as _, SeedableRng as _};
    let Written { bytes, .. } = written(2);
    for seed in 0..300 {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut harmed = bytes.clone();
        for _ in 0..random.random_range(1..20) {
            let at = random.random_range(0..harmed.len());
            harmed[at] = random.random();
        }
        harmed.truncate(random.random_range(0..=harmed.len()));
        let _ = repaired(&[&harmed]);
    }
}
