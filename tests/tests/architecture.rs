//! The map of crates: which may import which. An import that is not on the map fails this test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

/// Each crate with what it may import of ours.
const MAP: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("runtime", &["core"]),
    ("api-types", &["core"]),
    ("datastore", &["runtime", "core"]),
    ("swarm", &["runtime", "core"]),
    ("consensus", &["runtime", "core"]),
    ("ipfs", &["runtime", "core"]),
    ("peer", &["runtime", "core"]),
    ("adder", &["runtime", "core"]),
    ("api", &["api-types", "runtime", "core"]),
    (
        "daemon",
        &["core", "runtime", "api-types", "datastore", "swarm", "consensus", "ipfs", "peer", "adder", "api"],
    ),
    ("client", &["api-types"]),
    ("cli", &[]),
    ("service", &["daemon", "cli"]),
    ("follow", &["daemon", "client", "cli"]),
    ("ctl", &["client", "swarm", "cli"]),
    (
        "testkit",
        &[
            "core",
            "runtime",
            "api-types",
            "datastore",
            "swarm",
            "consensus",
            "ipfs",
            "peer",
            "adder",
            "api",
            "daemon",
            "client",
        ],
    ),
    ("tests", &["testkit", "client"]),
];

/// Crates that `core` may not reach, directly or through others.
const NOT_BELOW_CORE: &[&str] = &["tokio", "libp2p", "fjall", "sled", "axum", "reqwest", "openraft"];

fn metadata(arguments: &[&str]) -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn short(name: &str) -> Option<&str> {
    name.strip_prefix("cluster-")
}

#[test]
fn every_import_is_on_the_map() {
    let map: BTreeMap<&str, BTreeSet<&str>> =
        MAP.iter().map(|(name, imports)| (*name, imports.iter().copied().collect())).collect();
    let metadata = metadata(&["--no-deps"]);
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages.iter().filter_map(|p| short(p["name"].as_str()?)).collect();
    let mut seen = 0;
    for package in packages {
        let name = short(package["name"].as_str().unwrap()).expect("every crate of ours is named cluster-…");
        let allowed = map.get(name).unwrap_or_else(|| panic!("crate {name} is not on the map"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let Some(import) = short(dependency["name"].as_str().unwrap()).filter(|d| ours.contains(d))
            else {
                continue;
            };
            if dependency["kind"].as_str() == Some("dev") {
                continue;
            }
            seen += 1;
            assert!(allowed.contains(import), "{name} may not import {import}");
        }
    }
    assert!(seen > 10, "the map was compared with {seen} imports only");
}

#[test]
fn core_knows_no_runtime_network_or_engine() {
    // Crates of other platforms are not downloaded.
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = metadata(&["--filter-platform", host]);
    let names: BTreeMap<&str, &str> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["id"].as_str().unwrap(), p["name"].as_str().unwrap()))
        .collect();
    let nodes: BTreeMap<&str, &serde_json::Value> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["id"].as_str().unwrap(), node))
        .collect();
    let core = *names.iter().find(|(_, name)| **name == "cluster-core").unwrap().0;
    let (mut reached, mut next) = (BTreeSet::new(), vec![core]);
    while let Some(id) = next.pop() {
        if !reached.insert(id) {
            continue;
        }
        for dependency in nodes[id]["deps"].as_array().unwrap() {
            let normal = dependency["dep_kinds"].as_array().unwrap().iter().any(|k| k["kind"].is_null());
            if normal {
                next.push(dependency["pkg"].as_str().unwrap());
            }
        }
    }
    assert!(reached.len() > 5);
    for id in reached {
        assert!(!NOT_BELOW_CORE.contains(&names[id]), "core reaches {}", names[id]);
    }
}
