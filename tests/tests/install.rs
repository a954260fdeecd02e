//! The files of `docs/install`: the script of the image makes a peer at its first start and becomes it; units and compose file
//! name what there is.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_testkit::{
    ports::{free_ports, loopback},
    service::Programs,
};
use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const LIMIT: Duration = Duration::from_secs(30);

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/install").join(name)
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the script and waits until the peer's API answers; returns the peer ID.
fn run(folder: &Path, ports: &[u16; 4]) -> String {
    let programs = Programs::build().unwrap();
    let path = format!("{}:{}", programs.service.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let base = folder.join("peer");
    let [rest, swarm, pinning, proxy] = ports.map(loopback);
    let child = Command::new("sh")
        .arg(file("entrypoint.sh"))
        .arg("daemon")
        .env("PATH", path)
        .env("IPFS_CLUSTER_PATH", &base)
        .env("CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS", rest)
        .env("CLUSTER_LISTENMULTIADDRESS", swarm)
        .env("CLUSTER_PINSVCAPI_HTTPLISTENMULTIADDRESS", pinning)
        .env("CLUSTER_IPFSPROXY_LISTENMULTIADDRESS", proxy)
        .env("CLUSTER_MDNSINTERVAL", "0s")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let deadline = Instant::now() + LIMIT;
    while TcpStream::connect(("127.0.0.1", ports[0])).is_err() {
        assert_eq!(running.0.try_wait().unwrap(), None, "the script ended");
        assert!(Instant::now() < deadline, "nobody answers");
        std::thread::sleep(Duration::from_millis(20));
    }
    // The script has become the peer: its process is the one that holds the lock.
    let name = fs::read_to_string(format!("/proc/{}/comm", running.0.id())).unwrap();
    assert_eq!(name.trim(), "cluster-service");
    let identity: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(base.join("identity.json")).unwrap()).unwrap();
    identity["id"].as_str().unwrap().to_owned()
}

#[test]
fn the_script_makes_a_peer_once_and_becomes_it() {
    let folder = tempfile::tempdir().unwrap();
    let ports = free_ports::<4>().unwrap();
    let first = run(folder.path(), &ports);
    assert_eq!(run(folder.path(), &ports), first);
}

#[test]
fn units_call_programs_that_exist_by_arguments_that_exist() {
    let programs = Programs::build().unwrap();
    for (unit, program, arguments) in [
        ("cluster-service.service", programs.service, "daemon"),
        ("cluster-follow@.service", programs.follow, "%i run"),
    ] {
        let text = fs::read_to_string(file(unit)).unwrap();
        let name = program.file_name().unwrap().to_str().unwrap();
        let start = format!("ExecStart=/usr/bin/{name} {arguments}");
        assert!(text.lines().any(|line| line == start), "{unit}: {start}");
        let asked: Vec<String> = arguments.replace("%i", "friends").split(' ').map(str::to_owned).collect();
        let help = Command::new(&program).args(asked).arg("--help").output().unwrap();
        assert!(help.status.success(), "{unit}: {help:?}");
    }
}
