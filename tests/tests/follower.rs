//! A follower: it keeps up with the pinset and changes nothing (api §10.8).
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::{
    Cid, Client, ClientError, Scope, TrackerStatus,
    api_types::{GlobalPinInfo, PinOptions},
};
use cluster_testkit::{
    mock_kubo::{End, Endpoint, MockKubo, Script},
    service::{Programs, Service},
};
use cluster_tests::{
    cluster::{pinset, random_secret, statuses},
    http::Connection,
    world::{client_of, ipfs_path, made_up_cid},
};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(20);

/// What every write is answered.
const REFUSAL: &str = "this peer is configured to be in follower mode. Write operations are disabled";

/// Peers beside stand-ins of Kubo; the second one is a follower. All trust the first one.
struct Peers {
    peers: Vec<Service>,
    clients: Vec<Client>,
    mocks: Vec<MockKubo>,
    _folder: tempfile::TempDir,
}

const FOLLOWER: usize = 1;

impl Peers {
    async fn start(count: usize, environment: &[(&str, &str)]) -> Self {
        let programs = Programs::build().unwrap();
        let secret = random_secret().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut variables = vec![("CLUSTER_SECRET", secret.as_str()), ("CLUSTER_MONITORPINGINTERVAL", "1s")];
        variables.extend(environment);
        let mut all = Self { peers: vec![], clients: vec![], mocks: vec![], _folder: folder };
        for number in 0..count {
            let mock = MockKubo::start().await.unwrap();
            let base = all._folder.path().join(format!("peer-{number}"));
            let mut peer = Service::init(&programs.service, &base, &mock.api(), &variables).unwrap();
            // The first one alone: a follower that is trusted would count when pins expire, and never act.
            let trusted = all.peers.first().unwrap_or(&peer).id().to_owned();
            peer.set_variable("CLUSTER_CRDT_TRUSTEDPEERS", &trusted);
            if number == FOLLOWER {
                peer.set_variable("CLUSTER_FOLLOWERMODE", "true");
            }
            if let Some(first) = all.peers.first() {
                peer.join(&[first.swarm_address()]);
            }
            peer.start().unwrap();
            all.clients.push(client_of(&peer).await.unwrap());
            all.peers.push(peer);
            all.mocks.push(mock);
        }
        for number in 0..count {
            let client = &all.clients[number];
            let seen = async || client.id().await.unwrap().cluster_peers.unwrap_or_default().len() == count;
            all.until(&format!("peer {number} sees {count}"), seen).await;
        }
        all
    }

    async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !holds().await {
            let logs: Vec<String> = self.peers.iter().map(Service::log_text).collect();
            assert!(Instant::now() < deadline, "not in time: {what}\n{}", logs.join("\n---\n"));
            tokio::time::sleep(POLL).await;
        }
    }

    fn follower(&self) -> &Client {
        &self.clients[FOLLOWER]
    }

    async fn pin(&self, cid: &Cid, options: &PinOptions) {
        self.clients[0].pin(&ipfs_path(cid).unwrap(), options).await.unwrap();
    }

    async fn until_follower_has(&self, cid: &Cid, wanted: TrackerStatus) {
        self.until("the follower's status", async || {
            self.follower().status(cid, Scope::Local).await.is_ok_and(|info| status_in(&info) == Some(wanted))
        })
        .await;
    }

    /// Checks that a status is the follower's own and no one else's.
    fn assert_own(&self, info: &GlobalPinInfo) {
        let peers: Vec<String> = info.peers().map(|(peer, _)| peer.to_string()).collect();
        assert_eq!(peers, [self.peers[FOLLOWER].id()]);
    }
}

fn status_in(info: &GlobalPinInfo) -> Option<TrackerStatus> {
    info.peers().next().map(|(_, short)| short.status)
}

fn assert_refused<T: std::fmt::Debug>(result: Result<T, ClientError>) {
    let error = result.unwrap_err();
    assert_eq!((error.code(), error.to_object().message.as_str()), (500, REFUSAL));
}

