//! The commands of `docs/migrating-from-go.md`, run as they stand there with real Kubo daemons. Those that need a
//! program of the Go suite run where `CLUSTER_GO_BIN` names a folder with those of 1.1.6; elsewhere a peer of this
//! suite in a folder with a `service.json` stands in for Go's, and its state is put away as if it were Go's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use cluster_client::{Cid, Client, Scope, TrackerStatus, api_types::PinOptions};
use cluster_testkit::{
    kubo::{Kubo, KuboBinary},
    service::{Programs, Service},
};
use cluster_tests::{
    cluster::{pinset, random_secret},
    guide::{Block, Machine, Section, lay_out_programs},
    world::{client_of, ipfs_path},
};
use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const GUIDE: &str = include_str!("../../docs/migrating-from-go.md");

/// An identity with a key of RSA.
const RSA: &str = include_str!("../../crates/daemon/tests/fixtures/rsa.json");

/// Go tells heads again within 2.6 minutes.
const LIMIT: Duration = Duration::from_secs(200);

/// A daemon of Go 1.1.6 that is stopped right after its start may wait for itself for ever.
const YOUNG: Duration = Duration::from_secs(3);

fn go_bin() -> Option<PathBuf> {
    let bin = std::env::var_os("CLUSTER_GO_BIN").map(PathBuf::from);
    if bin.is_none() {
        println!("skipped: CLUSTER_GO_BIN names no folder");
    }
    bin
}

/// Where everything is.
struct Lab {
    folder: tempfile::TempDir,
    go: Option<PathBuf>,
    secret: String,
}

impl Lab {
    fn new() -> Self {
        let lab =
            Self { folder: tempfile::tempdir().unwrap(), go: go_bin(), secret: random_secret().unwrap() };
        let programs = Programs::build().unwrap();
        let go = lab.go.as_ref().map(|bin| bin.join("ipfs-cluster-service"));
        fs::create_dir(lab.programs()).unwrap();
        lay_out_programs(&lab.programs(), &programs.service, &programs.ctl, go.as_deref()).unwrap();
        fs::create_dir(lab.path("stand-in")).unwrap();
        std::os::unix::fs::symlink(&programs.service, lab.path("stand-in/ipfs-cluster-service")).unwrap();
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn programs(&self) -> PathBuf {
        self.path("programs")
    }

    /// Makes a peer of Go's, or one that stands in for it; `more` are variables for its `init`.
    async fn peer(&self, name: &str, more: &[(&str, &str)]) -> Peer {
        let stand_in = self.path("stand-in");
        let program = self.go.as_deref().unwrap_or(&stand_in).join("ipfs-cluster-service");
        let ipfs = Kubo::start(&KuboBinary::find_or_build(None).unwrap()).unwrap();
        let mut variables = vec![
            ("CLUSTER_SECRET", self.secret.as_str()),
            ("CLUSTER_PEERNAME", name),
            ("CLUSTER_IPFSHTTP_CONNECTSWARMSDELAY", "2s"),
        ];
        variables.extend(more);
        let folder = Service::init(&program, &self.path(name), ipfs.api(), &variables).unwrap();
        let mut machine =
            Machine::new(&self.path(&format!("{name}-work")), &self.programs(), folder.rest()).unwrap();
        machine.set("IPFS_CLUSTER_PATH", folder.base().to_str().unwrap());
        let client = client_of(&folder).await.unwrap();
        let held_before = ipfs.pins("recursive").unwrap();
        Peer {
            name: name.to_owned(),
            go: self.go.is_some(),
            ipfs,
            folder,
            machine,
            client,
            started: Instant::now(),
            held_before,
        }
    }

    /// Runs a block unless it needs what is not there; says whether it ran.
    fn may_run(&self, block: &Block) -> bool {
        !block.needs_go || self.go.is_some()
    }
}

/// One peer: its folder, the machine its commands are run on, its IPFS daemon.
struct Peer {
    name: String,
    go: bool,
    ipfs: Kubo,
    folder: Service,
    machine: Machine,
    client: Client,
    started: Instant,
    /// What the IPFS daemon has pinned by itself.
    held_before: Vec<String>,
}

impl Peer {
    async fn start(&mut self, block: &Block) {
        println!("{}$ {}", self.name, block.text.trim());
        self.machine.start(block).unwrap();
        self.started = Instant::now();
        // The one before has connections to a process that is gone.
        self.client = client_of(&self.folder).await.unwrap();
    }

