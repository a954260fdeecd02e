//! Files of the Go suite.

use super::{SECRET, effective, nothing};
use crate::config::{Config, ConfigError, ConfigFormat, CrdtConfig, Environment, TrustedPeers};
use cluster_datastore::EngineKind;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What `init` of Go 1.1.6 writes, with a secret and a name of its own.
const GO_FILE: &str = include_str!("../../../tests/fixtures/go-service.json");

fn parse_with(text: &str, environment: &Environment) -> Result<(Config, Vec<String>), ConfigError> {
    let path = Path::new("/nowhere/service.json");
    let (config, warnings) = Config::from_text(text, path, ConfigFormat::Json, environment)?;
    Ok((config, warnings.iter().map(ToString::to_string).collect()))
}

fn parse(tree: &Value) -> (Config, Vec<String>) {
    parse_with(&tree.to_string(), &nothing()).unwrap()
}

fn mistakes(tree: &Value) -> String {
    parse_with(&tree.to_string(), &nothing()).unwrap_err().to_string()
}

fn go_file() -> Value {
    serde_json::from_str(GO_FILE).unwrap()
}

/// The file with one thing changed.
fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut tree = go_file();
    change(&mut tree);
    tree
}

fn crdt(config: &Config) -> &CrdtConfig {
    config.consensus.crdt().unwrap()
}

#[test]
fn what_go_writes_is_what_a_new_configuration_of_ours_holds() {
    let (config, warnings) = parse(&go_file());
    assert_eq!(warnings, [""; 0]);
    let environment = Environment::of([("CLUSTER_SECRET", SECRET), ("CLUSTER_PEERNAME", "go-peer")]);
    let initial = Config::initial(Path::new("/nowhere"), &environment).unwrap();
    assert_eq!(config, Config { format: ConfigFormat::Json, ..initial.clone() });
    // And written by us it is Go's, but for the settings of Go's datastore.
    let written: Value = serde_json::from_str(&initial.to_json("pebble")).unwrap();
    assert_eq!(written, changed(|tree| tree["datastore"]["pebble"] = json!({})));
    assert!(initial.to_json("pebble").starts_with("{\n  \"cluster\": {\n    \"peername\": \"go-peer\",\n"));
}

#[test]
fn what_is_written_reads_back_equal() {
    let environment = Environment::of([
        ("CLUSTER_SECRET", SECRET),
        (
            "CLUSTER_PEERADDRESSES",
            "/ip4/10.0.0.1/tcp/9096/p2p/12D3KooWEzimCSQfZVrDWeSuz9ybdt3L8G4ioYfsXeRRhN3cwsQW",
        ),
        ("CLUSTER_RESTAPI_BASICAUTHCREDENTIALS", "user:word"),
        ("CLUSTER_FJALL_FOLDER", "elsewhere"),
        ("CLUSTER_FOLLOWERMODE", "true"),
    ]);
    let config = Config::initial(Path::new("/nowhere"), &environment).unwrap();
    let text = config.to_json("pebble");
    let (again, warnings) = parse_with(&text, &nothing()).unwrap();
    assert_eq!(warnings, [""; 0]);
    assert_eq!(again, Config { format: ConfigFormat::Json, ..config });
    let tree: Value = serde_json::from_str(&text).unwrap();
    assert!(tree["cluster"]["peer_addresses"].is_array(), "Go takes nothing else");
    let names: Vec<&String> = tree["datastore"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["fjall", "pebble"]);
}

#[test]
fn sled_may_stand_beside_the_store_of_go() {
    let (config, warnings) = parse(&changed(|tree| tree["datastore"]["sled"] = json!({"folder": "s"})));
    assert_eq!(warnings, [""; 0]);
    assert_eq!(
        (config.datastore.engine, config.datastore.folder.as_path()),
        (EngineKind::Sled, Path::new("s"))
    );
    let written: Value = serde_json::from_str(&config.to_json("pebble")).unwrap();
    let budget = effective(&config, "datastore.sled.memory_budget");
    assert_eq!(written["datastore"], json!({"sled": {"folder": "s", "memory_budget": budget}, "pebble": {}}));
    let alone: Value = serde_json::from_str(&config.to_json("sled")).unwrap();
    assert_eq!(parse(&alone).0.datastore, config.datastore);
    assert_eq!(alone["datastore"].as_object().unwrap().len(), 1);
}

