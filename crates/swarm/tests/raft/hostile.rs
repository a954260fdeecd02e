//! Members of the swarm that keep to no rule.

use crate::harness::{LIMIT, Members, Peer, config, eventually};
use cluster_core::{
    Metric, PeerId,
    ports::{
        Network, SwarmListener,
        raft::{MAX_RAFT_MESSAGE, RaftLane},
        swarm::{PeerEvent, Verdict},
    },
};
use cluster_runtime::Tasks;
use cluster_swarm::{
    BoxedStream, Host, HostHandle, HostParts, InboundStreams, OpenError, OpenStreams, RAFT_LOG_PROTOCOL,
    RAFT_SNAPSHOT_PROTOCOL,
};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use libp2p::StreamProtocol;
use std::sync::{Arc, atomic::Ordering};
use tokio::time::timeout;

static LOG: [StreamProtocol; 1] = [RAFT_LOG_PROTOCOL];
static SNAPSHOT: [StreamProtocol; 1] = [RAFT_SNAPSHOT_PROTOCOL];

struct Deaf;

impl SwarmListener for Deaf {
    fn on_heads(&self, _: PeerId, _: &[u8]) -> Verdict {
        Verdict::Ignore
    }

    fn on_metric(&self, _: Metric) -> Verdict {
        Verdict::Ignore
    }

    fn on_peer(&self, _: PeerEvent) {}
}

impl InboundStreams for Deaf {
    fn on_stream(&self, _: PeerId, _: StreamProtocol, _: BoxedStream) {}
}

/// A host without any protocol of its own, which knows `victim`.
async fn raw_host(victim: &Peer) -> (HostHandle, Tasks) {
    let tasks = Tasks::new();
    let parts = HostParts {
        listener: Arc::new(Deaf),
        inbound: Arc::new(Deaf),
        tasks: tasks.clone(),
        decode_metric: |_| None,
        encode_metric: |_| Vec::new(),
    };
    let host = Host::start(config(), parts).await.unwrap();
    host.connect(victim.id, vec![victim.address()]).await.unwrap();
    (host, tasks)
}

fn frame(number: u64, body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes()[..], &number.to_be_bytes(), &[0], body].concat()
}

/// Waits until the other side has ended the stream.
async fn ended(mut stream: BoxedStream) {
    let mut said = Vec::new();
    // A reset is an error, an end is none.
    let _ = timeout(LIMIT, stream.read_to_end(&mut said)).await.unwrap();
    assert!(said.is_empty());
}

#[tokio::test]
async fn frames_that_are_too_long_or_come_twice_cost_the_stream() {
    let members = Members::new();
    let victim = Peer::serving(&members).await;
    let (host, _tasks) = raw_host(&victim).await;
    let too_long = [&(MAX_RAFT_MESSAGE as u32 + 1).to_be_bytes()[..], &[0, 0, 0, 0, 0, 0, 0, 1, 0]].concat();
    let slow_twice = [frame(1, b"slow"), frame(1, b"slow")].concat();
    for (count, bytes) in (1..).zip([too_long, vec![0xff; 100], slow_twice]) {
        let (_, mut stream) = host.open(victim.id, &LOG).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        stream.flush().await.unwrap();
        ended(stream).await;
        eventually("counted", || victim.dropped("Raft streams with garbage") == count).await;
    }
    assert_eq!(members.asked_by(&host.local_peer()), [b"slow"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_asks_and_never_reads_is_stopped_and_others_are_served() {
    let members = Members::new();
    let (victim, honest) = (Peer::serving(&members).await, Peer::start().await);
    honest.meet(&victim).await;
    let (host, _tasks) = raw_host(&victim).await;
    let (_, mut unread) = host.open(victim.id, &LOG).await.unwrap();
    // Answers as long as the requests: what is not read stands in the way of what is written.
    let flooding = tokio::spawn(async move {
        let body = vec![7; 100_000];
        let mut sent = 0;
        while unread.write_all(&frame(sent + 1, &body)).await.is_ok() {
            sent += 1;
            assert!(sent < 2000, "no end");
        }
        sent
    });
    // And a lane full of what is not answered.
    let (_, mut unanswered) = host.open(victim.id, &SNAPSHOT).await.unwrap();
    let filling = tokio::spawn(async move {
        let part = [&b"slow"[..], &vec![0; MAX_RAFT_MESSAGE - 4]].concat();
        for number in 1.. {
            if unanswered.write_all(&frame(number, &part)).await.is_err() {
                break;
            }
        }
    });
    eventually("the lane is full", || members.waiting.load(Ordering::Relaxed) == 1).await;
    for lane in RaftLane::ALL {
        let answer = timeout(LIMIT, honest.swarm.raft_calls().call(victim.id, lane, b"ask".to_vec())).await;
        assert_eq!(answer.unwrap(), Ok(b"ask".to_vec()), "{lane:?}");
    }
    // It is given up half a minute after it took something for the last time.
    let sent = timeout(3 * LIMIT, flooding).await.unwrap().unwrap();
    println!("{sent} requests of 100 kB were taken from a peer that reads nothing");
    assert!(sent < 500, "{sent}");
    eventually("counted", || victim.dropped("Raft streams too slow") == 1).await;
    assert_eq!(members.waiting.load(Ordering::Relaxed), 1, "of 4 MiB each");
    // With its connection goes what it asked and nobody needs any more.
    host.stop().await;
    eventually("nobody works for who is gone", || members.waiting.load(Ordering::Relaxed) == 0).await;
    filling.abort();
}

#[tokio::test]
async fn streams_of_raft_are_not_opened_to_who_does_not_speak_it() {
    let victim = Peer::start().await;
    let (host, _tasks) = raw_host(&victim).await;
    let refused = host.open(victim.id, &LOG).await.err();
    assert_eq!(refused, Some(OpenError::Unsupported("/cluster/raft/log/1.0.0")));
    victim.swarm.serve_raft(Members::new());
    assert!(host.open(victim.id, &LOG).await.is_ok());
}
