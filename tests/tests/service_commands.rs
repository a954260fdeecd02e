//! What `cluster-service` does beside running a peer, by the built program: the history is drawn and marked, the
//! configuration is shown and converted, and flags of `daemon` say what they do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_testkit::service::{Programs, Service};
use cluster_tests::world::made_up_cid;
use std::{
    fs,
    path::Path,
    process::Output,
    time::{Duration, Instant},
};

/// What `init` of Go 1.1.6 writes.
const GO_FILE: &str = include_str!("../../crates/daemon/tests/fixtures/go-service.json");

const SECRET: &str = "5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5";

/// Nobody answers there; no command here needs an IPFS daemon.
const NO_IPFS: &str = "/ip4/127.0.0.1/tcp/1";

const LIMIT: Duration = Duration::from_secs(20);

fn peer(folder: &Path, environment: &[(&str, &str)]) -> Service {
    Service::init(&Programs::build().unwrap().service, &folder.join("peer"), NO_IPFS, environment).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout)
}

fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    text(&output.stderr)
}

fn until_logged(peer: &Service, wanted: &str) {
    let deadline = Instant::now() + LIMIT;
    while !peer.log_text().contains(wanted) {
        assert!(Instant::now() < deadline, "{wanted:?} is not in the log:\n{}", peer.log_text());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_history_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let peer = peer(folder.path(), &[]);
    let pins: String = (0..3)
        .map(|number| format!("{{\"cid\":\"{}\",\"max_depth\":-1}}\n", made_up_cid(number).unwrap()))
        .collect();
    let file = folder.path().join("pins");
    fs::write(&file, pins).unwrap();
    printed(&peer.command(&["state", "import", "--force", file.to_str().unwrap()]).unwrap());

    let info = printed(&peer.command(&["state", "crdt", "info"]).unwrap());
    let head = info.split_once("Heads: [").unwrap().1.trim_end_matches(']');
    let drawn = printed(&peer.command(&["state", "crdt", "dot"]).unwrap());
    let short = &head[head.len() - 4..];
    assert_eq!(
        drawn,
        format!(
            "digraph CRDTDAG {{\nsubgraph heads {{\n{head}\n}}\n{head} [label=\"1 | {short}: +3 -0\"]\n{head} -> {{}}\n\
             subgraph sg_{head} {{\n}}\n}}\n"
        )
    );
    let file = folder.path().join("dot");
    let output = peer.command(&["state", "crdt", "dot", "-f", file.to_str().unwrap()]).unwrap();
    assert_eq!(printed(&output), "");
    assert_eq!(fs::read_to_string(file).unwrap(), drawn);
}

#[test]
fn the_pinset_of_a_running_peer_is_exported_as_that_of_a_stopped_one() {
    let folder = tempfile::tempdir().unwrap();
    let password = [("CLUSTER_RESTAPI_BASICAUTHCREDENTIALS", "alice:pa55word")];
    let mut peer = peer(folder.path(), &password);
    let pins: String = (0..3000)
        .map(|number| {
            format!(
                "{{\"cid\":\"{}\",\"type\":\"pin\",\"name\":\"{number}\",\"max_depth\":-1}}\n",
                made_up_cid(number).unwrap()
            )
        })
        .collect();
    let file = folder.path().join("pins");
    fs::write(&file, pins).unwrap();
    printed(&peer.command(&["state", "import", "--force", file.to_str().unwrap()]).unwrap());
    let stopped = printed(&peer.command(&["state", "export"]).unwrap());
    assert_eq!(stopped.lines().count(), 3000);
    peer.start().unwrap();
    assert!(printed(&peer.command(&["state", "export"]).unwrap()) == stopped, "the two differ");
    let written = folder.path().join("written");
    printed(&peer.command(&["state", "export", "-f", written.to_str().unwrap()]).unwrap());
    assert!(fs::read_to_string(&written).unwrap() == stopped);
    // Nothing else works on a folder in use, and a file that was there stays when the peer cannot be asked.
    let refused = failed(&peer.command(&["state", "cleanup", "--force"]).unwrap());
    assert!(refused.contains("someone else has the lock"), "{refused}");
    peer.set_variable("CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS", "/ip4/127.0.0.1/tcp/1");
    let lost = failed(&peer.command(&["state", "export", "-f", written.to_str().unwrap()]).unwrap());
    assert!(lost.contains("does not answer at 127.0.0.1:1") && !lost.contains("pa55"), "{lost}");
    assert!(fs::read_to_string(&written).unwrap() == stopped);
}

#[test]
fn a_dirty_mark_makes_the_next_start_look() {
    let folder = tempfile::tempdir().unwrap();
    let mut peer = peer(folder.path(), &[("CLUSTER_CRDT_REPAIRINTERVAL", "0s")]);
    let mark = |peer: &Service, name: &str| printed(&peer.command(&["state", "crdt", name]).unwrap());
    let is_dirty = |peer: &Service| mark(peer, "info").contains(" Dirty: true\n");
    assert!(!is_dirty(&peer));
    assert_eq!(mark(&peer, "mark-dirty"), "Datastore marked 'dirty'\n");
    assert!(is_dirty(&peer));
    assert_eq!(mark(&peer, "mark-clean"), "Datastore marked 'clean'\n");
    assert!(!is_dirty(&peer));
    mark(&peer, "mark-dirty");
    peer.start().unwrap();
    until_logged(&peer, "what state crdt marked is done with");
    peer.stop().unwrap();
    assert!(!is_dirty(&peer));
}

#[test]
fn the_effective_configuration_is_shown_with_its_sources() {
    let folder = tempfile::tempdir().unwrap();
    let mut peer = peer(folder.path(), &[("CLUSTER_SECRET", SECRET)]);
    peer.set_variable("CLUSTER_PEERNAME", "of the environment");
    peer.set_variable("CLUSTER_RESTAPI_BASICAUTHCREDENTIALS", "alice:pa55word");
    let shown = printed(&peer.command(&["config", "check"]).unwrap());
    for line in [
        "[cluster]",
        "peername = \"of the environment\"  # environment, CLUSTER_PEERNAME",
        "secret = \"XXX_hidden_XXX\"  # environment, CLUSTER_SECRET",
        "basic_auth_credentials = { \"alice\" = \"XXX_hidden_XXX\" }  # environment, CLUSTER_RESTAPI_BASICAUTHCREDENTIALS",
        "peerstore_file = \"peerstore\"  # default",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    assert!(
        shown.lines().any(|line| line.starts_with("replication_factor_min = -1  # file, line ")),
        "{shown}"
    );
    assert!(!shown.contains("5ec5") && !shown.contains("pa55"), "{shown}");

    let file = peer.base().join("service.toml");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, good.replace("dial_peer_timeout = \"3s\"", "dial_peer_timeout = \"soon\"\nno_such = 1"))
        .unwrap();
    let mistakes = failed(&peer.command(&["config", "check"]).unwrap());
    assert!(mistakes.starts_with("error loading configurations: 2 mistakes in "), "{mistakes}");
    assert!(
        mistakes.contains("dial_peer_timeout: found \"soon\"") && mistakes.contains("no_such: unknown key"),
        "{mistakes}"
    );
}

#[test]
fn a_configuration_is_converted_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let peer = peer(folder.path(), &[]);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let convert = |arguments: &[&str]| peer.command(&[&["config", "convert"], arguments].concat()).unwrap();
    let mut tree: serde_json::Value = serde_json::from_str(GO_FILE).unwrap();
    tree["cluster"]["follower_mode"] = true.into();
    tree["api"].as_object_mut().unwrap().remove("pinsvcapi");
    tree["cluster"].as_object_mut().unwrap().remove("disable_repinning");
    tree["cluster"]["of_later"] = 1.into();
    fs::write(path("go.json"), tree.to_string()).unwrap();

    let output = convert(&["--output", &path("one.toml"), &path("go.json")]);
    printed(&output);
    let told = text(&output.stderr);
    assert!(told.contains("left out: cluster.of_later: unknown key"), "{told}");
    assert!(told.contains("left out: datastore.pebble: "), "{told}");
    let toml = fs::read_to_string(path("one.toml")).unwrap();
    assert!(toml.contains("disable_repinning = false") && !toml.contains("[api.pinsvcapi]"), "{toml}");

    let json = printed(&convert(&[&path("one.toml")]));
    fs::write(path("two.json"), &json).unwrap();
    let mut back: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(back["datastore"], serde_json::json!({ "pebble": {} }));
    assert_eq!(back["cluster"]["disable_repinning"], false);
    // What was left out, and what a missing key means, apart, it is the file that it was.
    back["cluster"].as_object_mut().unwrap().remove("disable_repinning");
    tree["cluster"].as_object_mut().unwrap().remove("of_later");
    back["datastore"] = tree["datastore"].clone();
    assert_eq!(back, tree);
    assert_eq!(printed(&convert(&[&path("two.json")])), toml);

    let refused = failed(&convert(&["-o", &path("one.toml"), &path("two.json")]));
    assert!(refused.contains("one.toml exists: --force overwrites it"), "{refused}");
    printed(&convert(&["-o", &path("one.toml"), "-f", &path("two.json")]));
}

#[test]
fn flags_of_the_daemon_say_what_they_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut peer = peer(folder.path(), &[]);
    peer.set_arguments(&["--stats", "--tracing", "--leave", "--upgrade", "--no-trust"]);
    peer.start().unwrap();
    for line in [
        "not in this version yet: api.pinsvcapi, api.ipfsproxy",
        "leaving at the end has no effect with crdt consensus",
        "--upgrade has no effect",
        "--no-trust has no effect without --bootstrap",
    ] {
        until_logged(&peer, line);
    }
    peer.stop().unwrap();
}
