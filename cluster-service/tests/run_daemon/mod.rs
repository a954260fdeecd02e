//! Starting the daemon and stopping it once it has started.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, Stdio},
};

/// Runs the daemon until it says that it has started, hangs up, and returns all it said.
pub(crate) fn start_and_stop(base: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cluster-service"))
        .arg("--config")
        .arg(base)
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        // Nobody answers there.
        .env("CLUSTER_IPFSHTTP_NODEMULTIADDRESS", "/ip4/127.0.0.1/tcp/1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    while lines.read_line(&mut said).unwrap() > 0 {
        if said.contains("peer started") {
            break;
        }
    }
    assert!(Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap().success());
    lines.read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    assert!(!base.join("cluster.lock").exists(), "the lock is released");
    said
}
