//! `cluster-follow` as a person or a script meets it (api §7), beside a peer that publishes its configuration.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::api_types::PinOptions;
use cluster_testkit::{
    file_server::FileServer,
    mock_kubo::MockKubo,
    ports::{free_ports, loopback},
    service::Programs,
};
use cluster_tests::world::{World, made_up_cid};
use std::{
    fs::{self, File},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
const NAME: &str = "friends";

/// The program with its folder and IPFS daemon.
struct Program {
    path: PathBuf,
    folder: tempfile::TempDir,
    ipfs: MockKubo,
    swarm: String,
}

impl Program {
    async fn new() -> Self {
        let [swarm] = free_ports().unwrap().map(loopback);
        Self {
            path: Programs::build().unwrap().follow,
            folder: tempfile::tempdir().unwrap(),
            ipfs: MockKubo::start().await.unwrap(),
            swarm,
        }
    }

    fn base(&self) -> PathBuf {
        self.folder.path().join("all").join(NAME)
    }

    fn socket(&self) -> PathBuf {
        self.base().join("api-socket")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command
            .env("CLUSTER_IPFSHTTP_NODEMULTIADDRESS", self.ipfs.api())
            .env("CLUSTER_LISTENMULTIADDRESS", &self.swarm)
            .env("CLUSTER_MDNSINTERVAL", "0s")
            .arg("-c")
            .arg(self.folder.path().join("all"))
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    async fn said(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        text(&output.stdout)
    }

    async fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        text(&output.stderr)
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let log = self.folder.path().join("log");
        let file = File::create(&log).unwrap();
        let mut command = self.command(arguments);
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Running { child, log }
    }

    /// Waits until the list of pins is as wanted; the peer must run.
    async fn until_listed(&self, running: &mut Running, what: &str, holds: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let output = self.run(&[NAME, "list"]).await;
            let list = text(&output.stdout);
            if output.status.success() && holds(&list) {
                return;
            }
            assert!(running.child.try_wait().unwrap().is_none(), "it ended:\n{}", running.log());
            assert!(Instant::now() < deadline, "not in time: {what}: {output:?}\n{}", running.log());
            tokio::time::sleep(POLL).await;
        }
    }
}

