//! A member that is not trusted says everything there is to say, on every topic, by every call and on every protocol: the
//! pinset, the tracker, the trust and what is known of other members stay as they were.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::{Cid, Client, Scope, TrackerStatus, api_types::PinOptions};
use cluster_testkit::{
    hostile::{Basic, Forger, Identity, RawPeer, heads_topic},
    mock_kubo::{End, Endpoint, MockKubo, Script},
    service::{Programs, Service},
    stored::StoredState,
};
use cluster_tests::{
    calls::{METHODS, raw, text},
    cluster::random_secret,
    world::{client_of, ipfs_path, made_up_cid},
};
use std::{
    fs,
    time::{Duration, Instant},
};
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(40);

const POLL: Duration = Duration::from_millis(20);

/// How long what was said may take effect after the last word, besides what the victim is seen to do with it.
const AFTERMATH: Duration = Duration::from_secs(3);

/// What everybody may call.
const OPEN: [&str; 4] = ["Cluster.ID", "Cluster.IDStream", "Cluster.PeerAdd", "Cluster.Version"];

/// Pins there are before, all but the last one of them pinned.
const PINS: u64 = 6;

/// The victim and an honest peer; they trust each other.
struct Scene {
    peers: [Service; 2],
    secret: String,
    mocks: [MockKubo; 2],
    _folder: tempfile::TempDir,
}

/// What nobody untrusted may change, as the victim tells it.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    allocations: Vec<String>,
    statuses: Vec<String>,
    metrics: Vec<String>,
    trusts_honest: bool,
    trusts_stranger: bool,
    addresses: Vec<String>,
}

impl Scene {
    async fn start() -> Self {
        let programs = Programs::build().unwrap();
        let secret = random_secret().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mocks = [MockKubo::start().await.unwrap(), MockKubo::start().await.unwrap()];
        let variables = [
            ("CLUSTER_SECRET", secret.as_str()),
            ("CLUSTER_MONITORPINGINTERVAL", "2s"),
            ("CLUSTER_IPFSHTTP_PINTIMEOUT", "1h"),
        ];
        let mut peers = [0, 1].map(|number| {
            let base = folder.path().join(format!("peer-{number}"));
            Service::init(&programs.service, &base, &mocks[number].api(), &variables).unwrap()
        });
        let address = peers[0].swarm_address().to_owned();
        peers[1].join(&[&address]);
        let ids = [0, 1].map(|number| peers[number].id().to_owned());
        for (peer, other) in peers.iter_mut().zip(ids.iter().rev()) {
            peer.set_variable("CLUSTER_CRDT_TRUSTEDPEERS", other);
        }
        // Nobody dials what was told of a peer's addresses unless it is told to.
        Self { peers, secret, mocks, _folder: folder }
    }

    async fn run(&mut self) -> Client {
        for peer in &mut self.peers {
            peer.start().unwrap();
        }
        let client = client_of(&self.peers[0]).await.unwrap();
        let deadline = Instant::now() + LIMIT;
        loop {
            let mut missing = Vec::new();
            for name in ["ping", "freespace", "tag:group"] {
                let metrics = client.metrics(name).await.unwrap();
                // A ping tells of the IPFS daemon when that has answered.
                let whole = |value: &str| name != "ping" || value.contains("ipfs_id");
                let told = metrics.iter().filter(|metric| whole(&metric.value)).count();
                missing.extend((told < 2).then_some(name));
            }
            if missing.is_empty() {
                return client;
            }
            assert!(Instant::now() < deadline, "no {missing:?}\n{}", self.peers[0].log_text());
            tokio::time::sleep(POLL).await;
        }
    }

    /// Makes the pins: one of the honest peer's, one that the victim's daemon never ends with.
    async fn pin_some(&self, client: &Client) {
        let honest = client_of(&self.peers[1]).await.unwrap();
        let endless = Script { end: End::Hang, ..Script::default() };
        self.mocks[0].script_for(Endpoint::PinAdd, made_up_cid(PINS - 1).unwrap(), endless);
        for number in 0..PINS {
            let through = if number == 0 { &honest } else { client };
            let options = PinOptions { name: format!("pin {number}"), ..PinOptions::default() };
            let path = ipfs_path(&made_up_cid(number).unwrap()).unwrap();
            through.pin(&path, &options).await.unwrap();
        }
        for number in 0..PINS {
            let last = number == PINS - 1;
            let wanted = if last { TrackerStatus::Pinning } else { TrackerStatus::Pinned };
            self.until(client, &made_up_cid(number).unwrap(), wanted).await;
        }
    }