    /// Starts the peer that is there before the migration.
    async fn start_old(&mut self, arguments: &str) {
        let program = if self.go { "ipfs-cluster-service" } else { "cluster-service" };
        self.start(&daemon(&format!("{program} daemon {arguments}"))).await;
    }

    fn run(&self, block: &Block) -> String {
        let printed = self.machine.run(block).unwrap();
        println!("{}$ {}{printed}", self.name, block.text);
        printed
    }

    fn stop(&mut self, block: &Block) {
        std::thread::sleep(YOUNG.saturating_sub(self.started.elapsed()));
        self.run(block);
        self.machine.wait().unwrap();
    }

    /// Has a peer that stood in for one of Go's leave behind what Go's would: a state that this suite does not read.
    fn leave_state_as_go(&self) {
        if !self.go {
            fs::remove_dir_all(self.folder.base().join("store")).unwrap();
            fs::create_dir(self.folder.base().join("pebble")).unwrap();
        }
    }

    /// Adds random content to the IPFS daemon, unpinned.
    fn add(&self) -> Cid {
        let file = self.machine.file("content");
        let mut random = File::open("/dev/urandom").unwrap().take(1 << 18);
        std::io::copy(&mut random, &mut File::create(&file).unwrap()).unwrap();
        self.ipfs.add(&file).unwrap().parse().unwrap()
    }

    async fn pin(&self, cid: &Cid, name: &str) {
        let options = PinOptions { name: name.to_owned(), ..PinOptions::default() };
        self.client.pin(&ipfs_path(cid).unwrap(), &options).await.unwrap();
    }

    async fn unpin(&self, cid: &Cid) {
        self.client.unpin(&ipfs_path(cid).unwrap()).await.unwrap();
    }

    fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.base().join(name)).unwrap()
    }
}

fn daemon(text: &str) -> Block {
    Block { needs_go: false, is_daemon: true, text: format!("{}\n", text.trim()) }
}

fn kill() -> Block {
    Block { needs_go: false, is_daemon: false, text: "kill -TERM \"$PID\"\n".to_owned() }
}

