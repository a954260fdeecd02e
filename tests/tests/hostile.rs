//! Members of the swarm that mean harm, against a real peer with an honest one beside it: whatever they do, the two agree
//! on new pins, the peer answers within its limits, and its memory stays bounded.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::{Client, Scope, api_types::PinOptions};
use cluster_testkit::{
    hostile::{Forger, RawPeer, RawStream},
    mock_kubo::MockKubo,
    service::{Programs, Service},
};
use cluster_tests::{
    cluster::{pinset, random_secret},
    world::{client_of, ipfs_path, made_up_cid},
};
use std::{
    cell::Cell,
    fs,
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{net::TcpSocket, time::timeout};

/// How long a pin may take from one honest peer to the other.
const AGREE_LIMIT: Duration = Duration::from_secs(20);

/// How long a peer may take to answer when a member says nothing: a stream may bring nothing for 30 s.
const ANSWER_LIMIT: Duration = Duration::from_secs(40);

/// How much the memory of a peer may grow, in KiB.
const GROWTH: u64 = 100 * 1024;

const POLL: Duration = Duration::from_millis(20);

/// Whom the honest peers trust.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    EachOther,
    Everybody,
}

/// Two honest peers; hostile ones know the secret and where the first one is.
struct Honest {
    peers: [Service; 2],
    clients: [Arc<Client>; 2],
    secret: String,
    memory: u64,
    next_pin: Cell<u64>,
    _mocks: [MockKubo; 2],
    _folder: tempfile::TempDir,
}

impl Honest {
    async fn start(trust: Trust) -> Self {
        let programs = Programs::build().unwrap();
        let secret = random_secret().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mocks = [MockKubo::start().await.unwrap(), MockKubo::start().await.unwrap()];
        let variables = [
            ("CLUSTER_SECRET", secret.as_str()),
            ("CLUSTER_MONITORPINGINTERVAL", "2s"),
            ("CLUSTER_IPFSHTTP_CONNECTSWARMSDELAY", "0s"),
        ];
        let mut peers = [0, 1].map(|number| {
            let base = folder.path().join(format!("peer-{number}"));
            Service::init(&programs.service, &base, &mocks[number].api(), &variables).unwrap()
        });
        let address = peers[0].swarm_address().to_owned();
        peers[1].join(&[&address]);
        let ids = [0, 1].map(|number| peers[number].id().to_owned());
        for (peer, other) in peers.iter_mut().zip(ids.iter().rev()) {
            if trust == Trust::EachOther {
                peer.set_variable("CLUSTER_CRDT_TRUSTEDPEERS", other);
            }
            peer.start().unwrap();
        }
        let clients =
            [client_of(&peers[0]).await.unwrap(), client_of(&peers[1]).await.unwrap()].map(Arc::new);
        let mut honest = Self {
            peers,
            clients,
            secret,
            memory: 0,
            next_pin: Cell::new(1 << 40),
            _mocks: mocks,
            _folder: folder,
        };
        honest.agree().await;
        honest.memory = honest.resident();
        honest
    }

    async fn raw_peer(&self) -> RawPeer {
        RawPeer::meet(&self.secret, self.peers[0].swarm_address()).await.unwrap()
    }

    async fn forger(&self) -> Forger {
        Forger::meet(&self.secret, self.peers[0].swarm_address()).await.unwrap()
    }

    /// Pins through either peer and waits until the other one has it.
    async fn agree(&self) {
        for (from, to) in [(0, 1), (1, 0)] {
            let number = self.next_pin.replace(self.next_pin.get() + 1);
            let cid = made_up_cid(number).unwrap();
            let options = PinOptions::default();
            let path = ipfs_path(&cid).unwrap();
            timeout(AGREE_LIMIT, self.clients[from].pin(&path, &options))
                .await
                .expect("a pin is not taken")
                .unwrap();
            let deadline = Instant::now() + AGREE_LIMIT;
            while self.clients[to].allocation(&cid).await.is_err() {
                let logs = [0, 1].map(|number| self.peers[number].log_text());
                assert!(
                    Instant::now() < deadline,
                    "{from} pinned, {to} has nothing\n{}",
                    logs.join("\n---\n")
                );
                tokio::time::sleep(POLL).await;
            }
        }
    }

