//! Go's follower follows a cluster of a Go peer and one of ours.

use cluster_client::api_types::PinOptions;
use cluster_tests::mixed::{Family, GoPrograms, LIMIT, MixedCluster, MixedPeer, Plan};
use std::{
    collections::BTreeMap,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const POLL: Duration = Duration::from_millis(500);

/// Serves one document to whoever asks for anything.
async fn serve(listener: TcpListener, body: String) {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    while let Ok((mut socket, _)) = listener.accept().await {
        let mut request = [0; 4096];
        if socket.read(&mut request).await.is_ok() {
            // Who hangs up asks again.
            let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
        }
    }
}

/// Ends with the test.
struct Follower(Child);

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn gos_follower_follows_ours() {
    let Some(mut cluster) = MixedCluster::start(&Plan::new(1, 1).spare()).await.unwrap() else { return };
    let follow = GoPrograms::given().unwrap().follow;
    let ours = cluster.of(Family::Ours)[0];
    let machine = u8::try_from(cluster.peers.len()).unwrap();
    let kubo = cluster.kubos.len() - 1;

    // What the operators publish: the Go peer's own configuration, but ours alone is trusted.
    let theirs = cluster.peers[cluster.of(Family::Go)[0]].service.base().join("service.json");
    let mut template: serde_json::Value = serde_json::from_slice(&std::fs::read(theirs).unwrap()).unwrap();
    let settings = &mut template["cluster"];
    settings["secret"] = cluster.secret().into();
    settings["listen_multiaddress"] = format!("/ip4/{}/tcp/9096", cluster.machines.address(machine)).into();
    settings["follower_mode"] = true.into();
    settings["peer_addresses"] = vec![cluster.peers[ours].service.swarm_address()].into();
    settings["peername"] = "follower".into();
    template["consensus"]["crdt"]["trusted_peers"] = vec![cluster.peers[ours].service.id()].into();
    let listener = TcpListener::bind((cluster.machines.host_address(), 0)).await.unwrap();
    let url = format!("http://{}/service.json", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, template.to_string()));

    let folder = tempfile::tempdir().unwrap();
    let command = |arguments: &[&str]| {
        let launcher = cluster.machines.launcher(machine);
        let mut command = Command::new(&launcher[0]);
        command.args(&launcher[1..]).arg(&follow).arg("--config").arg(folder.path()).arg("followed");
        // What is published of the IPFS daemon is not taken over: each follower has its own.
        command.env("CLUSTER_IPFSHTTP_NODEMULTIADDRESS", cluster.kubos[kubo].api());
        command.args(arguments).stdin(Stdio::null());
        command
    };
    let said = |arguments: &[&str]| {
        let output = command(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    };
    let (done, text) = said(&["init", &url]);
    assert!(done, "{text}");
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut run = command(&["run"]);
    run.stdout(log.try_clone().unwrap()).stderr(log);
    let _follower = Follower(run.spawn().unwrap());

    // It is a member of the cluster for both.
    let log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
    let met = cluster.until_all_see(3).await;
    met.unwrap_or_else(|error| panic!("{error:#}\n--- the follower\n{}", log()));
    let mut contents = BTreeMap::new();
    for (number, peer) in cluster.peers.iter().enumerate() {
        let cid = cluster.add(number, 1 << 16).unwrap();
        let options = PinOptions { name: format!("of {}", peer.name), ..PinOptions::default() };
        peer.pin(&cid, &options).await.unwrap();
        contents.insert(cid.to_string(), peer.family);
    }
    cluster.until_equal(LIMIT, |pins| pins.len() == 2).await.unwrap();

    // Its own Kubo gets both: what ours pinned, and what it trusts nobody but ours to have merged.
    let pinned = async |_: &MixedPeer| cluster.kubos[kubo].pins("recursive");
    let all = |pins: &Vec<String>| contents.keys().all(|cid| pins.contains(cid));
    let seen =
        cluster.converge("the follower's Kubo pins it", LIMIT, pinned, |seen| seen.iter().all(all)).await;
    seen.unwrap_or_else(|error| panic!("{error:#}\n{}", log()));
    let deadline = Instant::now() + LIMIT;
    let list = loop {
        let (done, text) = said(&["list"]);
        if done && contents.keys().all(|cid| text.contains(cid)) && !text.contains("PINNING") {
            break text;
        }
        assert!(Instant::now() < deadline, "{text}\n{}", log());
        tokio::time::sleep(POLL).await;
    };
    println!("$ follow followed list\n{list}");

    // Both tell of it what it says itself, and nobody takes its word.
    for peer in &cluster.peers {
        let peers = String::from_utf8(peer.ask("/peers").unwrap().body).unwrap();
        assert_eq!(peers.lines().count(), 3, "{}: {peers}", peer.name);
        for ctl in &cluster.ctls {
            let status = peer.ctl(ctl, &["status"]).unwrap();
            assert!(!status.contains("ERROR"), "{}: {status}", peer.name);
        }
    }
    let gone = contents.keys().next().unwrap().parse().unwrap();
    cluster.peers[ours].unpin(&gone).await.unwrap();
    cluster.until_equal(LIMIT, |pins| pins.len() == 1).await.unwrap();
    let left = |pins: &Vec<String>| !pins.contains(&gone.to_string());
    let pinned = async |_: &MixedPeer| cluster.kubos[kubo].pins("recursive");
    cluster
        .converge("the follower's Kubo unpins it", LIMIT, pinned, |seen| seen.iter().all(left))
        .await
        .unwrap();
    drop(_follower);
    cluster.stop_and_compare().unwrap();
}
