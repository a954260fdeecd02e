//! A daemon that listens on a Unix socket.

use super::*;
use cluster_core::ports::ipfs_connector::IpfsPinStatus;
use multiaddr::{Multiaddr, Protocol};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_is_used_through_its_unix_socket() {
    let mut daemon = daemon();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let path = path.to_str().unwrap();
    daemon.stop().unwrap();
    let addresses = format!(r#"["{}","/unix{path}"]"#, daemon.api());
    daemon.ipfs(&["config", "--json", "Addresses.API", &addresses]).unwrap();
    daemon.run().unwrap();
    let node = Multiaddr::empty().with(Protocol::Unix(path.trim_start_matches('/').into()));
    let kubo = connector(&daemon, |c| c.node = node.clone());
    assert_eq!(kubo.id().await.unwrap().id.to_string(), daemon.ipfs(&["id", "--format=<id>"]).unwrap());
    let cid = add_random(&daemon, 1 << 20);
    pin(&kubo, cid, PinDepth::RECURSIVE).await.unwrap();
    assert_eq!(pins_of(&daemon, "recursive"), [cid.to_string()]);
    assert_eq!(kubo.pin_status(cid, PinDepth::RECURSIVE).await.unwrap(), IpfsPinStatus::Recursive);
    kubo.unpin(cid).await.unwrap();
    daemon.kill().unwrap();
    let error = kubo.id().await.unwrap_err();
    assert!(
        matches!(&error, IpfsError::Unreachable { node, .. } if *node == format!("/unix{path}")),
        "{error:?}"
    );
}