    async fn until(&self, client: &Client, cid: &Cid, wanted: TrackerStatus) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let status = client.status(cid, Scope::Local).await.unwrap();
            let found = status.peers().next().map(|(_, short)| short.status);
            if found == Some(wanted) {
                return;
            }
            assert!(Instant::now() < deadline, "{cid}: {found:?}\n{}", self.peers[0].log_text());
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks the victim for everything that must not change.
    async fn told(&self, client: &Client) -> Told {
        let ids = [self.peers[0].id(), self.peers[1].id()];
        let mut told = Told {
            allocations: Vec::new(),
            statuses: Vec::new(),
            metrics: Vec::new(),
            trusts_honest: false,
            trusts_stranger: true,
            addresses: Vec::new(),
        };
        let mut pins = client.allocations("all").await.unwrap();
        while let Some(pin) = pins.next().await {
            told.allocations.push(format!("{:?}", pin.unwrap()));
        }
        let mut statuses = client.status_all("", Scope::Local).await.unwrap();
        while let Some(status) = statuses.next().await {
            told.statuses.push(format!("{:?}", status.unwrap()));
        }
        for name in client.metric_names().await.unwrap() {
            for metric in client.metrics(&name).await.unwrap() {
                let peer = metric.peer.to_string();
                // When it was told last is all that may change.
                if ids.contains(&peer.as_str()) {
                    let (value, weight) = (&metric.value, metric.weight);
                    told.metrics.push(format!("{name} {peer} {value} {weight} {}", metric.valid));
                }
            }
        }
        told.trusts_honest = self.answers_honest().await;
        told.trusts_stranger = !self.refuses_stranger().await;
        for address in client.id().await.unwrap().cluster_peers_addresses.unwrap_or_default() {
            if address.to_string().ends_with(ids[1]) {
                told.addresses.push(address.to_string());
            }
        }
        told.statuses.sort();
        told.metrics.sort();
        told
    }

    /// Says whether the victim answers a call of the honest peer that it answers to peers it trusts only.
    async fn answers_honest(&self) -> bool {
        let honest = client_of(&self.peers[1]).await.unwrap();
        let status = honest.status(&made_up_cid(0).unwrap(), Scope::Cluster).await.unwrap();
        let of_victim = status.peers().find(|(peer, _)| peer.to_string() == self.peers[0].id());
        of_victim.is_some_and(|(_, short)| short.status == TrackerStatus::Pinned)
    }

    /// Says whether it refuses the same call of somebody else.
    async fn refuses_stranger(&self) -> bool {
        let stranger = RawPeer::meet(&self.secret, self.address()).await.unwrap();
        let method = METHODS.iter().find(|method| method.name == "PinTracker.Status").unwrap();
        let call = method.call(&made_up_cid(0).unwrap(), &[]);
        stranger.call(RawPeer::CALLS, &call, false).await.unwrap() == method.refusal()
    }

    fn address(&self) -> &str {
        self.peers[0].swarm_address()
    }