/// A follower that runs; it is killed when dropped.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    async fn until_logged(&mut self, wanted: &str) {
        let deadline = Instant::now() + LIMIT;
        while !self.log().contains(wanted) {
            assert!(self.child.try_wait().unwrap().is_none(), "it ended:\n{}", self.log());
            assert!(Instant::now() < deadline, "not in time: {wanted}\n{}", self.log());
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the operators of a cluster publish: the configuration of a trusted peer, made one for followers by hand.
fn published(peer: &World<MockKubo>) -> String {
    let file = fs::read_to_string(peer.peer.base().join("service.toml")).unwrap();
    let trusted = format!("\ntrusted_peers = [\"{}\"] #", peer.peer.id());
    let known = format!("\npeer_addresses = [\"{}\"] #", peer.peer.swarm_address());
    let text = file.replacen("\ntrusted_peers = ", &trusted, 1);
    match text.contains("\npeer_addresses = ") {
        true => text.replacen("\npeer_addresses = ", &known, 1),
        false => text.replacen("[cluster]\n", &format!("[cluster]{}\n", known.trim_end_matches(" #")), 1),
    }
}

#[tokio::test]
async fn a_follower_follows_a_published_cluster() {
    let trusted = World::with_mock(&[]).await.unwrap();
    let program = Program::new().await;
    let mut server = FileServer::start(&published(&trusted)).unwrap();
    let url = server.url("/friends");

    // Nothing is there; then a folder with little in it.
    assert!(program.said(&[]).await.contains("\nNo clusters configured yet!"));
    for command in ["info", "run", "list", "stop", "remove"] {
        let output = program.run(&[NAME, command]).await;
        assert_eq!(output.status.code(), Some(1), "{command}");
        let said = text(&output.stdout);
        assert!(said.starts_with("\nThis cluster peer has not been initialized."), "{command}: {said}");
    }
    assert_eq!(program.refused(&[NAME, "init"]).await, "configuration URL not provided\n");
    let said = program.said(&[NAME, "init", &url]).await;
    assert!(said.contains("Cluster \"friends\" follower peer initialized.\n\n"), "{said}");
    assert_eq!(server.asked(), 0);
    let mut files: Vec<_> = fs::read_dir(program.base()).unwrap().map(|e| e.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["identity.json", "service.toml"]);
    let again = program.refused(&[NAME, "init", &url]).await;
    assert!(again.starts_with("Configuration for this cluster already exists.\nPlease delete "), "{again}");
    assert!(program.said(&[]).await.contains("Configurations found for 1 follower peers."));
    let info = |cluster: bool| {
        format!(
            "Information about follower peer for Cluster \"friends\":\n\nConfig folder: {}\n\
             Config source URL: Available ({url})\nCluster Peer online: {cluster}\nIPFS peer online: true\n",
            program.base().display()
        )
    };
    assert_eq!(program.said(&[NAME, "info"]).await, info(false));
    assert!(program.said(&[NAME]).await.starts_with(&(info(false) + "\nAdditional help:\n\n")));
    assert_eq!(program.said(&[NAME, "list"]).await, "");
    assert!(!program.base().join("store").exists(), "a list made a store");

    // It follows pins and unpins. What a crash left where its socket belongs does not keep it from that.
    let pins: Vec<_> = (1..=3).map(|number| made_up_cid(number).unwrap()).collect();
    for (number, cid) in pins.iter().enumerate() {
        let options = PinOptions { name: format!("pin {number}"), ..PinOptions::default() };
        trusted.pin(cid, &options).await.unwrap();
    }
    drop(UnixListener::bind(program.socket()).unwrap());
    let mut running = program.start(&[NAME, "run"]);
    let lines = |status: &str, all: &[usize]| {
        let line = |number: &usize| format!("{status:<20} {} pin {number}\n", pins[*number]);
        let mut lines: Vec<String> = all.iter().map(line).collect();
        lines.sort();
        lines.concat()
    };
    program.until_listed(&mut running, "all pins", |list| sorted(list) == lines("pinned", &[0, 1, 2])).await;
    trusted.unpin(&pins[1]).await.unwrap();
    program.until_listed(&mut running, "the unpin", |list| sorted(list) == lines("pinned", &[0, 2])).await;
    let gone = |ipfs: &MockKubo| ipfs.pinned(&pins[1]).is_none();
    assert!(program.ipfs.wait_until(LIMIT, gone).await, "the IPFS daemon still has it");
    assert_eq!(program.said(&[NAME, "info"]).await, info(true));
    assert!(running.log().starts_with("Starting the IPFS Cluster follower peer for \"friends\".\nCTRL-C"));

    // There is one at a time, and it is not removed meanwhile.
    for command in [&["run"][..], &["remove", "--force"]] {
        let error = program.refused(&[&[NAME], command].concat()).await;
        assert!(error.contains("someone else has the lock"), "{error}");
    }
    assert!(program.said(&[NAME, "stop"]).await.contains("has stopped"));
    assert!(running.child.wait().unwrap().success(), "{}", running.log());
    assert!(!program.socket().exists(), "the socket stayed");
    assert!(program.said(&[NAME, "stop"]).await.contains("does not run"));
    assert_eq!(sorted(&program.said(&[NAME, "list"]).await), lines("offline", &[0, 2]));

    // Without the URL it goes by the copy, and after a crash it starts again.
    server.shut();
    let failed = format!("Config source URL: failed retrieving configuration source ({url})\n");
    assert!(program.said(&[NAME, "info"]).await.contains(&failed));
    for _ in 0..2 {
        let mut running = program.start(&[NAME, "run", "--init", &url]);
        running.until_logged("peer started").await;
        assert!(running.log().contains("--init is skipped"), "{}", running.log());
        assert!(running.log().contains("using the copy of"), "{}", running.log());
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        assert!(program.socket().exists(), "a crash leaves the socket");
    }
    assert_eq!(sorted(&program.said(&[NAME, "list"]).await), lines("offline", &[0, 2]));

    assert!(program.refused(&[NAME, "remove"]).await.contains("use --force"));
    program.said(&[NAME, "remove", "--force"]).await;
    assert!(!program.base().exists());
}

fn sorted(list: &str) -> String {
    let mut lines: Vec<&str> = list.split_inclusive('\n').collect();
    lines.sort_unstable();
    lines.concat()
}

#[tokio::test]
async fn a_name_is_looked_up_by_the_gateway_and_the_ipfs_daemon_is_waited_for() {
    let program = Program::new().await;
    let server = FileServer::start("").unwrap();
    server.answer("500 Internal Server Error", &[], "no link");
    program.ipfs.shut();
    let gateway = server.url("");
    let mut running =
        program.start(&[NAME, "run", "--init", "example.org", "--gateway", &gateway["http://".len()..]]);
    running.until_logged("Checking if IPFS is online").await;
    assert_eq!(server.asked(), 0);
    program.ipfs.reopen().await.unwrap();
    let deadline = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = running.child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "{}", running.log());
        tokio::time::sleep(POLL).await;
    };
    assert_eq!(status.code(), Some(1));
    assert!(running.log().contains("unsuccessful request (500): no link"), "{}", running.log());
    assert!(server.last_request().starts_with("GET /ipns/example.org "), "{}", server.last_request());

    // A signal ends the wait.
    program.ipfs.shut();
    let mut running = program.start(&[NAME, "run"]);
    running.until_logged("Checking if IPFS is online").await;
    assert!(program.said(&[NAME, "stop"]).await.contains("has stopped"));
    assert_eq!(running.child.wait().unwrap().code(), Some(1), "{}", running.log());
}

#[tokio::test]
async fn gos_name_makes_gos_file() {
    let mut program = Program::new().await;
    let link = program.folder.path().join("ipfs-cluster-follow");
    std::os::unix::fs::symlink(&program.path, &link).unwrap();
    program.path = link;
    let said = program.said(&[NAME, "init", "example.org"]).await;
    assert!(said.contains("http://127.0.0.1:8080/ipns/example.org"), "{said}");
    assert!(said.contains("ipfs-cluster-follow \"friends\" run"), "{said}");
    let written = fs::read_to_string(Path::new(&program.base()).join("service.json")).unwrap();
    assert_eq!(written, "{\n  \"source\": \"http://127.0.0.1:8080/ipns/example.org\"\n}");
    assert!(program.said(&["--version"]).await.starts_with("ipfs-cluster-follow version "));
    let output = program.run(&[NAME, "nonsense"]).await;
    assert_eq!(output.status.code(), Some(3));
    assert!(program.refused(&["../friends", "info"]).await.contains("cannot be the name of a cluster"));
}
