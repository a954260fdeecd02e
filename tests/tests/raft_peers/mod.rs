//! Peers that agree by Raft, as processes, each with a stand-in of an IPFS daemon.
#![allow(dead_code, reason = "each suite uses a part of it")]

use cluster_client::{
    Cid, Client, ClientError, Host,
    api_types::{PinOptions, RaftHealth},
};
use cluster_testkit::{
    mock_kubo::MockKubo,
    service::{Programs, Service},
};
use cluster_tests::{
    cluster::{pinset, random_secret},
    world::{client_of, ipfs_path, made_up_cid},
};
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) const POLL: Duration = Duration::from_millis(20);

/// Short, so that a lost leader costs little.
const VARIABLES: [(&str, &str); 6] = [
    ("CLUSTER_RAFT_HEARTBEATTIMEOUT", "500ms"),
    ("CLUSTER_RAFT_ELECTIONTIMEOUT", "500ms"),
    ("CLUSTER_RAFT_WAITFORLEADERTIMEOUT", "5s"),
    ("CLUSTER_RAFT_NETWORKTIMEOUT", "3s"),
    ("CLUSTER_MONITORPINGINTERVAL", "2s"),
    ("CLUSTER_DISABLEREPINNING", "false"),
];

/// Peers, each with a stand-in of an IPFS daemon.
pub(crate) struct Peers {
    pub(crate) peers: Vec<Service>,
    pub(crate) secret: String,
    mocks: Vec<MockKubo>,
    folder: tempfile::TempDir,
}

impl Peers {
    /// Makes a cluster of the first peer, which the others join.
    pub(crate) async fn start(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut made =
            Self { peers: Vec::new(), secret: random_secret().unwrap(), mocks: Vec::new(), folder };
        for _ in 0..count {
            made.add("raft").await;
            made.start_last();
        }
        made.until_ready(count).await;
        made
    }

    pub(crate) async fn add(&mut self, consensus: &str) -> &mut Service {
        let base = self.folder.path().join(format!("peer-{}", self.peers.len()));
        self.add_at(consensus, &base).await
    }

    pub(crate) async fn add_at(&mut self, consensus: &str, base: &Path) -> &mut Service {
        let mock = MockKubo::start().await.unwrap();
        let variables: Vec<(&str, &str)> =
            VARIABLES.into_iter().chain([("CLUSTER_SECRET", self.secret.as_str())]).collect();
        let program = &Programs::build().unwrap().service;
        let mut peer = Service::init_agreeing(program, consensus, base, &mock.api(), &variables).unwrap();
        if let Some(first) = self.peers.first() {
            peer.join(&[first.swarm_address()]);
        }
        self.mocks.push(mock);
        self.peers.push(peer);
        self.peers.last_mut().unwrap()
    }

    pub(crate) fn start_last(&mut self) {
        self.peers.last_mut().unwrap().start().unwrap();
    }

    pub(crate) async fn client(&self, number: usize) -> Client {
        client_of(&self.peers[number]).await.unwrap()
    }

    pub(crate) async fn strong(&self, number: usize) -> Client {
        let host = Host::parse(self.peers[number].rest()).unwrap();
        Client::builder(vec![host]).strong_consistency().build().await.unwrap()
    }

    pub(crate) async fn health(&self, number: usize) -> RaftHealth {
        self.client(number).await.raft_health().await.unwrap()
    }

    pub(crate) fn logs(&self) -> String {
        let logs: Vec<String> = self.peers.iter().map(Service::log_text).collect();
        logs.join("\n---\n")
    }

    /// Waits until what `look` sees of every running peer holds.
    pub(crate) async fn until(&self, what: &str, look: impl AsyncFn(usize) -> bool) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let mut holds = true;
            for number in 0..self.peers.len() {
                holds &= self.peers[number].pid().is_none() || look(number).await;
            }
            if holds {
                return;
            }
            assert!(Instant::now() < deadline, "not in time: {what}\n{}", self.logs());
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until every running peer is a voter among so many, and may be read.
    pub(crate) async fn until_ready(&self, voters: usize) {
        self.until("all are ready and vote", async |number| {
            let Ok(health) = self.client(number).await.raft_health().await else { return false };
            let votes = health.members.iter().filter(|member| member.role == "voter").count();
            health.ready && votes == voters && health.leader.is_some()
        })
        .await;
    }

    /// Finds the peer that leads, as another one says.
    pub(crate) async fn leader(&self, asked: usize) -> usize {
        let leader = self.health(asked).await.leader.unwrap().to_string();
        self.peers.iter().position(|peer| peer.id() == leader).unwrap()
    }

    pub(crate) async fn pin(&self, number: usize, cid: u64) -> Result<Cid, ClientError> {
        let cid = made_up_cid(cid).unwrap();
        let options = PinOptions { name: cid.to_string(), ..PinOptions::default() };
        self.client(number).await.pin(&ipfs_path(&cid).unwrap(), &options).await?;
        Ok(cid)
    }

    /// Pins until that is acknowledged: nobody leads for a moment, and what was handed to a leader that died then is of unknown
    /// outcome.
    pub(crate) async fn pin_at_last(&self, number: usize, cid: u64) {
        let deadline = Instant::now() + LIMIT;
        while let Err(error) = self.pin(number, cid).await {
            assert!(Instant::now() < deadline, "{error}\n{}", self.logs());
        }
    }

    pub(crate) async fn pinset(&self, number: usize) -> BTreeMap<String, String> {
        pinset(&self.client(number).await).await.unwrap()
    }

    /// Waits until all running peers list the same pins, so many.
    pub(crate) async fn until_equal(&self, pins: usize) {
        self.until("all have the same pins", async |number| {
            pinset(&self.client(number).await).await.is_ok_and(|pinset| pinset.len() == pins)
        })
        .await;
    }
}

/// Says which code a failed call had.
pub(crate) fn code<T>(result: Result<T, ClientError>) -> i32 {
    match result {
        Err(ClientError::Server(error)) => error.code,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it went well"),
    }
}