    /// Everything that must still hold.
    async fn assert_well(&self) {
        self.agree().await;
        let client = &self.clients[0];
        let deadline = Instant::now() + AGREE_LIMIT;
        loop {
            let seen = async {
                let (mut ids, mut lines) = (Vec::new(), client.peers().await.unwrap());
                while let Some(id) = lines.next().await {
                    ids.push(id.unwrap());
                }
                ids
            };
            let seen = timeout(ANSWER_LIMIT, seen).await.expect("the peers are not listed");
            let well = seen.iter().filter(|id| id.error.is_empty()).map(|id| id.id.to_string());
            let well: Vec<String> = well.collect();
            if self.peers.iter().all(|peer| well.iter().any(|id| id == peer.id())) {
                break;
            }
            // A ping that was late on a busy machine is followed by the next one.
            assert!(Instant::now() < deadline, "{seen:?}\n{}", self.peers[0].log_text());
            tokio::time::sleep(POLL).await;
        }
        let cid = made_up_cid(self.next_pin.get() - 1).unwrap();
        let status = timeout(ANSWER_LIMIT, client.status(&cid, Scope::Cluster)).await;
        let status = status.expect("there is no status").unwrap().peer_map.unwrap();
        assert!(status.iter().any(|(peer, _)| peer.to_string() == self.peers[1].id()), "{status:?}");
        let grown = self.resident().saturating_sub(self.memory);
        assert!(grown < GROWTH, "memory has grown by {grown} KiB\n{}", self.peers[0].log_text());
    }

    /// Stops the victim and looks for what it must have counted.
    fn assert_counted(mut self, drops: &[&str]) {
        self.peers[0].stop().unwrap();
        let log = self.peers[0].log_text();
        let told = log.lines().find(|line| line.contains("not taken from other peers since the start: "));
        let told = told.unwrap_or_else(|| panic!("nothing was counted\n{log}"));
        for name in drops {
            assert!(told.contains(&format!("{name} ")), "{name} is not in: {told}");
        }
    }

    /// Returns the resident memory of the victim, in KiB.
    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.peers[0].pid().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }
}

/// Bytes that look like chance and are the same in every run.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(step).take(length).collect()
}

/// Names a service and method as calls do (wire-protocol §5.2).
fn call(service: &str, method: &str) -> Vec<u8> {
    let text = |text: &str| [&[0xa0 | u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [&[0x82][..], &text("Name"), &text(service), &text("Method"), &text(method)].concat()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2][..], &varint(bytes.len() as u64), bytes].concat()
}

/// The CID of a block of the DAG that does not exist.
fn missing_block(number: u64) -> Vec<u8> {
    [&[1, 0x70, 0x12, 32][..], &number.to_be_bytes(), &[0xdd; 24]].concat()
}

async fn open_all(peer: &RawPeer, count: usize, protocol: impl Fn(usize) -> usize) -> Vec<RawStream> {
    let mut streams = Vec::new();
    for number in 0..count {
        // Some are refused: that is the point.
        streams.extend(peer.open(protocol(number)).await);
    }
    streams
}

