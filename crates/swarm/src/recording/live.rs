//! One Go peer with a real Kubo, and one of ours in this process: each asks the other everything it can.

use super::{
    live_peer::{Event, LIMIT, LivePeer},
    vectors,
};
use crate::rpc::fake_peer::{FakePeer, status};
use cluster_consensus::crdt::{Block, BlockId, Delta, Element};
use cluster_core::{
    Cid, ClusterSecret, Metric, Multiaddr, PeerId, Pin, PinKey, ReplicationFactors, StatusFilter,
    TrackerStatus, UnixMillis,
    metric::{PING, UnixNanos},
    ports::{cluster_api::PeerInfo, ipfs_connector::GcItem, rpc::CallError, swarm::PeerEvent},
};
use cluster_testkit::{
    kubo::{Kubo, KuboBinary},
    service::Service,
};
use futures_util::TryStreamExt;
use libp2p::identity::Keypair;
use multihash::Multihash;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// What our side says of a block of its garbage.
const STUCK: &str = "one is stuck";

/// Makes a CID that any Kubo has at once.
fn cid(content: &str) -> Cid {
    Cid::new_v1(0x55, Multihash::wrap(0, content.as_bytes()).unwrap())
}

/// The Go peer and its ctl.
struct Go {
    ctl: PathBuf,
    peer: Service,
}

