//! Every method of Go's peers, called by hand on real peers: who gets an answer, who is refused, and with which words.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_testkit::{
    hostile::{Identity, RawPeer},
    mock_kubo::MockKubo,
    service::{Programs, Service},
};
use cluster_tests::{
    calls::METHODS,
    cluster::random_secret,
    world::{client_of, made_up_cid},
};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// How long an answer may take: callers of Go's peers give up after it.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

const POLL: Duration = Duration::from_millis(20);

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// With a value of the method, or the good end of a stream.
    Answered,
    /// With error type 3: whoever asks all peers leaves this one out.
    Refused,
    /// With this error of the method.
    Failed(&'static str),
}

use Outcome::{Answered, Failed, Refused};

/// A stranger calls an ordinary peer, then a follower; a trusted peer calls an ordinary one, then a follower.
type Row = (&'static str, [Outcome; 4]);

const OPEN: [Outcome; 4] = [Answered; 4];
const TRUSTED: [Outcome; 4] = [Refused, Refused, Answered, Answered];
const CLOSED: [Outcome; 4] = [Refused; 4];

/// A follower's own daemon is collected by itself alone.
const TRUSTED_NO_FOLLOWER: [Outcome; 4] = [Refused, Refused, Answered, Refused];

/// In the Merkle-CRDT there is no list of members.
const NO_MEMBERS: [Outcome; 4] = {
    let fails = Failed("crdt consensus component cannot remove peers");
    [Refused, Refused, fails, fails]
};

/// Writes of a follower are off, whoever wants them.
const WRITE: [Outcome; 4] = {
    let off = Failed("this peer is configured to be in follower mode. Write operations are disabled");
    [Refused, Refused, Answered, off]
};

/// The stream of these calls brings no block, which is a mistake with Go as well.
const NO_BLOCKS: [Outcome; 4] = [Refused, Refused, Failed("no blocks"), Failed("no blocks")];

const TABLE: [Row; 55] = [
    ("Cluster.Alerts", CLOSED),
    ("Cluster.BandwidthByProtocol", CLOSED),
    ("Cluster.BlockAllocate", CLOSED),
    ("Cluster.ConnectGraph", CLOSED),
    ("Cluster.ID", OPEN),
    ("Cluster.IDStream", OPEN),
    ("Cluster.IPFSID", CLOSED),
    ("Cluster.Join", CLOSED),
    ("Cluster.PeerAdd", OPEN),
    ("Cluster.PeerRemove", NO_MEMBERS),
    ("Cluster.Peers", TRUSTED),
    ("Cluster.PeersWithFilter", CLOSED),
    ("Cluster.Pin", CLOSED),
    ("Cluster.PinGet", CLOSED),
    ("Cluster.PinPath", CLOSED),
    ("Cluster.Pins", CLOSED),
    ("Cluster.Recover", CLOSED),
    ("Cluster.RecoverAll", CLOSED),
    ("Cluster.RecoverAllLocal", TRUSTED),
    ("Cluster.RecoverLocal", TRUSTED),
    ("Cluster.RepoGC", CLOSED),
    ("Cluster.RepoGCLocal", TRUSTED_NO_FOLLOWER),
    ("Cluster.SendInformerMetrics", CLOSED),
    ("Cluster.SendInformersMetrics", CLOSED),
    ("Cluster.Status", CLOSED),
    ("Cluster.StatusAll", CLOSED),
    ("Cluster.StatusAllLocal", CLOSED),
    ("Cluster.StatusLocal", CLOSED),
    ("Cluster.Unpin", CLOSED),
    ("Cluster.UnpinPath", CLOSED),
    ("Cluster.Version", OPEN),
    ("PinTracker.PinQueueSize", CLOSED),
    ("PinTracker.Recover", TRUSTED),
    ("PinTracker.RecoverAll", CLOSED),
    ("PinTracker.Status", TRUSTED),
    ("PinTracker.StatusAll", TRUSTED),
    ("PinTracker.Track", CLOSED),
    ("PinTracker.Untrack", CLOSED),
    ("IPFSConnector.BlockGet", CLOSED),
    ("IPFSConnector.BlockStream", NO_BLOCKS),
    ("IPFSConnector.ConfigKey", CLOSED),
    ("IPFSConnector.Pin", CLOSED),
    ("IPFSConnector.PinLs", CLOSED),
    ("IPFSConnector.PinLsCid", CLOSED),
    ("IPFSConnector.RepoStat", TRUSTED),
    ("IPFSConnector.Resolve", CLOSED),
    ("IPFSConnector.SwarmPeers", TRUSTED),
    ("IPFSConnector.Unpin", CLOSED),
    ("Consensus.AddPeer", TRUSTED),
    ("Consensus.LogPin", WRITE),
    ("Consensus.LogUnpin", WRITE),
    ("Consensus.Peers", CLOSED),
    ("Consensus.RmPeer", NO_MEMBERS),
    ("PeerMonitor.LatestMetrics", CLOSED),
    ("PeerMonitor.MetricNames", CLOSED),
];

/// An ordinary peer and a follower that know each other; both trust whoever has the identity.
struct Called {
    peers: [Service; 2],
    secret: String,
    friend: Identity,
    _mocks: [MockKubo; 2],
    _folder: tempfile::TempDir,
}

impl Called {
    async fn start() -> Self {
        let programs = Programs::build().unwrap();
        let (secret, friend) = (random_secret().unwrap(), Identity::random());
        let folder = tempfile::tempdir().unwrap();
        let mocks = [MockKubo::start().await.unwrap(), MockKubo::start().await.unwrap()];
        let trusted = friend.id();
        let variables = [
            ("CLUSTER_SECRET", secret.as_str()),
            ("CLUSTER_MONITORPINGINTERVAL", "2s"),
            ("CLUSTER_CRDT_TRUSTEDPEERS", trusted.as_str()),
        ];
        let mut peers = [0, 1].map(|number| {
            let base = folder.path().join(format!("peer-{number}"));
            Service::init(&programs.service, &base, &mocks[number].api(), &variables).unwrap()
        });
        let address = peers[0].swarm_address().to_owned();
        peers[1].join(&[&address]);
        peers[1].set_variable("CLUSTER_FOLLOWERMODE", "true");
        for peer in &mut peers {
            peer.start().unwrap();
        }
        let called = Self { peers, secret, friend, _mocks: mocks, _folder: folder };
        for peer in &called.peers {
            let client = client_of(peer).await.unwrap();
            let deadline = Instant::now() + Duration::from_secs(30);
            while client.id().await.unwrap().cluster_peers.unwrap_or_default().len() < 2 {
                assert!(Instant::now() < deadline, "the peers do not see each other\n{}", peer.log_text());
                tokio::time::sleep(POLL).await;
            }
        }
        called
    }
}

fn outcome(row: usize, answer: &[u8]) -> Result<Outcome, String> {
    let method = METHODS[row];
    let success = method.success();
    if answer == method.refusal() {
        return Ok(Refused);
    }
    for (_, outcomes) in TABLE {
        for outcome in outcomes {
            if let Failed(text) = outcome
                && answer == method.failure(text)
            {
                return Ok(outcome);
            }
        }
    }
    match answer.strip_prefix(success.as_slice()) {
        // A stream may have nothing to say.
        None if answer.is_empty() && method.streams => Ok(Answered),
        // Nil there ends a Go daemon.
        Some([first, ..]) if *first != 0xc0 => Ok(Answered),
        _ => Err(String::from_utf8_lossy(answer).into_owned()),
    }
}

#[tokio::test]
async fn every_method_has_the_outcome_of_the_table() {
    let names: BTreeSet<&str> = METHODS.iter().map(|method| method.name).collect();
    assert_eq!((names.len(), TABLE.len()), (55, 55));
    let called = Called::start().await;
    let cid = made_up_cid(7).unwrap();
    let mut wrong = Vec::new();
    for (number, victim) in called.peers.iter().enumerate() {
        // Whom to add, remove or ask for: one that answers.
        let other = id_bytes(called.peers[1 - number].id());
        for (trusted, identity) in [(false, Identity::random()), (true, called.friend.clone())] {
            let caller = RawPeer::meet_as(identity, &called.secret, victim.swarm_address()).await.unwrap();
            for (row, method) in METHODS.iter().enumerate() {
                let wanted = TABLE[row].1[2 * usize::from(trusted) + number];
                assert_eq!(TABLE[row].0, method.name);
                let call = method.call(&cid, &other);
                let answer = timeout(ANSWER_LIMIT, caller.call(RawPeer::CALLS, &call, method.streams)).await;
                let answer = answer.map_err(|_| "no answer".to_owned());
                let answer = answer.and_then(|answer| answer.map_err(|error| format!("{error:#}")));
                let found = answer.and_then(|answer| outcome(row, &answer));
                if found != Ok(wanted) {
                    wrong.push(format!(
                        "{} on peer {number}, trusted: {trusted}: {found:?}, not {wanted:?}",
                        method.name
                    ));
                }
            }
            // The other victim may be connected to it too, and hears of the next one with its identity.
            caller.leave().await;
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), called.peers[0].log_text());
}

/// Returns a peer ID's bytes.
fn id_bytes(id: &str) -> Vec<u8> {
    cluster_client::parse_peer_id(id).unwrap().to_bytes()
}
