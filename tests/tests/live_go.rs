//! One peer of the Go suite and one of ours, each with a real Kubo: pins both ways, and what operators see on both
//! sides. Runs when `CLUSTER_GO_BIN` names a folder with the programs of Go IPFS Cluster 1.1.6.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use cluster_client::{Cid, Client, Scope, TrackerStatus, api_types::PinOptions};
use cluster_testkit::{
    kubo::{Kubo, KuboBinary},
    service::{Programs, Service},
};
use cluster_tests::{
    cluster::{pinset, random_secret},
    world::{client_of, identity_cid, ipfs_path},
};
use std::{
    io::Read,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// Go tells heads again within 2.6 minutes; nothing here takes longer.
const LIMIT: Duration = Duration::from_secs(200);

struct Side {
    name: &'static str,
    peer: Service,
    ipfs: Kubo,
    client: Client,
    ctl: PathBuf,
}

impl Side {
    /// Runs the side's own ctl, prints what it says, and fails when it does.
    fn ctl(&self, arguments: &[&str]) -> String {
        let output =
            Command::new(&self.ctl).args(["--host", self.peer.rest()]).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        println!("{}$ ctl {}\n{text}", self.name, arguments.join(" "));
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    async fn status(&self, cid: &Cid) -> Vec<TrackerStatus> {
        let info = self.client.status(cid, Scope::Cluster).await.unwrap();
        info.peer_map.into_iter().flatten().map(|(_, status)| status.status).collect()
    }

    async fn until_status(&self, cid: &Cid, wanted: [TrackerStatus; 2]) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let seen = self.status(cid).await;
            if seen == wanted {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{} sees {seen:?} of {cid}, not {wanted:?}\n{}",
                self.name,
                self.peer.log_text()
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn add(&self, folder: &Path) -> Cid {
        let file = folder.join("content");
        let mut random = std::fs::File::open("/dev/urandom").unwrap().take(1 << 20);
        std::io::copy(&mut random, &mut std::fs::File::create(&file).unwrap()).unwrap();
        self.ipfs.add(&file).unwrap().parse().unwrap()
    }

    /// Says how many blocks its IPFS daemon got from others.
    fn blocks_fetched(&self) -> String {
        let stat = self.ipfs.ipfs(&["bitswap", "stat"]).unwrap();
        stat.lines().find(|line| line.contains("blocks received")).unwrap().to_owned()
    }

    fn holds(&self, cid: &Cid) -> bool {
        self.ipfs.pins("recursive").unwrap().contains(&cid.to_string())
    }
}

async fn side(
    name: &'static str,
    service: &Path,
    ctl: &Path,
    base: &Path,
    secret: &str,
    joins: Option<&str>,
) -> Side {
    let ipfs = Kubo::start(&KuboBinary::find_or_build(None).unwrap()).unwrap();
    let environment = [
        ("CLUSTER_SECRET", secret),
        ("CLUSTER_PEERNAME", name),
        ("CLUSTER_IPFSHTTP_CONNECTSWARMSDELAY", "2s"),
        ("CLUSTER_CRDT_REBROADCASTINTERVAL", "5s"),
    ];
    let mut peer = Service::init(service, base, ipfs.api(), &environment).unwrap();
    peer.join(&joins.into_iter().collect::<Vec<_>>());
    peer.start().unwrap();
    let client = client_of(&peer).await.unwrap();
    Side { name, peer, ipfs, client, ctl: ctl.to_owned() }
}

#[tokio::test]
async fn a_go_peer_and_one_of_ours_pin_to_each_other() {
    let Some(bin) = std::env::var_os("CLUSTER_GO_BIN").map(PathBuf::from) else {
        println!("skipped: CLUSTER_GO_BIN names no folder");
        return;
    };
    let programs = Programs::build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let secret = random_secret().unwrap();
    let go_ctl = bin.join("ipfs-cluster-ctl");
    let go = side("go", &bin.join("ipfs-cluster-service"), &go_ctl, &folder.path().join("go"), &secret, None)
        .await;
    let ours = side(
        "ours",
        &programs.service,
        &programs.ctl,
        &folder.path().join("ours"),
        &secret,
        Some(go.peer.swarm_address()),
    )
    .await;
    let sides = [&go, &ours];
    for side in sides {
        let deadline = Instant::now() + LIMIT;
        while side.client.id().await.unwrap().cluster_peers.unwrap_or_default().len() != 2 {
            assert!(Instant::now() < deadline, "{} sees nobody\n{}", side.name, side.peer.log_text());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    let (pinned, unpinned) = ([TrackerStatus::Pinned; 2], [TrackerStatus::Unpinned; 2]);
    for (from, to) in [(&go, &ours), (&ours, &go)] {
        // The content is with the other one.
        let cid = to.add(folder.path());
        let started = Instant::now();
        let named = PinOptions { name: format!("by {}", from.name), ..PinOptions::default() };
        from.client.pin(&ipfs_path(&cid).unwrap(), &named).await.unwrap();
        for side in sides {
            side.until_status(&cid, pinned).await;
            assert!(side.holds(&cid));
            assert_eq!(side.client.allocation(&cid).await.unwrap().options.name, named.name);
        }
        println!("pinned by {} on both after {:?}", from.name, started.elapsed());
        for side in sides {
            let status = side.ctl(&["status", &cid.to_string()]);
            assert_eq!(status.matches(": PINNED").count(), 2, "{status}");
            assert!(status.contains(&named.name), "{status}");
        }
    }
    assert_eq!(pinset(&go.client).await.unwrap(), pinset(&ours.client).await.unwrap());

    // What is added through a Go peer is streamed to ours: its daemon fetches nothing.
    let file = folder.path().join("added");
    let mut random = std::fs::File::open("/dev/urandom").unwrap().take(5 << 20);
    std::io::copy(&mut random, &mut std::fs::File::create(&file).unwrap()).unwrap();
    let before = ours.blocks_fetched();
    let added = go.ctl(&["add", "--quieter", "--name", "added", file.to_str().unwrap()]);
    let added: Cid = added.trim().parse().unwrap();
    for side in sides {
        side.until_status(&added, pinned).await;
        assert_eq!(side.ipfs.read_offline(&added.to_string()).unwrap(), std::fs::read(&file).unwrap());
    }
    assert_eq!(ours.blocks_fetched(), before);
    go.client.unpin(&ipfs_path(&added).unwrap()).await.unwrap();
    for side in sides {
        side.until_status(&added, unpinned).await;
    }

    for side in sides {
        let peers = side.ctl(&["peers", "ls"]);
        assert_eq!(peers.matches("Sees 1 other peers").count(), 2, "{peers}");
        assert!(!peers.contains("ERROR"), "{peers}");
        let all = side.ctl(&["status"]);
        assert_eq!(all.matches(": PINNED").count(), 4, "{all}");
        assert!(!all.contains("ERROR"), "{all}");
        assert_eq!(side.ctl(&["pin", "ls"]).lines().count(), 2);
        for metric in ["ping", "freespace"] {
            // Go's come every 15 s.
            let deadline = Instant::now() + LIMIT;
            while side.client.metrics(metric).await.unwrap().len() != 2 {
                assert!(
                    Instant::now() < deadline,
                    "{}: {}",
                    side.name,
                    side.ctl(&["health", "metrics", metric])
                );
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            side.ctl(&["health", "metrics", metric]);
        }
        side.ctl(&["health", "graph"]);
        side.ctl(&["recover"]);
        let gc = side.ctl(&["ipfs", "gc"]);
        assert!(!gc.contains("ERROR"), "{gc}");
    }

    for (from, cid) in [&ours, &go].into_iter().zip(pinset(&go.client).await.unwrap().into_keys()) {
        let cid: Cid = cid.parse().unwrap();
        from.client.unpin(&ipfs_path(&cid).unwrap()).await.unwrap();
        for side in sides {
            side.until_status(&cid, unpinned).await;
            let deadline = Instant::now() + LIMIT;
            while side.holds(&cid) {
                assert!(Instant::now() < deadline, "{} still holds {cid}", side.name);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    assert!(pinset(&go.client).await.unwrap().is_empty() && pinset(&ours.client).await.unwrap().is_empty());
}

/// Pins of which each is a delta of its own.
const CHAIN: usize = 3000;

#[tokio::test]
async fn a_go_peer_that_was_killed_amid_its_first_walk_is_helped_to_the_rest() {
    let Some(bin) = std::env::var_os("CLUSTER_GO_BIN").map(PathBuf::from) else {
        println!("skipped: CLUSTER_GO_BIN names no folder");
        return;
    };
    let programs = Programs::build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let secret = random_secret().unwrap();
    let ours =
        side("ours", &programs.service, &programs.ctl, &folder.path().join("ours"), &secret, None).await;
    for number in 0..CHAIN {
        let cid = identity_cid(&format!("link {number}")).unwrap();
        ours.client.pin(&ipfs_path(&cid).unwrap(), &PinOptions::default()).await.unwrap();
    }
    let wanted = pinset(&ours.client).await.unwrap();
    assert_eq!(wanted.len(), CHAIN);
    let (service, ctl) = (bin.join("ipfs-cluster-service"), bin.join("ipfs-cluster-ctl"));
    let joins = Some(ours.peer.swarm_address());
    let mut go = side("go", &service, &ctl, &folder.path().join("go"), &secret, joins).await;
    let deadline = Instant::now() + LIMIT;
    let known = loop {
        let known = pinset(&go.client).await.map_or(0, |pins| pins.len());
        if known >= CHAIN / 2 {
            break known;
        }
        assert!(Instant::now() < deadline, "the first walk did not begin\n{}", go.peer.log_text());
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    go.peer.kill().unwrap();
    println!("killed with {known} of {CHAIN} pins");
    assert!(known < CHAIN, "the walk was too fast to be interrupted");
    go.peer.start().unwrap();
    go.client = client_of(&go.peer).await.unwrap();
    let again = Instant::now();
    let (mut seen, deadline) = (0, Instant::now() + LIMIT);
    while pinset(&go.client).await.unwrap() != wanted {
        let now = pinset(&go.client).await.unwrap().len();
        if now != seen {
            println!("{:?} after its start it knows {now}", again.elapsed());
            seen = now;
        }
        assert!(Instant::now() < deadline, "{seen} of {CHAIN}\n{}", ours.peer.log_text());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    println!("{:?} after its start it knows all", again.elapsed());
    assert!(ours.peer.log_text().contains("a delta tells of them anew"), "{}", ours.peer.log_text());
}