impl Go {
    fn ctl(&self, arguments: &[&str]) -> String {
        let output =
            Command::new(&self.ctl).args(["--host", self.peer.rest()]).args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        println!("$ ctl {}\n{text}", arguments.join(" "));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}{error}\n{}", self.peer.log_text());
        assert!(!text.replace(&format!("ERROR: {STUCK}"), "").contains("ERROR"), "{text}");
        text
    }

    /// Asks again until the answer is as wanted.
    async fn until(&self, arguments: &[&str], wanted: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !wanted(&self.ctl(arguments)) {
            assert!(Instant::now() < deadline, "{}", self.peer.log_text());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// What our side says of itself and of the CIDs that will be pinned.
fn local_peer(own: PeerId, go: PeerId, address: &Multiaddr, pins: &[(Cid, &str)]) -> FakePeer {
    let mut local = FakePeer::new();
    local.info.id = own;
    local.info.addresses = vec![address.clone()];
    local.info.cluster_peers = vec![own, go];
    local.info.peername = "ours".to_owned();
    local.peers = vec![local.info.clone(), PeerInfo { id: go, ..local.info.clone() }];
    local.garbage.peer = own;
    local.garbage.peername = "ours".to_owned();
    local.garbage.keys = vec![GcItem::Removed(cid("garbage")), GcItem::Error(STUCK.to_owned())];
    local.statuses = pins
        .iter()
        .zip(0..)
        .map(|((cid, name), number)| {
            let mut status = status(number);
            status.pin = Pin::new(*cid);
            status.pin.options.name = (*name).to_owned();
            status.on_peer.peer = own;
            status.on_peer.peername = "ours".to_owned();
            status
        })
        .collect();
    local
}

/// Makes the element that pins a CID everywhere.
fn element(cid: Cid, name: &str, note: &str, now: UnixMillis) -> Element {
    let mut pin = Pin::new(cid);
    pin.options.name = name.to_owned();
    pin.options.metadata.insert("note".to_owned(), note.to_owned());
    pin.options.replication = ReplicationFactors { min: -1, max: -1 };
    pin.timestamp = Some(now.seconds());
    Element { key: pin.key().to_datastore_key(), value: pin.encode() }
}

fn pin_of(element: &Element) -> Pin {
    Pin::decode(&PinKey::from_datastore_key(&element.key).unwrap(), &element.value).unwrap()
}

fn start_go(bin: &Path, folder: &Path, secret: &ClusterSecret, ipfs: &Kubo) -> (Go, PeerId) {
    let secret = secret.expose_hex();
    let environment = [
        ("CLUSTER_SECRET", secret.as_str()),
        ("CLUSTER_PEERNAME", "go"),
        ("CLUSTER_IPFSHTTP_CONNECTSWARMSDELAY", "2s"),
    ];
    let program = bin.join("ipfs-cluster-service");
    let mut peer = Service::init(&program, &folder.join("go"), ipfs.api(), &environment).unwrap();
    peer.start().unwrap();
    let id = peer.id().parse().unwrap();
    (Go { ctl: bin.join("ipfs-cluster-ctl"), peer }, id)
}

/// Makes every call to Go that there is; returns the head that the pinset then has, and its priority.
async fn ask_go(
    ours: &mut LivePeer,
    own: PeerId,
    go: PeerId,
    pinned: Cid,
    logged: Element,
) -> (BlockId, u64) {
    let calls = ours.calls_to(go);
    let info = calls.id().await.unwrap();
    assert_eq!((info.id, info.peername.as_str(), info.cluster_peers.len()), (go, "go", 2));
    assert!(info.ipfs.is_ok());
    let joined = calls.add_peer(own).await.unwrap();
    assert_eq!((joined.id, joined.peername.as_str()), (own, "ours"));
    let peers: Vec<_> = calls.peers().try_collect().await.unwrap();
    assert_eq!(peers.len(), 2);
    let key = PinKey::from_cid(&pinned);
    for status in [calls.status(key.clone()).await.unwrap(), calls.recover(key).await.unwrap()] {
        assert_eq!((status.pin.cid, status.pin.options.name.as_str()), (pinned, "by go"));
        assert_eq!((status.on_peer.peer, status.on_peer.status), (go, TrackerStatus::Pinned));
    }
    let of = |status| StatusFilter::of(&[status]);
    for (filter, count) in
        [(StatusFilter::ALL, 1), (of(TrackerStatus::Pinned), 1), (of(TrackerStatus::PinError), 0)]
    {
        let pages: Vec<_> = calls.status_all(filter).try_collect().await.unwrap();
        assert_eq!(pages.concat().len(), count, "{filter:?}");
    }
    assert!(calls.recover_all().try_collect::<Vec<_>>().await.unwrap().is_empty());
    let stat = calls.repo_stat().await.unwrap();
    assert!(stat.repo_size > 0 && stat.storage_max > stat.repo_size);
    calls.ipfs_swarm_peers().await.unwrap();
    assert_eq!(calls.collect_garbage().await.unwrap().peer, go);
    match calls.exchange_heads(own, b"heads".to_vec()).await {
        Err(CallError::Unreachable { cause }) => assert!(cause.contains("does not speak"), "{cause}"),
        other => panic!("{other:?}"),
    }

    let pin = pin_of(&logged);
    calls.log(pin.key(), Some(Box::new(pin.clone()))).await.unwrap();
    let (added, block) = ours.next_block(go).await;
    // Go stores the value that we would have stored.
    assert_eq!(block.delta.elements, [logged]);
    calls.log(pin.key(), None).await.unwrap();
    let (removed, block) = ours.next_block(go).await;
    assert_eq!(
        (block.delta.tombstones[0].id.as_str(), &block.links[..]),
        (&*added.to_datastore_key(), &[added][..])
    );
    (removed, block.delta.priority)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_go_peer_and_this_crate_understand_each_other() {
    let Some(bin) = std::env::var_os("CLUSTER_GO_BIN").map(PathBuf::from) else {
        println!("skipped: CLUSTER_GO_BIN names no folder");
        return;
    };
    let ipfs = Kubo::start(&KuboBinary::find_or_build(None).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let secret = ClusterSecret::from_bytes(rand::random());
    let (go, go_id) = start_go(&bin, folder.path(), &secret, &ipfs);

    let keypair = Keypair::generate_ed25519();
    let own = keypair.public().to_peer_id();
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let listen: Multiaddr = format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
    let address = format!("{listen}/p2p/{own}").parse().unwrap();
    let (by_go, logged, by_us) = (cid("pinned by Go"), cid("logged by Go for us"), cid("pinned by us"));
    let pins = [(by_go, "by go"), (logged, "logged"), (by_us, "by us")];
    let local = local_peer(own, go_id, &address, &pins);
    let mut ours = LivePeer::start(keypair, secret, listen, local).await;
    ours.connect(go_id, go.peer.swarm_address().parse().unwrap()).await;

    // We are a member once our ping arrived.
    let listens = |event| matches!(event, Event::Peer(PeerEvent::ListensToMetrics(peer)) if peer == go_id);
    ours.wait_for("Go's subscription", |event| listens(event).then_some(())).await;
    let now = cluster_runtime::now();
    let ping = Metric {
        name: PING.to_owned(),
        peer: own,
        value: r#"{"peer_name":"ours"}"#.to_owned(),
        expires: UnixNanos::from_millis(UnixMillis(now.0 + 600_000)),
        valid: true,
        weight: 0,
        partitionable: false,
        received_at: UnixNanos(0),
    };
    go.until(&["health", "metrics", PING], |text| {
        ours.publish_metric(&ping);
        text.contains(&own.to_string())
    })
    .await;
    ours.wait_for("a metric of Go", |event| matches!(event, Event::Metric(_)).then_some(())).await;
    go.until(&["peers", "ls"], |text| text.matches("Sees 1 other peers").count() == 2).await;

    // Go changes the pinset and we read its blocks.
    go.ctl(&["pin", "add", "--name", "by go", "--metadata", "key=value", &by_go.to_string()]);
    let (first, block) = ours.next_block(go_id).await;
    let pin = pin_of(&block.delta.elements[0]);
    assert_eq!((pin.cid, pin.options.name.as_str(), block.links.len()), (by_go, "by go", 0));
    go.until(&["status", &by_go.to_string()], |text| text.matches(": PINNED").count() == 2).await;
    go.ctl(&["status"]);
    go.ctl(&["recover", &by_go.to_string()]);
    go.ctl(&["recover"]);
    let garbage = go.ctl(&["ipfs", "gc"]);
    assert!(garbage.contains(&cid("garbage").to_string()) && garbage.contains(STUCK), "{garbage}");
    let graph = go.ctl(&["health", "graph"]);
    assert!(graph.contains("ours"), "{graph}");

    let (head, priority) =
        ask_go(&mut ours, own, go_id, by_go, element(logged, "logged", "short", now)).await;
    assert_ne!(head, first);

    // We change the pinset, and Go builds on that. The block is too large to be sent to who asks only for news of it.
    let note = "n".repeat(1024);
    let delta = Delta {
        elements: vec![element(by_us, "by us", &note, now)],
        priority: priority + 1,
        ..Delta::default()
    };
    let our_head = ours.publish_block(&Block { links: vec![head], delta });
    go.until(&["pin", "ls"], |text| text.contains(&by_us.to_string()) && text.contains("by us")).await;
    go.until(&["status", &by_us.to_string()], |text| text.matches(": PINNED").count() == 2).await;
    go.ctl(&["pin", "rm", &by_us.to_string()]);
    let (_, block) = ours.next_block(go_id).await;
    assert_eq!(block.links, [our_head]);
    assert_eq!(block.delta.tombstones[0].id, our_head.to_datastore_key());
    go.until(&["pin", "ls"], |text| !text.contains(&by_us.to_string())).await;

    // Go tells all its metrics every 15 seconds.
    let mut missing = BTreeSet::from([PING, "freespace", "pinqueue", "tag:group"]);
    ours.wait_for("every metric of Go", |event| {
        if let Event::Metric(name) = event {
            missing.remove(name.as_str());
        }
        missing.is_empty().then_some(())
    })
    .await;

    let tape = ours.stop().await;
    if let Some(folder) = std::env::var_os("CLUSTER_RECORD") {
        vectors::write(Path::new(&folder), &tape, own, go_id);
    }
}