#[tokio::test]
async fn garbage_on_every_protocol_and_topic() {
    let honest = Honest::start(Trust::Everybody).await;
    let hostile = honest.raw_peer().await;
    let calls = [
        call("Cluster", "IDStream"),
        call("Cluster", "PeerAdd"),
        call("PinTracker", "StatusAll"),
        call("Consensus", "LogPin"),
        call("Crdt", "ExchangeHeads"),
    ];
    for protocol in 0..RawPeer::PROTOCOLS {
        for seed in 0..40 {
            let mut stream = hostile.open(protocol).await.unwrap();
            let mut bytes = noise(seed, 1 << (seed % 17));
            if seed % 2 == 0 && protocol < RawPeer::BLOCKS {
                bytes.splice(0..0, calls[seed as usize / 2 % calls.len()].iter().copied());
            }
            if seed % 2 == 0 && protocol >= RawPeer::BLOCKS {
                bytes = [varint(bytes.len() as u64), bytes].concat();
            }
            // It may be reset before all is said.
            let _ = stream.say(&bytes).await;
        }
    }
    hostile.shout_heads(300, |seed| noise(seed, 1 << (seed % 17))).await;
    hostile.shout_metrics(300, |seed| noise(seed, 1 << (seed % 17))).await;
    hostile.shout_heads(20, |seed| noise(seed, 1_000_000)).await;
    hostile.shout_metrics(20, |seed| noise(seed, 1_000_000)).await;
    honest.assert_well().await;
    honest.assert_counted(&[
        "broadcasts of heads rejected",
        "broadcasts of metrics rejected",
        "block streams with garbage",
    ]);
}

#[tokio::test]
async fn lengths_and_values_that_are_too_large() {
    let honest = Honest::start(Trust::Everybody).await;
    let hostile = honest.raw_peer().await;
    let mut said = Vec::new();
    for protocol in RawPeer::BLOCKS..RawPeer::PROTOCOLS {
        for length in [1 << 23, 1 << 31, 1 << 62] {
            said.push((protocol, varint(length)));
        }
    }
    let announced: [&[u8]; 5] = [
        b"\xdb\x80\x00\x00\x00",
        b"\xc6\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
    ];
    for protocol in 0..RawPeer::BLOCKS {
        for length in announced {
            said.push((protocol, length.to_vec()));
            said.push((protocol, [&call("Consensus", "LogPin"), length].concat()));
        }
    }
    for (protocol, bytes) in said {
        let mut stream = hostile.open(protocol).await.unwrap();
        let _ = stream.say(&bytes).await;
        let ended = timeout(ANSWER_LIMIT, stream.until_end()).await;
        assert!(ended.is_ok(), "protocol {protocol} waits for {bytes:?}");
    }
    // Values that really are that long.
    let megabyte = vec![0x2e; 1 << 20];
    for (protocol, start) in [
        (RawPeer::CALLS, [call("Consensus", "LogPin"), b"\xc6\x04\x00\x00\x00".to_vec()].concat()),
        (RawPeer::CALLS, [call("PinTracker", "Status"), b"\xdb\x04\x00\x00\x00".to_vec()].concat()),
        (RawPeer::CALLS, b"\xdb\x04\x00\x00\x00".to_vec()),
        (RawPeer::BLOCKS, varint(64 << 20)),
    ] {
        let mut stream = hostile.open(protocol).await.unwrap();
        let said = async {
            stream.say(&start).await?;
            for _ in 0..64 {
                stream.say(&megabyte).await?;
            }
            std::io::Result::Ok(())
        };
        // Ended, left alone, or taken and dropped: what counts is that it is kept nowhere.
        let _ = timeout(Duration::from_secs(5), said).await;
    }
    honest.assert_well().await;
}

#[tokio::test]
async fn streams_that_are_slow_or_never_used() {
    let honest = Honest::start(Trust::Everybody).await;
    let mut unused = Vec::new();
    for _ in 0..8 {
        let hostile = honest.raw_peer().await;
        let streams = open_all(&hostile, 250, |number| number % RawPeer::PROTOCOLS).await;
        unused.push((hostile, streams));
    }
    let slow = honest.raw_peer().await;
    let mut streams = open_all(&slow, 240, |number| number % RawPeer::PROTOCOLS).await;
    let call = call("Consensus", "LogPin");
    let drip = async {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        for byte in call.iter().cycle() {
            every.tick().await;
            for stream in &mut streams {
                let _ = stream.say(&[*byte]).await;
            }
        }
    };
    tokio::select! {
        () = drip => {}
        () = honest.assert_well() => {}
    }
    drop(unused);
    honest.assert_counted(&["streams refused"]);
}

