//! The REST API over libp2p: a host of its own with an identity of its own, which `cluster-ctl` reaches by its `/p2p/` address.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_testkit::{
    mock_kubo::{Endpoint, MockKubo, Script},
    ports::{free_ports, loopback},
    service::Programs,
};
use cluster_tests::world::{LIMIT, World, made_up_cid};
use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

/// Makes an identity: its ID and its private key.
fn identity(folder: &Path) -> (String, String) {
    let init = Command::new(Programs::build().unwrap().service)
        .arg("--config")
        .arg(folder)
        .arg("init")
        .output()
        .unwrap();
    assert!(init.status.success(), "{init:?}");
    let text = fs::read_to_string(folder.join("identity.json")).unwrap();
    let identity: serde_json::Value = serde_json::from_str(&text).unwrap();
    let part = |name: &str| identity[name].as_str().unwrap().to_owned();
    (part("id"), part("private_key"))
}

fn ctl(program: &Path, host: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(["--host", host]).args(arguments).output().unwrap()
}

fn with<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["--basic-auth", "alice:pa55word"], arguments].concat()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn ctl_reaches_a_peer_by_the_id_of_its_api() {
    let folder = tempfile::tempdir().unwrap();
    let (id, key) = identity(&folder.path().join("of the api"));
    let [address] = free_ports::<1>().unwrap().map(loopback);
    let host = format!("{address}/p2p/{id}");
    let world = World::with_mock(&[
        ("CLUSTER_RESTAPI_LIBP2PLISTENMULTIADDRESS", &address),
        ("CLUSTER_RESTAPI_ID", &id),
        ("CLUSTER_RESTAPI_PRIVATEKEY", &key),
        ("CLUSTER_RESTAPI_BASICAUTHCREDENTIALS", "alice:pa55word"),
    ])
    .await
    .unwrap();
    let ours = Programs::build().unwrap().ctl;
    let refused = ctl(&ours, &host, &["id"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let shown = printed(&ctl(&ours, &host, &with(&["id"])));
    assert!(shown.starts_with(world.peer.id()), "{shown}");
    for number in 0..3 {
        let cid = made_up_cid(number).unwrap().to_string();
        printed(&ctl(&ours, &host, &with(&["pin", "add", "--no-status", &cid])));
    }
    assert_eq!(printed(&ctl(&ours, &host, &with(&["pin", "ls"]))).lines().count(), 3);

    // Somebody else's ID at this address, and nobody there.
    let other = format!("{address}/p2p/{}", world.peer.id());
    for host in
        [other.as_str(), "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWEzimCSQfZVrDWeSuz9ybdt3L8G4ioYfsXeRRhN3cwsQW"]
    {
        let failed = ctl(&ours, host, &with(&["id"]));
        assert_eq!(failed.status.code(), Some(1), "{failed:?}");
        assert!(String::from_utf8_lossy(&failed.stdout).contains("cannot connect"), "{failed:?}");
    }
    // Another network than that of the API: an error in bounded time, not for ever.
    let secret = "5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5";
    let file = folder.path().join("secret");
    fs::write(&file, format!("{secret}\n")).unwrap();
    for flags in [["--secret", secret], ["--secret-file", file.to_str().unwrap()]] {
        let failed = ctl(&ours, &host, &with(&[&flags[..], &["id"]].concat()));
        assert_eq!(failed.status.code(), Some(1), "{failed:?}");
        assert!(!String::from_utf8_lossy(&failed.stdout).contains("5ec5"), "{failed:?}");
    }

    let Some(go) = std::env::var_os("CLUSTER_GO_BIN") else {
        println!("skipped: the client of the Go suite (CLUSTER_GO_BIN is not set)");
        return;
    };
    let go = Path::new(&go).join("ipfs-cluster-ctl");
    let shown = printed(&ctl(&go, &host, &with(&["id"])));
    assert!(shown.starts_with(world.peer.id()), "{shown}");
    assert_eq!(printed(&ctl(&go, &host, &with(&["pin", "ls"]))).lines().count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_answered_when_the_peer_stops() {
    let folder = tempfile::tempdir().unwrap();
    let (id, key) = identity(&folder.path().join("of the api"));
    let [address] = free_ports::<1>().unwrap().map(loopback);
    let mut world = World::with_mock(&[
        ("CLUSTER_RESTAPI_LIBP2PLISTENMULTIADDRESS", &address),
        ("CLUSTER_RESTAPI_ID", &id),
        ("CLUSTER_RESTAPI_PRIVATEKEY", &key),
    ])
    .await
    .unwrap();
    world.ipfs.script(Endpoint::RepoGc, Script::after(Duration::from_secs(2)));
    let asking = Command::new(Programs::build().unwrap().ctl)
        .args(["--host", &format!("{address}/p2p/{id}"), "ipfs", "gc", "--local"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let is_collecting = |ipfs: &MockKubo| ipfs.open_calls(Endpoint::RepoGc) == 1;
    assert!(world.ipfs.wait_until(LIMIT, is_collecting).await, "nothing was asked for");
    tokio::task::block_in_place(|| world.peer.stop()).unwrap();
    printed(&asking.wait_with_output().unwrap());
}

#[test]
fn an_address_without_an_identity_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("peer");
    identity(&base);
    let output = Command::new(Programs::build().unwrap().service)
        .arg("--config")
        .arg(&base)
        .args(["config", "check"])
        .env("CLUSTER_RESTAPI_LIBP2PLISTENMULTIADDRESS", "/ip4/127.0.0.1/tcp/0")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("api.restapi.libp2p_listen_multiaddress") && text.contains("id and private_key"),
        "{text}"
    );
}
