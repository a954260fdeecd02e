//! Folders of the Go suite: made by `init`, and worked on in place.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod run_daemon;
mod run_program;

use run_daemon::start_and_stop;
use run_program::run_as;
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Output,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cluster-service");

/// What `init` of Go 1.1.6 writes, and the identity of an old peer.
const GO_FILE: &str = include_str!("../../crates/daemon/tests/fixtures/go-service.json");
const RSA: &str = include_str!("../../crates/daemon/tests/fixtures/rsa.json");

const PIN: &str = r#"{"cid":"QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn","name":"kept","type":"pin","max_depth":-1,
    "replication_factor_min":-1,"replication_factor_max":-1}"#;

/// A folder as a Go peer leaves it, on free ports.
struct GoFolder {
    folder: tempfile::TempDir,
}

impl GoFolder {
    fn new() -> Self {
        Self::changed(|_| ())
    }

    fn changed(change: impl FnOnce(&mut Value)) -> Self {
        let go = Self { folder: tempfile::tempdir().unwrap() };
        let mut config: Value = serde_json::from_str(GO_FILE).unwrap();
        config["cluster"]["listen_multiaddress"] = json!("/ip4/127.0.0.1/tcp/0");
        config["cluster"]["mdns_interval"] = json!("0s");
        config["api"]["restapi"]["http_listen_multiaddress"] = json!("/ip4/127.0.0.1/tcp/0");
        change(&mut config);
        fs::write(go.path().join("service.json"), serde_json::to_vec_pretty(&config).unwrap()).unwrap();
        let identity: Value = serde_json::from_str(RSA).unwrap();
        let identity = json!({"id": identity["id"], "private_key": identity["private_key"]});
        fs::write(go.path().join("identity.json"), identity.to_string()).unwrap();
        fs::write(go.path().join("peerstore"), "").unwrap();
        go
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn with_store(self, name: &str) -> Self {
        fs::create_dir(self.path().join(name)).unwrap();
        self
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut all = vec!["--config", self.path().to_str().unwrap()];
        all.extend(arguments);
        run_as(Path::new(PROGRAM), &all, &[], input)
    }

    fn export(&self) -> String {
        let output = self.run(&["state", "export"], "");
        assert!(output.status.success(), "{output:?}");
        text(&output.stdout)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    text(&output.stderr)
}

/// The program under the name of Go's.
fn go_name(folder: &Path) -> PathBuf {
    let name = folder.join("ipfs-cluster-service");
    symlink(PROGRAM, &name).unwrap();
    name
}

#[test]
fn called_by_the_name_of_gos_program_init_writes_gos_file() {
    let folder = tempfile::tempdir().unwrap();
    let (program, base) = (go_name(folder.path()), folder.path().join("peer"));
    let run = |program: &Path, arguments: &[&str]| {
        let variables = [("IPFS_CLUSTER_PATH", base.to_str().unwrap()), ("CLUSTER_PEERNAME", "named")];
        run_as(program, arguments, &variables, "")
    };
    let output = run(&program, &["init"]);
    let shown = text(&output.stderr);
    assert!(output.status.success(), "{output:?}");
    assert!(
        shown.contains("datastore pebble is not part of this implementation: using fjall instead"),
        "{shown}"
    );
    let file = base.join("service.json");
    assert!(shown.contains(&format!("configuration written to {}.", file.display())), "{shown}");
    assert!(!base.join("service.toml").exists());
    let read = || serde_json::from_slice::<Value>(&fs::read(&file).unwrap()).unwrap();
    let mut expected: Value = serde_json::from_str(GO_FILE).unwrap();
    expected["cluster"]["secret"] = read()["cluster"]["secret"].clone();
    expected["cluster"]["peername"] = json!("named");
    expected["datastore"]["pebble"] = json!({});
    assert_eq!(read(), expected);
    assert_eq!(read()["cluster"]["secret"].as_str().unwrap().len(), 64);

    assert!(run(&program, &["init", "--force", "--datastore", "badger3"]).status.success());
    assert_eq!(read()["datastore"], json!({"badger3": {}}));
    assert!(
        run(Path::new(PROGRAM), &["init", "-f", "--format", "json", "--datastore", "fjall"]).status.success()
    );
    assert_eq!(read()["datastore"]["fjall"]["folder"], "store");
    assert!(run(&program, &["state", "export"]).status.success(), "its own file is read back");
    // One configuration a folder.
    for (program, arguments) in
        [(Path::new(PROGRAM), &["init", "-f"][..]), (&program, &["init", "-f", "--format", "toml"])]
    {
        let error = failed(&run(program, arguments));
        assert!(error.contains("service.json exists, and a service.toml beside it"), "{error}");
    }
}

#[test]
fn a_go_folder_is_worked_on_in_place() {
    let go = GoFolder::changed(|config| {
        config["cluster"]["replication_factor"] = json!(2);
        config["informer"]["numpin"] = json!({"metric_ttl": "10s"});
    });
    let names = ["service.json", "identity.json"];
    let before = names.map(|name| fs::read(go.path().join(name)).unwrap());
    let said = start_and_stop(go.path(), &["daemon"], &[]);
    let id = serde_json::from_str::<Value>(RSA).unwrap()["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("Qm") && said.contains(&id), "{said}");
    for key in ["cluster.replication_factor: unknown key", "informer.numpin: unknown key"] {
        assert!(said.contains("passed over in ") && said.contains(key), "{said}");
    }
    assert!(said.contains("not in this version yet: api.pinsvcapi, api.ipfsproxy"), "{said}");
    assert!(said.contains("replication_factor_min=-1"), "{said}");
    assert!(!said.contains("5ec5"), "{said}");
    assert_eq!(names.map(|name| fs::read(go.path().join(name)).unwrap()), before);
    assert!(go.run(&["state", "check"], "").status.success());
}

#[test]
fn an_empty_store_beside_one_of_go_needs_a_decision() {
    for name in ["pebble", "badger", "badger3", "leveldb", "raft"] {
        let go = GoFolder::new().with_store(name);
        for arguments in
            [&["daemon"][..], &["state", "export"], &["state", "check"], &["state", "crdt", "info"]]
        {
            let error = failed(&go.run(arguments, ""));
            for part in [
                &*go.path().join(name).display().to_string(),
                "ipfs-cluster-service state export",
                "state import",
                "--join-empty",
            ] {
                assert!(error.contains(part), "{error}");
            }
            assert!(!go.path().join("store").exists(), "something was made");
        }
    }
    let moved = GoFolder::changed(|config| config["datastore"]["pebble"]["folder"] = json!("elsewhere"));
    assert!(failed(&moved.with_store("elsewhere").run(&["daemon"], "")).contains("elsewhere"));
}

#[test]
fn the_decision_is_an_import_that_succeeds() {
    let go = GoFolder::new().with_store("pebble");
    let bad = failed(&go.run(&["state", "import", "-f"], &format!("{PIN}{{\"cid\":1}}")));
    assert!(bad.contains("object 2 of the input") && bad.contains("nothing was changed"), "{bad}");
    assert!(failed(&go.run(&["daemon"], "")).contains("--join-empty"));
    assert!(go.run(&["state", "import", "-f"], PIN).status.success());
    assert!(go.export().contains("\"name\":\"kept\""));
    start_and_stop(go.path(), &["daemon"], &[]);
    // No pin at all is a decision too.
    assert!(go.run(&["state", "cleanup", "-f"], "").status.success());
    assert_eq!(go.export(), "");
    let empty = GoFolder::new().with_store("pebble");
    assert!(empty.run(&["state", "import", "-f"], "").status.success());
    assert_eq!(empty.export(), "");
}

#[test]
fn the_decision_is_to_join_empty() {
    let go = GoFolder::new().with_store("raft").with_store("pebble");
    start_and_stop(go.path(), &["daemon", "--join-empty"], &[]);
    start_and_stop(go.path(), &["daemon"], &[]);
    assert_eq!(go.export(), "");
}

#[test]
fn an_api_that_go_left_open_is_served_with_a_warning() {
    let go = GoFolder::changed(|config| {
        config["api"]["restapi"]["http_listen_multiaddress"] = json!("/ip4/0.0.0.0/tcp/0");
    });
    let said = start_and_stop(go.path(), &["daemon"], &[]);
    assert!(said.contains("ANYBODY WHO REACHES /ip4/0.0.0.0/tcp/0"), "{said}");
    let said = start_and_stop(go.path(), &["daemon", "--allow-open-api"], &[]);
    assert!(!said.contains("ANYBODY"), "{said}");
}

#[test]
fn a_raft_folder_says_how_to_move_its_pins() {
    let go = GoFolder::changed(|config| {
        config["consensus"] = json!({"raft": {"init_peerset": []}});
        config.as_object_mut().unwrap().remove("datastore");
    });
    fs::create_dir(go.path().join("raft")).unwrap();
    let error = failed(&go.run(&["daemon"], ""));
    assert!(error.contains("raft holds the state of a Go peer") && error.contains("state export"), "{error}");
    // Its pins come by an export of Go's.
    fs::write(go.path().join("pins.json"), PIN).unwrap();
    let pins = go.path().join("pins.json").display().to_string();
    let imported = go.run(&["state", "import", "--force", &pins], "");
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    start_and_stop(go.path(), &["daemon"], &[]);
    assert_eq!(go.export().lines().count(), 1);
}