/// Connections of strangers, from many addresses, and of peers; most are refused.
async fn connections_without_end(strangers: u32, peers: usize) {
    let honest = Honest::start(Trust::Everybody).await;
    let mut hostile = Vec::new();
    for _ in 0..peers {
        hostile.push(honest.raw_peer().await);
    }
    let port = honest.peers[0].swarm_address().split('/').nth(4).unwrap().parse::<u16>().unwrap();
    let mut open = Vec::new();
    for number in 0..strangers {
        let [_, _, c, d] = (number / 4 + 2).to_be_bytes();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::new(127, 1, c, d), 0).into()).unwrap();
        let connected = socket.connect((Ipv4Addr::LOCALHOST, port).into());
        open.push(timeout(ANSWER_LIMIT, connected).await.unwrap());
    }
    honest.assert_well().await;
    assert!(strangers == 0 || open.iter().any(Result::is_ok));
    // Who comes later gets in when the handshakes of the strangers have run out.
    let deadline = Instant::now() + ANSWER_LIMIT;
    while RawPeer::meet(&honest.secret, honest.peers[0].swarm_address()).await.is_err() {
        assert!(Instant::now() < deadline, "nobody gets in");
    }
    drop((open, hostile));
    if strangers > 0 {
        honest.assert_counted(&["connections refused"]);
    }
}

#[tokio::test]
async fn a_thousand_connections() {
    connections_without_end(1000, 24).await;
}

#[tokio::test]
#[ignore = "takes minutes: cargo ten-thousand-connections"]
async fn ten_thousand_connections() {
    connections_without_end(9976, 24).await;
}

/// So many that the other honest peer has no place among those to whom the gossip is passed on.
#[tokio::test]
#[ignore = "takes a minute: cargo ten-thousand-connections"]
async fn a_crowd_of_members() {
    connections_without_end(0, 120).await;
}

