//! Measures the writer over the disk engine, without HTTP: the ceiling of what a peer can acknowledge.
//!
//! `cargo run --release -p cluster-consensus --example ceiling -- [PINS] [GROUP]`: PINS pins in groups of GROUP,
//! each group one flushed batch with all index rows, tracker rows, events and the CRDT's books.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_consensus::crdt::{CrdtBackend, Packing};
use cluster_core::{
    Cid, PeerId, Pin, ReplicationFactors, UnixMillis,
    pinset::{Input, Writer, WriterConfig, format, mutation::LaneRule},
    ports::{
        consensus::{AppliedOn, Operation, OperationKind},
        datastore::Datastore,
    },
};
use cluster_datastore::FjallStore;
use sha2::{Digest, Sha256};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

fn main() {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse::<u64>().unwrap());
    let (pins, group) = (arguments.next().unwrap_or(200_000), arguments.next().unwrap_or(256));
    let folder = std::env::temp_dir().join(format!("ceiling-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let store: Arc<dyn Datastore> = Arc::new(FjallStore::open(&folder, 96 * 1024 * 1024).unwrap());
    format::ensure(&*store, &folder).unwrap();
    let config = WriterConfig {
        local: PeerId::random(),
        replication: ReplicationFactors::EVERYWHERE,
        lanes: LaneRule { max_age: Duration::from_secs(86_400), max_retries: 5 },
        applied_on: AppliedOn::Local,
    };
    let mut writer = Writer::open(store.clone(), CrdtBackend::new(Packing::Immediate), config).unwrap();
    let now = || UnixMillis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64);
    let start = Instant::now();
    let (mut staging, mut committing) = (Duration::ZERO, Vec::new());
    for first in (0..pins).step_by(group as usize) {
        let at = Instant::now();
        for n in first..(first + group).min(pins) {
            let digest: [u8; 32] = Sha256::digest(n.to_be_bytes()).into();
            let cid = Cid::new_v1(0x55, multihash::Multihash::wrap(0x12, &digest).unwrap());
            let mut pin = Pin::new(cid);
            pin.options.name = format!("pin-{n}");
            let operation = Operation::new(OperationKind::Pin(Box::new(pin)));
            writer.stage(Input::Submit(Box::new(operation)), now());
        }
        staging += at.elapsed();
        let at = Instant::now();
        writer.commit(now()).unwrap();
        committing.push(at.elapsed());
    }
    let took = start.elapsed();
    committing.sort_unstable();
    let quantile = |q: f64| committing[((committing.len() - 1) as f64 * q) as usize];
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let number = |text: &str, key: &str| -> u64 {
        let line = text.lines().find(|l| l.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    println!("{pins} pins in groups of {group}: {:.0} pins/s", pins as f64 / took.as_secs_f64());
    println!("staging {:.1} us a pin", staging.as_secs_f64() * 1e6 / pins as f64);
    println!(
        "commit p50 {:?} p99 {:?} p99.9 {:?} max {:?}",
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        quantile(1.0)
    );
    let waited = Instant::now();
    while store.is_compacting() && waited.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let io_after = std::fs::read_to_string("/proc/self/io").unwrap();
    println!(
        "written {} B a pin ({} when compaction was idle), at rest {} B a pin, RSS {} MiB, peak {} MiB",
        number(&io, "write_bytes:") / pins,
        number(&io_after, "write_bytes:") / pins,
        store.disk_usage().unwrap() / pins,
        number(&status, "VmRSS:") / 1024,
        number(&status, "VmHWM:") / 1024
    );
    drop(writer);
    store.close().unwrap();
    drop(store);
    std::fs::remove_dir_all(&folder).unwrap();
}