#[test]
fn unknown_keys_are_passed_over_with_a_warning() {
    let (config, warnings) = parse(&changed(|tree| {
        tree["cluster"]["replication_factor"] = json!(3);
        tree["monitor"]["monbasic"] = json!({"check_interval": "15s"});
        tree["informer"]["numpin"] = json!({"metric_ttl": "10s"});
        tree["cluster"]["secrett"] = json!("5ec5ec");
        tree["cluster"]["gone"] = Value::Null;
    }));
    assert_eq!(config.cluster.replication.min, -1);
    let expected = ["cluster.replication_factor", "cluster.secrett", "informer.numpin", "monitor.monbasic"];
    assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
    for (warning, key) in warnings.iter().zip(expected) {
        assert!(
            warning.starts_with(&format!("{key}: unknown key")) && warning.contains("(line "),
            "{warning}"
        );
        assert!(!warning.contains("5ec5"), "{warning}");
    }
}

#[test]
fn what_is_missing_means_what_it_means_to_go() {
    let tree = json!({
        "cluster": {"listen_multiaddress": "/ip4/127.0.0.1/tcp/9096"},
        "consensus": {"crdt": {}},
        "api": {"restapi": {}},
        "informer": {"tags": {}, "pinqueue": {}, "disk": {}},
    });
    let (config, _) = parse(&tree);
    assert!(!config.cluster.enable_relay_hop && !config.cluster.disable_repinning);
    assert_eq!(config.cluster.secret, None);
    assert_eq!(crdt(&config).trusted_peers, TrustedPeers::Only(Vec::new()));
    assert_eq!(effective(&config, "api.restapi.cors_allowed_origins"), json!([]));
    assert_eq!(effective(&config, "api.restapi.cors_allow_credentials"), json!(false));
    assert_eq!(effective(&config, "informer.tags.tags"), json!({}));
    assert_eq!(effective(&config, "informer.pinqueue.weight_bucket_size"), json!(0));
    assert_eq!((&config.pinsvcapi, &config.ipfsproxy), (&None, &None));
    // A variable stands over it.
    let environment = Environment::of([("CLUSTER_DISABLEREPINNING", "true")]);
    assert!(parse_with(&tree.to_string(), &environment).unwrap().0.cluster.disable_repinning);

    let zeros = changed(|tree| {
        tree["pin_tracker"]["stateless"]["concurrent_pins"] = json!(0);
        tree["cluster"]["replication_factor_min"] = json!(0);
        tree["cluster"]["replication_factor_max"] = json!(0);
    });
    let (config, _) = parse(&zeros);
    assert_eq!((config.tracker.concurrent_pins, config.cluster.replication.max), (10, -1));
}

#[test]
fn mistakes_are_reported_with_their_lines() {
    let text = GO_FILE.replace("\"dial_peer_timeout\": \"3s\"", "\"dial_peer_timeout\": \"three\"");
    let line = 1 + text.lines().position(|line| line.contains("three")).unwrap();
    let error = parse_with(&text, &nothing()).unwrap_err().to_string();
    assert!(
        error.starts_with("1 mistake in /nowhere/service.json:\n  cluster.dial_peer_timeout:"),
        "{error}"
    );
    assert!(error.ends_with(&format!("(line {line})")), "{error}");
    let error = parse_with(&GO_FILE[..GO_FILE.len() - 10], &nothing()).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/service.json is not valid JSON:\n  line "), "{error}");

    for (tree, expected) in [
        (
            changed(|tree| drop(tree["cluster"].as_object_mut().unwrap().remove("listen_multiaddress"))),
            "cluster.listen_multiaddress is undefined",
        ),
        (changed(|tree| tree["consensus"]["raft"] = json!({})), "expected one consensus"),
        (changed(|tree| tree["consensus"] = json!({})), "no consensus section"),
        (changed(|tree| tree["cluster"]["secret"] = json!(12345678)), "a value that is not a text"),
    ] {
        let error = mistakes(&tree);
        assert!(error.contains(expected) && !error.contains("12345678"), "{error}");
    }
}

#[test]
fn the_folder_of_a_go_datastore_is_known() {
    let moved = changed(|tree| tree["datastore"]["pebble"]["folder"] = json!("moved/away"));
    assert_eq!(parse(&moved).0.go_stores, [PathBuf::from("moved/away")]);
    let environment = Environment::of([("CLUSTER_PEBBLE_FOLDER", "/over/there")]);
    let (config, _) = parse_with(&moved.to_string(), &environment).unwrap();
    assert_eq!(config.go_stores, [PathBuf::from("/over/there")]);
}