    /// Calls every method on both protocols, about what is pinned and what is not, in the honest peer's name and in its own.
    async fn say_by_calls(&self) {
        let identity = Identity::random();
        let mine = identity.id_bytes();
        let raw_peer = RawPeer::meet_as(identity, &self.secret, self.address()).await.unwrap();
        raw_peer.become_member().await;
        let honest = cluster_client::parse_peer_id(self.peers[1].id()).unwrap().to_bytes();
        for method in METHODS {
            for number in [0, PINS - 1, PINS + 100] {
                let cid = made_up_cid(number).unwrap();
                for (peer, protocol) in [(&honest, RawPeer::CALLS), (&mine, RawPeer::CALLS + 1)] {
                    let call = method.call(&cid, peer);
                    let call = raw_peer.call(protocol, &call, method.streams);
                    if OPEN.contains(&method.name) {
                        // One that asks this peer back, which never answers, takes longer.
                        let _ = timeout(Duration::from_secs(1), call).await;
                    } else {
                        let answer = timeout(LIMIT, call).await.unwrap().unwrap();
                        assert_eq!(answer, method.refusal(), "{}", method.name);
                    }
                }
            }
        }
        // It is told what the gossip tells everybody, and what it tells is not taken.
        let heads = [b"ipfs-cluster\0".as_slice(), &field(1, &field(1, &block_of_the_dag(1)))].concat();
        let call = [call_of("Crdt", "ExchangeHeads"), raw(&heads)].concat();
        let answer = timeout(LIMIT, raw_peer.call(RawPeer::CALLS + 1, &call, false)).await.unwrap().unwrap();
        assert!(answer.windows(13).any(|part| part == b"ipfs-cluster\0"), "{answer:?}");
        assert!(
            raw_peer
                .call(RawPeer::CALLS, &METHODS[4].call(&made_up_cid(0).unwrap(), &mine), false)
                .await
                .is_ok()
        );
    }

    /// Tells heads whose blocks pin something and unpin everything.
    async fn say_as_heads(&self, before: &StoredState) {
        let forger = Forger::meet(&self.secret, self.address()).await.unwrap();
        let elements = before.elements();
        assert!(elements.len() >= PINS as usize, "{elements:?}");
        for _ in 0..5 {
            forger.announce_changes(&[made_up_cid(PINS + 200).unwrap()], &[]);
            forger.announce_changes(&[], &elements);
        }
        forger.flood_missing(20, 10).await;
        let honest = self.peers[1].id();
        for (name, value) in [("ping", "{}"), ("freespace", "1"), ("tag:group", "elsewhere"), ("forged", "1")]
        {
            let said = (name.to_owned(), value.to_owned());
            forger.flood_metrics(20, Some(honest), |_| said.clone()).await.unwrap();
            forger.flood_metrics(20, Some(self.peers[0].id()), |_| said.clone()).await.unwrap();
        }
        tokio::time::sleep(AFTERMATH).await;
        assert_eq!(forger.asked(), 0, "blocks were asked of a peer that is not trusted");
    }

    /// Says one message by a peer of its own: the victim may close the connection for it.
    async fn say_once(&self, protocol: Basic, message: &[u8]) {
        let raw_peer = RawPeer::meet(&self.secret, self.address()).await.unwrap();
        raw_peer.become_member().await;
        raw_peer.say_on(protocol, &framed(message)).await.unwrap();
    }

    /// Says bytes that nobody asked for below the calls and the gossip: blocks, a table's records, addresses, and the gossip
    /// in the honest peer's name.
    async fn say_by_protocols(&self) {
        let raw_peer = RawPeer::meet(&self.secret, self.address()).await.unwrap();
        raw_peer.become_member().await;
        let honest = cluster_client::parse_peer_id(self.peers[1].id()).unwrap().to_bytes();
        let node = field(1, b"\x18\x01");
        let block = field(3, &[field(1, b"\x01\x70\x12\x20"), field(2, &node)].concat());
        let old_block = field(2, &node);
        let presence = field(4, &field(1, &block_of_the_dag(2)));
        let want = field(1, &field(1, &[&field(1, &block_of_the_dag(3))[..], &[0x10, 1]].concat()));
        for protocol in RawPeer::BLOCKS..RawPeer::PROTOCOLS {
            for message in [&block, &old_block, &presence, &want] {
                let mut stream = raw_peer.open(protocol).await.unwrap();
                stream.say(&framed(message)).await.unwrap();
            }
        }
        // Records, providers and lookups of the table (put value, add provider, find node, get value).
        let key = field(2, b"/pk/anything");
        let elsewhere = [field(1, &honest), field(2, &[4, 127, 0, 0, 1, 6, 0, 9])].concat();
        for kind in [0, 1, 2, 3, 4] {
            let record = field(3, &[field(1, b"/pk/anything"), field(2, b"record")].concat());
            let message =
                [&[8, kind][..], &key, &record, &field(8, &elsewhere), &field(9, &elsewhere)].concat();
            raw_peer.say_on(Basic::Kad, &framed(&message)).await.unwrap();
        }
        // Addresses and a key that are the honest peer's.
        let key = [&[8, 1, 0x12, 32][..], &honest[honest.len() - 32..]].concat();
        let push = [field(1, &key), field(2, &[4, 127, 0, 0, 1, 6, 0, 9]), field(5, b"go/1")].concat();
        self.say_once(Basic::IdentifyPush, &push).await;
        // Messages in the honest peer's name, without its signature and with a wrong one.
        let heads = field(1, &field(1, &block_of_the_dag(4)));
        let metric = metric_of(&honest);
        for (topic, data) in [(heads_topic(), &heads), ("monitor.metrics".to_owned(), &metric)] {
            for (number, signature) in [&b""[..], &[7; 64]].into_iter().enumerate() {
                let sequence = [0, 0, 0, 0, 0, 0, 9, number as u8];
                let mut message =
                    [field(1, &honest), field(2, data), field(3, &sequence), field(4, topic.as_bytes())]
                        .concat();
                if !signature.is_empty() {
                    message.extend_from_slice(&field(5, signature));
                    message.extend_from_slice(&field(6, &key));
                }
                self.say_once(Basic::Gossip, &field(2, &message)).await;
            }
        }
        raw_peer.shout_heads(20, |number| field(1, &field(1, &block_of_the_dag(number)))).await;
        raw_peer.shout_metrics(20, |_| metric.clone()).await;
        tokio::time::sleep(AFTERMATH).await;
    }
}