#[tokio::test]
async fn a_follower_keeps_up_changes_nothing_and_speaks_for_itself() {
    let all = Peers::start(2, &[("CLUSTER_PINRECOVERINTERVAL", "1h")]).await;
    let (pinned, failing, other) =
        (made_up_cid(1).unwrap(), made_up_cid(2).unwrap(), made_up_cid(3).unwrap());
    let error = Script { end: End::Error("no such luck".to_owned()), ..Script::default() };
    all.mocks[FOLLOWER].script_for(Endpoint::PinAdd, failing, error);
    all.pin(&pinned, &PinOptions { name: "kept".to_owned(), ..PinOptions::default() }).await;
    all.pin(&failing, &PinOptions::default()).await;
    all.until_follower_has(&pinned, TrackerStatus::Pinned).await;
    all.until_follower_has(&failing, TrackerStatus::PinError).await;
    let before = pinset(&all.clients[0]).await.unwrap();
    assert_eq!(pinset(all.follower()).await.unwrap(), before);

    // Writes, of what is there and of what is not.
    let renamed = PinOptions { name: "renamed".to_owned(), ..PinOptions::default() };
    for cid in [&pinned, &other] {
        assert_refused(all.follower().pin(&ipfs_path(cid).unwrap(), &renamed).await);
        assert_refused(all.follower().unpin(&ipfs_path(cid).unwrap()).await);
    }

    // Statuses and recovery, of one and of all, and the collection of garbage.
    for cid in [&pinned, &failing, &other] {
        all.assert_own(&all.follower().status(cid, Scope::Cluster).await.unwrap());
    }
    let listed = statuses(all.follower(), "").await.unwrap();
    assert_eq!(listed.len(), 2);
    listed.iter().for_each(|info| all.assert_own(info));
    let calls = all.mocks[0].calls(Endpoint::PinAdd);
    all.assert_own(&all.follower().recover(&failing, Scope::Cluster).await.unwrap());
    all.until_follower_has(&failing, TrackerStatus::PinError).await;
    let mut recovered = all.follower().recover_all(Scope::Cluster).await.unwrap();
    while let Some(info) = recovered.next().await {
        all.assert_own(&info.unwrap());
    }
    let collected = all.follower().collect_garbage(Scope::Cluster).await.unwrap();
    let peers: Vec<String> = collected.peer_map.unwrap_or_default().keys().map(ToString::to_string).collect();
    assert_eq!(peers, [all.peers[FOLLOWER].id()]);
    assert_eq!((all.mocks[0].calls(Endpoint::PinAdd), all.mocks[0].calls(Endpoint::RepoGc)), (calls, 0));

    // The others still count it in, but collect no garbage on it.
    let counted = all.clients[0].status(&pinned, Scope::Cluster).await.unwrap();
    assert_eq!(counted.peers().count(), 2);
    let collected = all.clients[0].collect_garbage(Scope::Cluster).await.unwrap();
    let peers: Vec<String> = collected.peer_map.unwrap_or_default().keys().map(ToString::to_string).collect();
    assert_eq!(peers, [all.peers[0].id()]);

    assert_eq!(pinset(&all.clients[0]).await.unwrap(), before);
    assert_eq!(pinset(all.follower()).await.unwrap(), before);
    // Whatever was recovered, only this peer's daemon was asked for it; and an unpin of others is followed.
    all.clients[0].unpin(&ipfs_path(&pinned).unwrap()).await.unwrap();
    all.until_follower_has(&pinned, TrackerStatus::Unpinned).await;
}

#[tokio::test]
async fn a_follower_leaves_expired_pins_to_others() {
    let mut all = Peers::start(2, &[("CLUSTER_STATESYNCINTERVAL", "200ms")]).await;
    let cid = made_up_cid(1).unwrap();
    let mut connection = Connection::open(port(&all.peers[0])).unwrap();
    let answer = connection.ask("POST", &format!("/pins/ipfs/{cid}?expire-in=3s")).unwrap();
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    all.until("the follower has the pin", async || all.follower().allocation(&cid).await.is_ok()).await;
    // Alone, it would be the closest of all to every pin.
    all.peers[0].stop().unwrap();
    all.until("the follower is alone", async || {
        all.follower().id().await.unwrap().cluster_peers.unwrap_or_default().len() == 1
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(all.follower().allocation(&cid).await.is_ok(), "a follower removed an expired pin");
    // The ordinary peer does it as soon as it is back.
    all.peers[0].start().unwrap();
    all.until("the pin is gone", async || all.follower().allocation(&cid).await.is_err()).await;
}

fn port(peer: &Service) -> u16 {
    peer.socket().unwrap().rsplit(':').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_follower_keeps_no_alerts() {
    let mut all = Peers::start(3, &[("CLUSTER_PUBSUBMON_CHECKINTERVAL", "200ms")]).await;
    let lost = all.peers[0].id().to_owned();
    for number in [FOLLOWER, 2] {
        let client = &all.clients[number];
        let heard = async || client.metrics("ping").await.unwrap().len() == 3;
        all.until("all pings are heard", heard).await;
    }
    all.peers[0].kill().unwrap();
    let alerted = async |number: usize| -> bool {
        let alerts = all.clients[number].alerts().await.unwrap();
        alerts.iter().any(|alert| alert.metric.peer.to_string() == lost)
    };
    all.until("the ordinary peer has an alert", async || alerted(2).await).await;
    all.until("the follower has missed the ping", async || {
        all.follower().metrics("ping").await.unwrap().len() < 3
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(all.follower().alerts().await.unwrap().is_empty());
}
