//! What the daemon tells.

use super::*;
use cluster_core::ports::ipfs_connector::IpfsPinStatus;
use futures_util::TryStreamExt;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identity_space_settings_and_paths_are_read() {
    let daemon = daemon();
    let kubo = connector(&daemon, |_| {});
    let id = kubo.id().await.unwrap();
    assert_eq!(id.id.to_string(), daemon.ipfs(&["id", "--format=<id>"]).unwrap());
    assert!(!id.addresses.is_empty());
    let end = format!("/p2p/{}", id.id);
    assert!(
        id.addresses
            .iter()
            .all(|a| a.to_string().ends_with(&end) && a.to_string().matches(&end).count() == 1)
    );
    let version = daemon.ipfs(&["version", "--number"]).unwrap();
    assert_eq!(kubo.version().await.unwrap(), version);

    let before = kubo.repo_stat().await.unwrap();
    add_random(&daemon, 4 << 20);
    let after = kubo.repo_stat().await.unwrap();
    assert!(after.repo_size >= before.repo_size + (3 << 20), "{before:?} {after:?}");
    assert_eq!(after.storage_max, 10_000_000_000);

    let value = async |name: &str| kubo.config_value(name.to_owned()).await.unwrap();
    assert_eq!(value("Datastore.StorageMax").await.unwrap(), "\"10GB\"");
    assert_eq!(value("Discovery.MDNS.Enabled").await.unwrap(), "false");
    assert_eq!(value("Discovery.MDNS.Nothing").await, None);

    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("top/a b")).unwrap();
    write_random(&folder.path().join("top/a b/file+&é"), 1000);
    let top = folder.path().join("top");
    let root = daemon.ipfs(&["add", "-Q", "-r", "--pin=false", top.to_str().unwrap()]).unwrap();
    let path = format!("/ipfs/{root}/a b/file+&é");
    let expected = daemon.ipfs(&["resolve", &path]).unwrap();
    assert_eq!(format!("/ipfs/{}", kubo.resolve(path).await.unwrap()), expected);
    assert_eq!(kubo.resolve(format!("/ipfs/{root}")).await.unwrap().to_string(), root);
    let missing = kubo.resolve(format!("/ipfs/{root}/nothing")).await.unwrap_err();
    let IpfsError::Api { status: 500, message, .. } = &missing else { panic!("{missing:?}") };
    assert!(message.contains("no link named \"nothing\""), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_pins_are_listed() {
    let daemon = daemon();
    let kubo = connector(&daemon, |_| {});
    let folder = tempfile::tempdir().unwrap();
    for number in 0..1_000 {
        fs::write(folder.path().join(format!("{number}")), format!("content {number}")).unwrap();
    }
    let added = daemon.ipfs(&["add", "-q", "-r", "--pin=false", folder.path().to_str().unwrap()]).unwrap();
    // The last line is the folder itself.
    let mut cids: Vec<Cid> = added.lines().map(|line| line.parse().unwrap()).collect();
    cids.pop();
    assert_eq!(cids.len(), 1_000);
    for (number, cid) in cids.iter().enumerate() {
        let depth = if number < 10 { PinDepth::DIRECT } else { PinDepth::RECURSIVE };
        pin(&kubo, *cid, depth).await.unwrap();
    }
    for (kind, expected) in [(IpfsPinStatus::Direct, &cids[..10]), (IpfsPinStatus::Recursive, &cids[10..])] {
        let pins: Vec<_> = kubo.pin_ls(kind).try_collect().await.unwrap();
        assert!(pins.iter().all(|pin| pin.status == kind));
        let found: BTreeSet<Cid> = pins.iter().map(|p| p.cid).filter(|c| c.to_string() != FRESH).collect();
        assert!(found == expected.iter().copied().collect(), "{} pins of {}", found.len(), expected.len());
        assert!(pins.len() - found.len() <= 1, "pins listed twice");
    }
}