#[tokio::test]
async fn answers_that_nobody_reads() {
    let mut honest = Honest::start(Trust::Everybody).await;
    let mut running = tokio::task::JoinSet::new();
    for part in 0..10 {
        let client = honest.clients[0].clone();
        running.spawn(async move {
            for number in part * 100..(part + 1) * 100 {
                let options = PinOptions { name: "n".repeat(1000), ..PinOptions::default() };
                client.pin(&ipfs_path(&made_up_cid(number).unwrap()).unwrap(), &options).await.unwrap();
            }
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
    let deadline = Instant::now() + ANSWER_LIMIT;
    while pinset(&honest.clients[1]).await.unwrap().len() < 1000 {
        assert!(Instant::now() < deadline, "the other peer has not caught up");
        tokio::time::sleep(POLL).await;
    }
    honest.memory = honest.resident();
    let hostile = honest.raw_peer().await;
    let mut streams = open_all(&hostile, 200, |_| RawPeer::CALLS).await;
    let status_all = [call("PinTracker", "StatusAll"), vec![0]].concat();
    for stream in &mut streams {
        let _ = stream.say(&status_all).await;
    }
    honest.assert_well().await;
    // It was answered indeed: what is left of one answer is more than a stream holds.
    streams.clear();
    let mut half = vec![0; 1 << 19];
    let deadline = Instant::now() + ANSWER_LIMIT;
    loop {
        let mut one = hostile.open(RawPeer::CALLS).await.unwrap();
        one.say(&status_all).await.unwrap();
        match timeout(ANSWER_LIMIT, one.read_exact(&mut half)).await.unwrap() {
            Ok(()) => break,
            // Dropped, because the peer has not seen yet that the others are gone.
            Err(error) => assert!(Instant::now() < deadline, "no answer: {error}"),
        }
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test]
async fn a_member_that_answers_nothing() {
    let honest = Honest::start(Trust::Everybody).await;
    let silent = honest.raw_peer().await;
    silent.become_member().await;
    let deadline = Instant::now() + ANSWER_LIMIT;
    while honest.clients[0].id().await.unwrap().cluster_peers.unwrap_or_default().len() != 3 {
        assert!(Instant::now() < deadline, "it is no member\n{}", honest.peers[0].log_text());
        tokio::time::sleep(POLL).await;
    }
    // Blocks are asked of it, too.
    silent.shout_heads(50, |number| field(1, &field(1, &missing_block(number)))).await;
    honest.assert_well().await;
}

#[tokio::test]
async fn heads_that_lead_nowhere() {
    let honest = Honest::start(Trust::Everybody).await;
    let hostile = honest.forger().await;
    hostile.flood_missing(2000, 1).await;
    hostile.flood_missing(100, 100).await;
    hostile.flood_missing(20, 10_000).await;
    honest.assert_well().await;
    hostile.flood_rootless(20, 5000).await;
    hostile.flood_blocks(50, |seed| noise(seed, 100_000)).await;
    honest.assert_well().await;
    assert!(hostile.asked() > 0);
    honest.assert_counted(&["heads dropped"]);
}

#[tokio::test]
async fn heads_of_peers_that_are_not_trusted_are_not_looked_at() {
    let honest = Honest::start(Trust::EachOther).await;
    let hostile = honest.forger().await;
    hostile.flood_missing(2000, 1).await;
    hostile.flood_missing(20, 10_000).await;
    hostile.flood_rootless(20, 5000).await;
    honest.assert_well().await;
    // What it may not call is refused, with or without an argument.
    let raw = honest.raw_peer().await;
    for protocol in 0..RawPeer::BLOCKS {
        let mut stream = raw.open(protocol).await.unwrap();
        stream.say(&[call("PinTracker", "StatusAll"), vec![0]].concat()).await.unwrap();
        let answer = timeout(ANSWER_LIMIT, stream.until_end()).await.unwrap();
        assert!((1..1024).contains(&answer), "{answer} bytes");
    }
    assert_eq!(hostile.asked(), 0);
    honest.assert_counted(&["broadcasts of heads rejected"]);
}

#[tokio::test]
async fn metrics_without_end() {
    let honest = Honest::start(Trust::EachOther).await;
    let hostile = honest.forger().await;
    hostile.flood_metrics(10_000, None, |number| (format!("name-{number}"), "1".into())).await.unwrap();
    hostile.flood_metrics(200, None, |number| (format!("large-{number}"), "x".repeat(60_000))).await.unwrap();
    hostile.flood_metrics(20, None, |_| ("ping".into(), "x".repeat(900_000))).await.unwrap();
    let other = honest.peers[1].id();
    hostile.flood_metrics(200, Some(other), |_| ("forged".into(), "1".into())).await.unwrap();
    honest.assert_well().await;
    for client in &honest.clients {
        assert!(client.metrics("forged").await.unwrap().is_empty());
        let names = client.metric_names().await.unwrap();
        assert!(names.len() < 100, "{} names", names.len());
    }
    honest.assert_counted(&["metrics refused", "broadcasts of metrics rejected"]);
}

#[tokio::test]
async fn wants_without_end() {
    let honest = Honest::start(Trust::EachOther).await;
    let hostile = honest.raw_peer().await;
    let mut streams = open_all(&hostile, 60, |number| RawPeer::BLOCKS + number % 4).await;
    for (number, stream) in (0..).zip(&mut streams) {
        for message in 0..4 {
            let wants = (0..5000).flat_map(|want| {
                let cid = missing_block((number * 4 + message) * 5000 + want);
                // A want: the block, at priority 1; every other one only for whether it is there, and to be told if not.
                let rest: &[u8] = if want % 2 == 0 { &[0x10, 1] } else { &[0x10, 1, 0x20, 1, 0x28, 1] };
                field(1, &[&field(1, &cid)[..], rest].concat())
            });
            let message = field(1, &wants.collect::<Vec<u8>>());
            // It is asked to go away at some point.
            let _ = timeout(ANSWER_LIMIT, stream.say(&[varint(message.len() as u64), message].concat()))
                .await
                .expect("wants are not taken");
        }
    }
    honest.assert_well().await;
    honest.assert_counted(&["wants dropped"]);
}