/// Waits until something holds that has no event.
async fn until(what: &str, peers: &[&Peer], mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds().await {
        let logs = peers.iter().map(|peer| format!("{}:\n{}", peer.name, peer.machine.log()));
        assert!(Instant::now() < deadline, "not in time: {what}\n{}", logs.collect::<Vec<_>>().join("\n"));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn until_all_see_each_other(peers: &[&Peer]) {
    for peer in peers {
        until(&format!("{} sees all", peer.name), peers, async || {
            let seen = peer.client.id().await.ok().and_then(|id| id.cluster_peers).unwrap_or_default();
            seen.len() == peers.len()
        })
        .await;
    }
}

/// Waits until all peers have exactly these pins, and their IPFS daemons too.
async fn until_pinned(peers: &[&Peer], cids: &[&Cid]) {
    let mut expected: Vec<String> = cids.iter().map(ToString::to_string).collect();
    expected.sort();
    for peer in peers {
        until(&format!("{} has {expected:?}", peer.name), peers, async || {
            let Ok(pins) = pinset(&peer.client).await else { return false };
            if !pins.into_keys().eq(expected.iter().cloned()) {
                return false;
            }
            for cid in cids {
                let status = peer.client.status(cid, Scope::Cluster).await.unwrap();
                let statuses: Vec<_> = status.peer_map.into_iter().flatten().map(|(_, s)| s.status).collect();
                if statuses != vec![TrackerStatus::Pinned; peers.len()] {
                    return false;
                }
            }
            true
        })
        .await;
        until(&format!("the daemon of {} has {expected:?}", peer.name), peers, async || {
            let mut held = peer.ipfs.pins("recursive").unwrap();
            held.retain(|cid| !peer.held_before.contains(cid));
            held.sort();
            held == expected
        })
        .await;
    }
}

#[tokio::test]
async fn peer_by_peer_and_back() {
    let lab = Lab::new();
    let (mut other, mut moved) = (lab.peer("other", &[]).await, lab.peer("moved", &[]).await);
    // Old peers have keys of RSA.
    let rsa: serde_json::Value = serde_json::from_str(RSA).unwrap();
    let rsa = serde_json::json!({"id": rsa["id"], "private_key": rsa["private_key"]});
    fs::write(moved.folder.base().join("identity.json"), rsa.to_string()).unwrap();
    moved.machine.set("OTHER", other.folder.swarm_address());
    other.start_old("").await;
    moved.start_old("--bootstrap \"$OTHER\"").await;
    until_all_see_each_other(&[&other, &moved]).await;
    let [a, b, c] = [other.add(), other.add(), moved.add()];
    other.pin(&a, "first").await;
    moved.pin(&b, "second").await;
    until_pinned(&[&other, &moved], &[&a, &b]).await;
    let files = ["service.json", "identity.json"];
    let before = files.map(|name| moved.file(name));

    let mut guide = Section::read(GUIDE, "Peer by peer, while the cluster runs").unwrap();
    assert!(moved.run(&guide.next("pins.before").unwrap()).contains("Sees 1 other peers"));
    let (status, said) = moved.machine.try_run("cluster-service daemon --join-empty").unwrap();
    assert!(!status.success() && said.contains("someone else has the lock"), "{said}");
    moved.stop(&guide.next("kill").unwrap());
    let export = guide.next("state export").unwrap();
    if lab.may_run(&export) {
        moved.run(&export);
        assert_eq!(fs::read_to_string(moved.machine.file("pins.json")).unwrap().lines().count(), 2);
    }
    moved.leave_state_as_go();
    let (status, said) = moved.machine.try_run("cluster-service daemon").unwrap();
    assert!(!status.success() && said.contains("pebble holds the state of a Go peer"), "{said}");
    moved.start(&guide.next("--join-empty").unwrap()).await;
    let diff = guide.next("diff").unwrap();
    assert_eq!(moved.machine.run_until(&diff).unwrap(), "");
    until_all_see_each_other(&[&other, &moved]).await;
    let told = moved.run(&guide.next("status").unwrap());
    assert_eq!(told.matches("Sees 1 other peers").count(), 2, "{told}");
    assert!(!told.contains("ERROR") && told.contains(rsa["id"].as_str().unwrap()), "{told}");
    guide.end().unwrap();
    until_pinned(&[&other, &moved], &[&a, &b]).await;
    assert_eq!(files.map(|name| moved.file(name)), before, "the folder is still Go's");

    // A full member, and still one after a start without the flag.
    moved.pin(&c, "third").await;
    moved.unpin(&a).await;
    until_pinned(&[&other, &moved], &[&b, &c]).await;
    moved.stop(&kill());
    moved.start(&daemon("cluster-service daemon")).await;
    until_all_see_each_other(&[&other, &moved]).await;
    until_pinned(&[&other, &moved], &[&b, &c]).await;

    let mut guide = Section::read(GUIDE, "Back to Go, peer by peer").unwrap();
    moved.stop(&guide.next("kill").unwrap());
    let back = guide.next("ipfs-cluster-service daemon").unwrap();
    guide.end().unwrap();
    if lab.may_run(&back) {
        moved.start(&back).await;
        until_all_see_each_other(&[&other, &moved]).await;
        until_pinned(&[&other, &moved], &[&b, &c]).await;
        moved.unpin(&b).await;
        until_pinned(&[&other, &moved], &[&c]).await;
    }
}

#[tokio::test]
async fn the_whole_cluster_and_back() {
    let lab = Lab::new();
    let (mut first, mut second) = (lab.peer("first", &[]).await, lab.peer("second", &[]).await);
    second.machine.set("OTHER", first.folder.swarm_address());
    first.start_old("").await;
    second.start_old("--bootstrap \"$OTHER\"").await;
    until_all_see_each_other(&[&first, &second]).await;
    let [a, b] = [first.add(), second.add()];
    first.pin(&a, "first").await;
    second.pin(&b, "second").await;
    until_pinned(&[&first, &second], &[&a, &b]).await;
    first.stop(&kill());
    second.stop(&kill());

    let mut guide = Section::read(GUIDE, "The whole cluster, by export and import").unwrap();
    let export = guide.next("state export").unwrap();
    if lab.may_run(&export) {
        first.run(&export);
    } else {
        let text = export.text.replace("ipfs-cluster-service", "cluster-service");
        first.run(&Block { needs_go: false, text, ..export });
    }
    first.leave_state_as_go();
    second.leave_state_as_go();
    // What is for Raft works on any folder of Go.
    first.machine.set("OLD", first.folder.base().to_str().unwrap());
    first.machine.set("NEW", lab.path("new").to_str().unwrap());
    first.run(&guide.next("CLUSTER_SECRET").unwrap());
    assert_eq!(fs::read(lab.path("new/identity.json")).unwrap(), first.file("identity.json"));
    assert!(fs::read_to_string(lab.path("new/service.toml")).unwrap().contains(&lab.secret));

    first.run(&guide.next("state import").unwrap());
    first.start(&guide.next("cluster-service daemon\n").unwrap()).await;
    second.start(&guide.next("--join-empty").unwrap()).await;
    until_all_see_each_other(&[&first, &second]).await;
    until_pinned(&[&first, &second], &[&a, &b]).await;
    second.run(&guide.next("pin ls").unwrap());
    assert_eq!(fs::read_to_string(second.machine.file("pins.after")).unwrap().lines().count(), 2);
    guide.end().unwrap();
    second.unpin(&b).await;
    until_pinned(&[&first, &second], &[&a]).await;
    first.stop(&kill());
    second.stop(&kill());

    let mut guide = Section::read(GUIDE, "Back to Go, the whole cluster").unwrap();
    first.run(&guide.next("state export").unwrap());
    let exported = fs::read_to_string(first.machine.file("pins.json")).unwrap();
    assert!(exported.lines().count() == 1 && exported.contains(&a.to_string()), "{exported}");
    let blocks =
        ["state import", "daemon\n", "state cleanup", "--bootstrap"].map(|part| guide.next(part).unwrap());
    guide.end().unwrap();
    if blocks.iter().all(|block| lab.may_run(block)) {
        let [import, daemon, cleanup, join] = blocks;
        first.run(&import);
        first.start(&daemon).await;
        second.run(&cleanup);
        second.start(&join).await;
        until_all_see_each_other(&[&first, &second]).await;
        until_pinned(&[&first, &second], &[&a]).await;
    }
}

#[tokio::test]
async fn the_pins_of_a_raft_cluster_are_moved() {
    if go_bin().is_none() {
        return;
    }
    let lab = Lab::new();
    let old = lab.path("raft");
    let ipfs = Kubo::start(&KuboBinary::find_or_build(None).unwrap()).unwrap();
    // Ports and the daemon's address are in the new folder; this one only lends them to Go.
    let mut peer = lab.peer("carrier", &[]).await;
    for (name, value) in peer.folder.variables() {
        peer.machine.set(name, value);
    }
    peer.machine.set("CLUSTER_IPFSHTTP_NODEMULTIADDRESS", ipfs.api());
    peer.machine.set("IPFS_CLUSTER_PATH", old.to_str().unwrap());
    let init = "ipfs-cluster-service init --consensus raft";
    assert!(peer.machine.try_run(init).unwrap().0.success());
    peer.start(&daemon("ipfs-cluster-service daemon")).await;
    peer.held_before = ipfs.pins("recursive").unwrap();
    peer.ipfs = ipfs;
    until("the leader is there", &[&peer], async || {
        peer.client.id().await.is_ok_and(|id| id.error.is_empty())
    })
    .await;
    let cid = peer.add();
    until("it is pinned", &[&peer], async || {
        let options = PinOptions { name: "kept".into(), ..PinOptions::default() };
        peer.client.pin(&ipfs_path(&cid).unwrap(), &options).await.is_ok()
    })
    .await;
    until_pinned(&[&peer], &[&cid]).await;
    peer.stop(&kill());

    let mut guide = Section::read(GUIDE, "The whole cluster, by export and import").unwrap();
    peer.run(&guide.next("state export").unwrap());
    let (status, said) = peer.machine.try_run("cluster-service daemon").unwrap();
    assert!(!status.success() && said.contains("Raft consensus is not in this version"), "{said}");
    peer.machine.set("OLD", old.to_str().unwrap());
    peer.machine.set("NEW", lab.path("new").to_str().unwrap());
    peer.run(&guide.next("CLUSTER_SECRET").unwrap());
    peer.machine.set("IPFS_CLUSTER_PATH", lab.path("new").to_str().unwrap());
    peer.run(&guide.next("state import").unwrap());
    peer.start(&guide.next("cluster-service daemon").unwrap()).await;
    until_pinned(&[&peer], &[&cid]).await;
    assert_eq!(pinset(&peer.client).await.unwrap()[&cid.to_string()], "kept");
}

#[test]
fn back_from_a_folder_of_this_suite() {
    let lab = Lab::new();
    let mut machine = Machine::new(&lab.path("work"), &lab.programs(), "/ip4/127.0.0.1/tcp/1").unwrap();
    let (old, new) = (lab.path("old"), lab.path("new"));
    machine.set("OLD", old.to_str().unwrap());
    machine.set("NEW", new.to_str().unwrap());
    assert!(machine.try_run("cluster-service --config \"$OLD\" init").unwrap().0.success());
    fs::write(old.join("peerstore"), "/ip4/192.0.2.1/tcp/9096\n").unwrap();
    let mut guide = Section::read(GUIDE, "Back to Go from a service.toml").unwrap();
    machine.run(&guide.next("--format json").unwrap()).unwrap();
    guide.end().unwrap();
    for name in ["identity.json", "peerstore"] {
        assert_eq!(fs::read(old.join(name)).unwrap(), fs::read(new.join(name)).unwrap());
    }
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(new.join("service.json")).unwrap()).unwrap();
    let secret = config["cluster"]["secret"].as_str().unwrap();
    assert!(secret.len() == 64 && fs::read_to_string(old.join("service.toml")).unwrap().contains(secret));
    assert_eq!(config["datastore"], serde_json::json!({"pebble": {}}));
    if lab.go.is_some() {
        let (status, said) = machine.try_run("ipfs-cluster-service --config \"$NEW\" state export").unwrap();
        assert!(status.success(), "{said}");
    }
}

#[test]
fn every_command_of_the_guide_is_in_a_section_that_is_run() {
    let run = [
        "Peer by peer, while the cluster runs",
        "The whole cluster, by export and import",
        "Back to Go, peer by peer",
        "Back to Go, the whole cluster",
        "Back to Go from a service.toml",
    ];
    let mut title = "";
    for line in GUIDE.lines() {
        title = line.strip_prefix("## ").unwrap_or(title);
        assert!(!line.starts_with("```") || run.contains(&title), "{title:?} has commands that nobody runs");
    }
    assert!(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/migrating-from-go.md")).exists());
}