fn call_of(service: &str, method: &str) -> Vec<u8> {
    [&[0x82][..], &text("Name"), &text(service), &text("Method"), &text(method)].concat()
}

/// A metric of a peer that holds for ever and says that it has no space.
fn metric_of(peer: &[u8]) -> Vec<u8> {
    let expires = [&[0xd3][..], &i64::MAX.to_be_bytes()].concat();
    [
        vec![0x85],
        text("n"),
        text("freespace"),
        text("p"),
        raw(peer),
        text("v"),
        text("1"),
        text("e"),
        expires,
        text("d"),
        vec![0xc3],
    ]
    .concat()
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len()), bytes.to_vec()].concat()
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2][..], &varint(bytes.len()), bytes].concat()
}

/// The binary CID of a block of the DAG that does not exist.
fn block_of_the_dag(number: u64) -> Vec<u8> {
    [&[1, 0x70, 0x12, 32][..], &number.to_be_bytes(), &[0xcc; 24]].concat()
}

#[tokio::test]
async fn nothing_that_an_untrusted_member_says_changes_anything() {
    let mut scene = Scene::start().await;
    let client = scene.run().await;
    scene.pin_some(&client).await;
    // What is stored is compared over a start, which itself changes nothing either.
    scene.peers[0].stop().unwrap();
    let stored = StoredState::read(scene.peers[0].base()).unwrap();
    scene.peers[1].stop().unwrap();
    let client = scene.run().await;
    let told = scene.told(&client).await;
    assert!(told.trusts_honest && !told.trusts_stranger);
    let unpinned = scene.mocks[0].calls(Endpoint::PinRm);

    scene.say_by_calls().await;
    scene.say_as_heads(&stored).await;
    scene.say_by_protocols().await;

    assert_eq!(scene.told(&client).await, told, "{}", scene.peers[0].log_text());
    assert_eq!(scene.mocks[0].calls(Endpoint::PinRm), unpinned);
    assert!(!scene.peers[0].base().join("forgotten_peers").exists());
    // Somebody was heard who was refused: the victim counted it.
    scene.peers[0].stop().unwrap();
    let log = scene.peers[0].log_text();
    for counted in ["broadcasts of heads rejected", "broadcasts of metrics rejected"] {
        assert!(log.contains(counted), "{counted} is not in the log\n{log}");
    }
    let after = StoredState::read(scene.peers[0].base()).unwrap();
    let differences = after.differences(&stored);
    assert!(differences.is_empty(), "{differences:?}");
    let file = fs::read_to_string(scene.peers[0].base().join("peerstore")).unwrap_or_default();
    let honest: Vec<&str> = file.lines().filter(|line| line.ends_with(scene.peers[1].id())).collect();
    assert!(honest.iter().all(|line| !line.contains("/tcp/9/")), "{honest:?}");
}
