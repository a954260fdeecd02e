//! Measures the engine on disk under the row set of a busy peer.
//!
//! Usage: `ingest FOLDER [PINS] [BUDGET_MIB] [PINS_PER_SECOND]`; the folder must not exist. Prints throughput, commit times, memory, bytes
//! written and at rest, and the time to reopen after an orderly close and after a kill.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_core::ports::datastore::{Batch, Datastore, Durability, Tree};
use cluster_datastore::FjallStore;
use rand::{Rng as _, RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

const BATCH: u64 = 256;
const BUCKETS: u16 = 4096;
/// Second transitions trail the pins by this many batches.
const LAG: u64 = 40;

fn main() {
    let args: Vec<String> = env::args().collect();
    let folder = Path::new(args.get(1).map_or("ingest-store", String::as_str));
    let number = |at: usize, default: u64| args.get(at).map_or(default, |text| text.parse().unwrap());
    let (pins, budget) = (number(2, 1_000_000), number(3, 96) * 1024 * 1024);
    if let Some(role) = env::var_os("INGEST_CHILD") {
        return reopened(folder, budget, role == "write");
    }
    let started = Instant::now();
    let store = FjallStore::open(folder, budget).unwrap();
    println!("created in {:?}", started.elapsed());
    ingest(&store, pins, number(4, 0));
    let idle = settle(&store);
    println!("idle after {idle:?}: {} bytes written per pin, RSS {} MiB", written() / pins, rss_mib());
    let close = Instant::now();
    store.close().unwrap();
    drop(store);
    println!("closed in {:?}; {} bytes at rest per pin", close.elapsed(), at_rest(folder) / pins);
    child(folder, pins, budget, "read");
    // The child writes half of the pins anew and is killed without warning.
    child(folder, pins, budget, "write");
    child(folder, pins, budget, "read");
}

/// The key of a pin: a version, a codec and a hash, here derived from its number.
fn key(pin: u64) -> [u8; 36] {
    let mut key = [0; 36];
    ChaCha8Rng::seed_from_u64(pin).fill_bytes(&mut key);
    key[..4].copy_from_slice(&[1, 0x55, 0x12, 0x20]);
    key
}

fn ingest(store: &FjallStore, pins: u64, rate: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut times = Vec::new();
    let cpu = cpu_seconds();
    let started = Instant::now();
    let batches = pins / BATCH;
    let mut peak = 0;
    for batch in 0..batches + LAG {
        let mut rows = Batch::new();
        if batch < batches {
            first_transition(&mut rows, batch, &mut random);
        }
        if batch >= LAG {
            second_transition(&mut rows, batch - LAG);
        }
        for counter in ["pins", "queued", "pinned", "events", "heads"] {
            rows.put(Tree::Counters, counter, batch.to_be_bytes());
        }
        if rate > 0 {
            let due = started + Duration::from_secs_f64((batch * BATCH) as f64 / rate as f64);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let before = Instant::now();
        store.commit(rows, Durability::Flushed).unwrap();
        times.push(before.elapsed());
        if batch % 64 == 0 {
            peak = peak.max(rss_mib());
        }
    }
    let elapsed = started.elapsed();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{} pins in {elapsed:?}: {:.0} pins/s; commit p50 {:?} p99 {:?} p99.9 {:?} max {:?}; CPU {:.1} µs/pin; RSS at most {peak} MiB",
        batches * BATCH,
        (batches * BATCH) as f64 / elapsed.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        (cpu_seconds() - cpu) * 1e6 / (batches * BATCH) as f64
    );
}

fn first_transition(rows: &mut Batch, batch: u64, random: &mut ChaCha8Rng) {
    let mut block = vec![0; 32 * 1024];
    for pin in batch * BATCH..(batch + 1) * BATCH {
        let key = key(pin);
        let mut value = [0; 130];
        random.fill_bytes(&mut value[..65]);
        rows.put(Tree::Pins, key, value);
        rows.put(Tree::Tracker, key, [1; 24]);
        rows.put(Tree::ByStatus, status(1, &key), []);
        let mut element = [0; 68];
        element[..36].copy_from_slice(&key);
        element[36..].copy_from_slice(&sha_like(batch));
        rows.put(Tree::Elements, element, [0; 8]);
        let at = usize::try_from(pin % BATCH).unwrap() * 128;
        block[at..at + 36].copy_from_slice(&key);
        random.fill_bytes(&mut block[at + 36..at + 100]);
        let mut set_hash = [0; 48];
        random.fill_bytes(&mut set_hash);
        rows.put(Tree::Fingerprint, random.random_range(0..BUCKETS).to_be_bytes(), set_hash);
    }
    let mut event = vec![0; 12 * 1024];
    event[..6 * 1024].copy_from_slice(&block[..6 * 1024]);
    rows.put(Tree::Blocks, sha_like(batch), block);
    rows.put(Tree::Merged, sha_like(batch), [0; 40]);
    rows.put(Tree::Events, batch.to_be_bytes(), event);
}

fn second_transition(rows: &mut Batch, batch: u64) {
    for pin in batch * BATCH..(batch + 1) * BATCH {
        let key = key(pin);
        rows.put(Tree::Tracker, key, [2; 24]);
        rows.delete(Tree::ByStatus, status(1, &key));
        rows.put(Tree::ByStatus, status(2, &key), []);
    }
}

fn status(state: u8, key: &[u8; 36]) -> [u8; 38] {
    let mut row = [state; 38];
    row[2..].copy_from_slice(key);
    row
}

fn sha_like(number: u64) -> [u8; 32] {
    let mut hash = [0; 32];
    ChaCha8Rng::seed_from_u64(!number).fill_bytes(&mut hash);
    hash
}

/// Waits until nothing was under way for a while.
fn settle(store: &FjallStore) -> Duration {
    let started = Instant::now();
    let mut quiet = 0;
    while quiet < 40 {
        quiet = if store.is_compacting() { 0 } else { quiet + 1 };
        thread::sleep(Duration::from_millis(25));
    }
    started.elapsed()
}

/// Runs in a child: reopens the store, reads, and perhaps writes until it kills itself.
fn reopened(folder: &Path, budget: u64, write: bool) {
    let started = Instant::now();
    let store = FjallStore::open(folder, budget).unwrap();
    let opened = started.elapsed();
    let snapshot = store.snapshot().unwrap();
    assert!(snapshot.get(Tree::Pins, &key(1)).unwrap().is_some());
    let first = started.elapsed();
    let pins: u64 = env::args().nth(2).map_or(1_000_000, |text| text.parse().unwrap());
    let reads = 50_000;
    let timed = |keys: &dyn Fn(u64) -> u64, expected: bool| {
        let begun = Instant::now();
        for n in 0..reads {
            assert_eq!(snapshot.get(Tree::Pins, &key(keys(n))).unwrap().is_some(), expected);
        }
        begun.elapsed() / u32::try_from(reads).unwrap()
    };
    let present = pins / BATCH * BATCH;
    let hit = timed(&|n| n * 7919 % present, true);
    let miss = timed(&|n| pins * 10 + n, false);
    println!(
        "reopened in {opened:?}, first answer after {first:?}; get {hit:?}, miss {miss:?}; RSS {} MiB",
        rss_mib()
    );
    // An open snapshot keeps every write buffer of the meantime in memory.
    drop(snapshot);
    if write {
        ingest(&store, pins / 2, 0);
        Command::new("kill").args(["-9", &std::process::id().to_string()]).status().unwrap();
    }
}

fn child(folder: &Path, pins: u64, budget: u64, role: &str) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.arg(folder).args([pins.to_string(), (budget / 1024 / 1024).to_string()]);
    command.env("INGEST_CHILD", role).status().unwrap();
}

fn rss_mib() -> u64 {
    field("/proc/self/status", "VmRSS:") / 1024
}

/// Time the process spent computing, in the system's ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

fn written() -> u64 {
    field("/proc/self/io", "write_bytes:")
}

fn field(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn at_rest(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| match entry.metadata().unwrap() {
            metadata if metadata.is_dir() => at_rest(&entry.path()),
            metadata => metadata.blocks() * 512,
        })
        .sum()
}
