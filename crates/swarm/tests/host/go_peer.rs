//! A peer of the Go suite, where its programs are given: `CLUSTER_GO_BIN`.

use crate::{
    harness::{Heard, Host, RPC, config, eventually, secret},
    namespaces::{Lines, command, run_test},
};
use cluster_core::{
    Multiaddr, PeerId,
    ports::{
        Network,
        swarm::{ConnectError, PeerEvent},
    },
};
use cluster_swarm::{OpenStreams, RPC_PROTOCOL};
use cluster_testkit::{
    ports::{free_ports, loopback},
    two_sides::TwoSides,
};
use std::{net::Ipv4Addr, path::PathBuf, process::Stdio};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    process::{Child, Command},
};

/// The secret all hosts of these tests share.
const SECRET: &str = "0707070707070707070707070707070707070707070707070707070707070707";

fn program() -> Option<PathBuf> {
    let folder = std::env::var_os("CLUSTER_GO_BIN").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: CLUSTER_GO_BIN does not name the folder of Go's programs");
    }
    Some(folder?.join("ipfs-cluster-service"))
}

/// Answers like an IPFS daemon that says who it is, without which the Go daemon tells no metrics.
async fn serve_ipfs(listener: TcpListener) {
    let body = format!(r#"{{"ID":"{}","Addresses":[]}}"#, PeerId::random());
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    while let Ok((mut socket, _)) = listener.accept().await {
        let mut request = [0; 4096];
        if socket.read(&mut request).await.is_ok() {
            _ = socket.write_all(answer.as_bytes()).await;
        }
    }
}

/// A Go daemon with a folder of its own; `command` runs its program.
async fn start(mut command: impl FnMut() -> Command, listen: &str, mdns: &str) -> (Child, PeerId, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let ipfs = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let ipfs_address = format!("/ip4/127.0.0.1/tcp/{}", ipfs.local_addr().unwrap().port());
    tokio::spawn(serve_ipfs(ipfs));
    let mut prepared = || {
        let mut command = command();
        command
            .arg("--config")
            .arg(folder.path())
            .env("CLUSTER_SECRET", SECRET)
            .env("CLUSTER_LISTENMULTIADDRESS", listen)
            .env("CLUSTER_MDNSINTERVAL", mdns)
            .env("CLUSTER_CRDT_CLUSTERNAME", "test")
            .env("CLUSTER_MONITORPINGINTERVAL", "1s")
            .env("CLUSTER_IPFSHTTP_NODEMULTIADDRESS", &ipfs_address)
            .env("CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS", "/ip4/127.0.0.1/tcp/0")
            .env("CLUSTER_PINSVCAPI_HTTPLISTENMULTIADDRESS", "/ip4/127.0.0.1/tcp/0")
            .env("CLUSTER_IPFSPROXY_LISTENMULTIADDRESS", "/ip4/127.0.0.1/tcp/0")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        command
    };
    assert!(prepared().args(["init", "--consensus", "crdt"]).status().await.unwrap().success());
    let identity = std::fs::read(folder.path().join("identity.json")).unwrap();
    let identity: serde_json::Value = serde_json::from_slice(&identity).unwrap();
    let peer = identity["id"].as_str().unwrap().parse().unwrap();
    (prepared().arg("daemon").spawn().unwrap(), peer, folder)
}

#[tokio::test]
async fn a_go_peer_connects_listens_and_tells() {
    let Some(program) = program() else { return };
    let [port] = free_ports().unwrap();
    let listen = loopback(port);
    let (_daemon, peer, _folder) = start(|| Command::new(&program), &listen, "0s").await;
    let host = Host::start(config()).await;
    let address: Multiaddr = listen.parse().unwrap();
    let connecting = async {
        // It takes a moment until it listens.
        while host.swarm.connect(peer, vec![address.clone()]).await.is_err() {}
    };
    tokio::time::timeout(crate::harness::LIMIT, connecting).await.unwrap();
    for event in [PeerEvent::Identified { peer, ours: false }, PeerEvent::ListensToMetrics(peer)] {
        host.heard.wait("the Go peer", |heard| *heard == Heard::Peer(event)).await;
    }
    assert_eq!(host.swarm.is_ours(&peer), Some(false));
    let (protocol, stream) = host.swarm.open(peer, RPC).await.unwrap();
    assert_eq!(protocol, RPC_PROTOCOL);
    drop(stream);
    // Its metrics are signed as they must be; these tests read others.
    eventually("a metric comes", || host.swarm.counters().rejected_metrics.get() > 0).await;
    assert_eq!(host.swarm.counters().handshake_failures.get(), 0);

    let mut other = config();
    other.secret = secret(8);
    let stranger = Host::start(other).await;
    let refused = stranger.swarm.connect(peer, vec![address]).await;
    assert!(matches!(refused, Err(ConnectError::Secret { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_go_peer_of_the_local_network_is_found_and_finds_us() {
    let Some(program) = program() else { return };
    let Some(machines) = TwoSides::build(1, 1).unwrap() else { return };
    let listen = "/ip4/0.0.0.0/tcp/9096";
    let (_daemon, _, _folder) = start(|| command(&machines, 0, &program), listen, "10s").await;
    let mut host = run_test(&machines, 1, "discovery::namespace_child");
    Lines::of(&mut host).wait("found").await;
}
