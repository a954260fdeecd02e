//! One real peer with one real Kubo: what a user of the suite sees.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::{
    Cid, Client, Host, IpfsPath, PinMode, Scope, TrackerStatus,
    api_types::{GlobalPinInfo, PinOptions},
};
use cluster_testkit::{
    kubo::{Kubo, KuboBinary},
    service::{Programs, Service},
};
use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

const LIMIT: Duration = Duration::from_secs(60);

struct World {
    kubo: Kubo,
    peer: Service,
    client: Client,
    folder: tempfile::TempDir,
}

impl World {
    async fn new(environment: &[(&str, &str)]) -> Self {
        let programs = Programs::build().unwrap();
        let kubo = Kubo::start(&KuboBinary::find_or_build(None).unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("peer");
        let mut peer = Service::init(&programs.service, &base, kubo.api(), environment).unwrap();
        peer.start().unwrap();
        let client = Client::builder(vec![Host::parse(peer.rest()).unwrap()]).build().await.unwrap();
        Self { kubo, peer, client, folder }
    }

    /// Starts the peer again, with a client that has no connections to the process before.
    async fn start_again(&mut self) {
        self.peer.start().unwrap();
        self.client = Client::builder(vec![Host::parse(self.peer.rest()).unwrap()]).build().await.unwrap();
    }

    /// Adds random content to Kubo, unpinned.
    fn add(&self, size: usize) -> Cid {
        let file = self.folder.path().join("content");
        let mut bytes = vec![0; size];
        let mut random = fs::File::open("/dev/urandom").unwrap();
        std::io::Read::read_exact(&mut random, &mut bytes).unwrap();
        fs::write(&file, bytes).unwrap();
        self.kubo.add(&file).unwrap().parse().unwrap()
    }

    /// Pins content in Kubo itself, each piece on its own, past the peer.
    fn pin_foreign(&self, count: usize) -> Vec<String> {
        let files = self.folder.path().join("foreign");
        fs::create_dir(&files).unwrap();
        for number in 0..count {
            fs::write(files.join(number.to_string()), format!("foreign {number} of {:?}", files)).unwrap();
        }
        let added =
            self.kubo.ipfs(&["add", "-r", "--quiet", "--pin=false", files.to_str().unwrap()]).unwrap();
        // The last line is the folder around them.
        let cids: Vec<String> = added.lines().take(count).map(str::to_owned).collect();
        assert_eq!(cids.len(), count);
        let arguments: Vec<&str> =
            ["pin", "add"].into_iter().chain(cids.iter().map(String::as_str)).collect();
        self.kubo.ipfs(&arguments).unwrap();
        cids
    }

    async fn pin(&self, cid: &Cid, options: &PinOptions) {
        self.client.pin(&path(cid), options).await.unwrap();
    }

    async fn until(&self, cid: &Cid, wanted: TrackerStatus) -> GlobalPinInfo {
        let deadline = Instant::now() + LIMIT;
        loop {
            let info = self.client.status(cid, Scope::Local).await.unwrap();
            if info.peer_map.iter().flatten().all(|(_, s)| s.status == wanted) {
                return info;
            }
            assert!(Instant::now() < deadline, "{cid} is not {wanted}: {info:?}\n{}", self.peer.log_text());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn pinned(&self, kind: &str) -> BTreeSet<String> {
        self.kubo.pins(kind).unwrap().into_iter().collect()
    }
}

fn path(cid: &Cid) -> IpfsPath {
    IpfsPath::parse(&format!("/ipfs/{cid}")).unwrap()
}

#[tokio::test]
async fn content_is_pinned_survives_a_kill_and_is_unpinned_again() {
    let mut w = World::new(&[]).await;
    let cid = w.add(1 << 20);
    w.pin(&cid, &PinOptions { name: "kept".into(), ..PinOptions::default() }).await;
    w.until(&cid, TrackerStatus::Pinned).await;
    assert!(w.pinned("recursive").contains(&cid.to_string()));

    w.peer.kill().unwrap();
    w.start_again().await;
    assert_eq!(w.client.allocation(&cid).await.unwrap().options.name, "kept");
    w.until(&cid, TrackerStatus::Pinned).await;

    w.client.unpin(&path(&cid)).await.unwrap();
    w.until(&cid, TrackerStatus::Unpinned).await;
    assert!(!w.pinned("recursive").contains(&cid.to_string()));
    assert_eq!(w.client.unpin(&path(&cid)).await.unwrap_err().code(), 404);
    w.peer.stop().unwrap();
    let check = w.peer.command(&["state", "check"]).unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
}

#[tokio::test]
async fn a_direct_pin_is_direct() {
    let w = World::new(&[]).await;
    let cid = w.add(1 << 20);
    w.pin(&cid, &PinOptions { mode: PinMode::Direct, ..PinOptions::default() }).await;
    w.until(&cid, TrackerStatus::Pinned).await;
    assert!(w.pinned("direct").contains(&cid.to_string()));
    assert!(!w.pinned("recursive").contains(&cid.to_string()));
    assert_eq!(w.client.allocation(&cid).await.unwrap().max_depth, 0);
}

#[tokio::test]
async fn a_daemon_that_dies_costs_an_error_and_a_retry_but_no_pin() {
    let mut w = World::new(&[("CLUSTER_PINRECOVERINTERVAL", "1s")]).await;
    let cid = w.add(1 << 20);
    w.kubo.kill().unwrap();
    w.pin(&cid, &PinOptions::default()).await;
    let info = w.until(&cid, TrackerStatus::PinError).await;
    let status = info.peer_map.iter().flatten().next().unwrap().1;
    assert!(status.error.contains(w.kubo.api()), "{}", status.error);
    assert!(status.attempt_count >= 1);
    w.kubo.run().unwrap();
    w.until(&cid, TrackerStatus::Pinned).await;
}

#[tokio::test]
async fn a_daemon_that_hangs_stalls_only_its_own_requests() {
    let w = World::new(&[("CLUSTER_IPFSHTTP_PINTIMEOUT", "1s"), ("CLUSTER_PINRECOVERINTERVAL", "1s")]).await;
    let pinned = w.add(1 << 16);
    w.pin(&pinned, &PinOptions::default()).await;
    w.until(&pinned, TrackerStatus::Pinned).await;
    let cid = w.add(1 << 16);
    w.kubo.pause().unwrap();
    w.pin(&cid, &PinOptions::default()).await;
    let started = Instant::now();
    let known = w.client.status(&pinned, Scope::Local).await.unwrap();
    assert!(known.peer_map.iter().flatten().all(|(_, s)| s.status == TrackerStatus::Pinned));
    assert!(started.elapsed() < Duration::from_secs(5), "a status waited for the daemon");
    let info = w.until(&cid, TrackerStatus::PinError).await;
    let error = &info.peer_map.iter().flatten().next().unwrap().1.error;
    assert!(error.contains("no progress"), "{error}");
    w.kubo.resume().unwrap();
    w.until(&cid, TrackerStatus::Pinned).await;
}

#[tokio::test]
async fn foreign_pins_are_never_touched_also_after_a_cleanup() {
    let mut w = World::new(&[]).await;
    let foreign = w.pin_foreign(1000);
    let ours = w.add(1 << 10);
    w.pin(&ours, &PinOptions::default()).await;
    w.until(&ours, TrackerStatus::Pinned).await;
    let before = w.pinned("recursive");
    w.peer.stop().unwrap();
    let cleanup = w.peer.command(&["state", "cleanup", "--force"]).unwrap();
    assert!(cleanup.status.success(), "{}", String::from_utf8_lossy(&cleanup.stderr));
    w.start_again().await;
    assert_eq!(w.client.allocation(&ours).await.unwrap_err().code(), 404);
    // A new pin goes through the whole machinery; by then anything wrongly unpinned would be gone.
    let other = w.add(1 << 10);
    w.pin(&other, &PinOptions::default()).await;
    w.until(&other, TrackerStatus::Pinned).await;
    let after = w.pinned("recursive");
    assert!(before.is_subset(&after));
    assert!(foreign.iter().all(|cid| after.contains(cid)));
}

#[tokio::test]
async fn export_and_import_carry_every_pin_and_bad_input_changes_nothing() {
    let mut w = World::new(&[]).await;
    let cids: Vec<Cid> = (0..3).map(|_| w.add(1 << 10)).collect();
    for (n, cid) in cids.iter().enumerate() {
        w.pin(cid, &PinOptions { name: format!("pin {n}"), ..PinOptions::default() }).await;
    }
    w.peer.stop().unwrap();
    let export = |name: &str| {
        let file = w.folder.path().join(name);
        let output = w.peer.command(&["state", "export", "--file", file.to_str().unwrap()]).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read_to_string(file).unwrap()
    };
    let first = export("first");
    assert_eq!(first.lines().count(), 3);
    let import = |text: &str| {
        let file = w.folder.path().join("import");
        fs::write(&file, text).unwrap();
        w.peer.command(&["state", "import", "--force", file.to_str().unwrap()]).unwrap()
    };
    for bad in [&first[..first.len() - 20], "{\"cid\":\"nonsense\"}", "garbage"] {
        let output = import(bad);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(error.contains("error importing state") && error.contains("nothing was changed"), "{error}");
        assert_eq!(export("unchanged"), first);
    }
    let one = first.lines().next().unwrap();
    assert!(import(one).status.success());
    assert_eq!(export("second").trim(), one);
    w.start_again().await;
    assert_eq!(folder_of(&w.peer), 1);
}

/// Counts the generations in a peer's store.
fn folder_of(peer: &Service) -> usize {
    let entries = fs::read_dir(peer.base().join("store")).unwrap();
    entries.filter(|e| e.as_ref().unwrap().path().is_dir()).count()
}

#[tokio::test]
async fn a_second_daemon_a_taken_port_and_a_damaged_store_are_told_clearly() {
    let mut w = World::new(&[]).await;
    let error = |output: std::process::Output| {
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let second = error(w.peer.command(&["daemon"]).unwrap());
    assert!(second.contains("someone else has the lock"), "{second}");

    let programs = Programs::build().unwrap();
    let other = w.folder.path().join("other");
    let other = Service::init(&programs.service, &other, w.kubo.api(), &[]).unwrap();
    let config = other.base().join("service.toml");
    let text = fs::read_to_string(&config).unwrap().replace(other.rest(), w.peer.rest());
    fs::write(&config, text).unwrap();
    let taken = error(other.command(&["daemon"]).unwrap());
    assert!(taken.contains("taken by another process") && taken.contains(w.peer.rest()), "{taken}");

    w.peer.stop().unwrap();
    fs::write(w.peer.base().join("store/CURRENT"), "99\n").unwrap();
    let damaged = error(w.peer.command(&["daemon"]).unwrap());
    assert!(damaged.contains("damaged") && damaged.contains("CURRENT"), "{damaged}");
}
