//! Pins that are updates of others.

use super::*;
use std::{
    collections::BTreeSet,
    io::Write,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Adds a file and the same file with more at its end; both share most blocks.
fn two_versions(daemon: &Daemon) -> (Cid, Cid) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("content");
    let add = || {
        let added =
            daemon.ipfs(&["add", "-Q", "--pin=false", "--chunker=size-16384", file.to_str().unwrap()]);
        added.unwrap().parse().unwrap()
    };
    write_random(&file, 1 << 20);
    let old = add();
    fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(b"more").unwrap();
    (old, add())
}

/// Pins as an update; says how often progress was reported: an update reports none, a pin made anew does.
async fn update(kubo: &Kubo, from: Cid, to: Cid) -> Result<usize, IpfsError> {
    let reports = Arc::new(AtomicUsize::new(0));
    let counted = reports.clone();
    let sink: ProgressSink = Arc::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    kubo.pin(PinRequest { update_from: Some(from), ..request(to, PinDepth::RECURSIVE) }, sink).await?;
    Ok(reports.load(Ordering::SeqCst))
}

fn recursive(daemon: &Daemon) -> BTreeSet<Cid> {
    pins_of(daemon, "recursive").iter().map(|pin| pin.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_new_version_is_pinned_and_the_old_one_stays() {
    let daemon = daemon();
    let kubo = connector(&daemon, |_| {});
    let (old, new) = two_versions(&daemon);
    pin(&kubo, old, PinDepth::RECURSIVE).await.unwrap();
    assert_eq!(update(&kubo, old, new).await.unwrap(), 0);
    assert_eq!(recursive(&daemon), BTreeSet::from([old, new]));
    // What is pinned already is an update of itself.
    assert_eq!(update(&kubo, new, new).await.unwrap(), 0);
    assert_eq!(recursive(&daemon), BTreeSet::from([old, new]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_old_version_the_new_one_is_pinned_anew() {
    let daemon = daemon();
    let kubo = connector(&daemon, |_| {});
    let (old, new) = two_versions(&daemon);
    assert!(update(&kubo, old, new).await.unwrap() > 0);
    assert_eq!(recursive(&daemon), BTreeSet::from([new]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_to_what_nobody_has_ends_as_a_stall() {
    let daemon = daemon();
    let kubo = connector(&daemon, |c| c.pin_timeout = Duration::from_millis(500));
    let (old, _) = two_versions(&daemon);
    connector(&daemon, |_| {}).pin(request(old, PinDepth::RECURSIVE), ignore()).await.unwrap();
    let error = update(&kubo, old, nobody_has(3)).await.unwrap_err();
    assert!(matches!(error, IpfsError::Stalled { .. }), "{error:?}");
    assert_eq!(recursive(&daemon), BTreeSet::from([old]));
}
