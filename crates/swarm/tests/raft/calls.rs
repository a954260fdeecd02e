//! Calls between swarms on loopback.

use crate::harness::{LIMIT, Members, Peer, eventually};
use cluster_core::ports::raft::{RaftCallError, RaftLane, RaftRefusal};
use futures_util::future::join_all;
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

fn numbered(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_in_flight_arrive_in_order_and_come_back_to_their_callers() {
    let members = Members::new();
    let (caller, callee) = (Peer::start().await, Peer::serving(&members).await);
    caller.meet(&callee).await;
    let calls = caller.swarm.raft_calls();
    let answers = join_all((0..1000).map(|n| calls.call(callee.id, RaftLane::Log, numbered(n)))).await;
    let expected: Vec<Vec<u8>> = (0..1000).map(numbered).collect();
    assert_eq!(members.asked_by(&caller.id), expected);
    assert_eq!(answers.into_iter().collect::<Result<Vec<_>, _>>(), Ok(expected));
    let traffic = caller.swarm.network().traffic();
    let log = traffic.iter().find(|(name, _)| name == "/cluster/raft/log/1.0.0").map(|(_, traffic)| *traffic);
    assert!(log.is_some_and(|log| log.sent >= 17_000), "{traffic:?}");
}

#[tokio::test]
async fn a_peer_speaks_raft_once_it_answers_and_not_before() {
    let members = Members::new();
    let (caller, callee) = (Peer::start().await, Peer::start().await);
    caller.meet(&callee).await;
    let calls = caller.swarm.raft_calls();
    for lane in RaftLane::ALL {
        let refused = calls.call(callee.id, lane, b"ask".to_vec()).await;
        let Err(RaftCallError::NotSent { cause }) = refused else { panic!("{refused:?}") };
        assert!(cause.contains("the peer does not speak /cluster/raft/"), "{cause}");
    }
    callee.swarm.serve_raft(members.clone());
    // Over the connection that is there.
    let asking = async {
        while calls.call(callee.id, RaftLane::Log, b"ask".to_vec()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, asking).await.unwrap();
    assert_eq!(members.asked_by(&caller.id), [b"ask"]);
}

#[tokio::test]
async fn a_peer_that_is_no_member_is_told_so() {
    let members = Members::new();
    let (stranger, callee) = (Peer::start().await, Peer::serving(&members).await);
    members.strangers.lock().unwrap().insert(stranger.id);
    stranger.meet(&callee).await;
    let calls = stranger.swarm.raft_calls();
    let refused = calls.call(callee.id, RaftLane::Log, vec![0; 1 << 20]).await;
    assert_eq!(refused, Err(RaftCallError::Refused(RaftRefusal::NotMember)));
    assert_eq!(callee.dropped("Raft requests of peers that are not members"), 1);
    assert!(members.asked_by(&stranger.id).is_empty());
    members.strangers.lock().unwrap().clear();
    assert_eq!(calls.call(callee.id, RaftLane::Log, b"ask".to_vec()).await, Ok(b"ask".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_goes_and_comes_back_is_called_again_and_gets_nothing_twice() {
    let members = Members::new();
    let (caller, callee) = (Peer::start().await, Peer::serving(&members).await);
    caller.meet(&callee).await;
    let (calls, id) = (caller.swarm.raft_calls(), callee.id);
    let call = |text: String| {
        let calls = calls.clone();
        tokio::spawn(async move { calls.call(id, RaftLane::Log, text.into_bytes()).await })
    };
    let lost: Vec<_> = (0..100).map(|number| call(format!("slow {number}"))).collect();
    eventually("all have arrived", || members.waiting.load(Ordering::Relaxed) == 100).await;
    let config = callee.stop().await;
    for call in lost {
        let outcome = call.await.unwrap();
        assert!(matches!(outcome, Err(RaftCallError::NotAnswered { .. })), "{outcome:?}");
    }
    eventually("nobody works for who is gone", || members.waiting.load(Ordering::Relaxed) == 0).await;
    let unsent = call("nobody is there".to_owned()).await.unwrap();
    assert!(matches!(unsent, Err(RaftCallError::NotSent { .. })), "{unsent:?}");

    let callee = Peer::again(config).await;
    callee.swarm.serve_raft(members.clone());
    let mut number = 0;
    let asking = async {
        while call(format!("again {number}")).await.unwrap().is_err() {
            number += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, asking).await.unwrap();
    let asked = members.asked_by(&caller.id);
    assert_eq!(asked.iter().collect::<HashSet<_>>().len(), asked.len(), "nothing twice");
    assert_eq!(asked.last().unwrap(), &format!("again {number}").into_bytes());
}

#[tokio::test]
async fn who_closes_a_connection_itself_waits_for_no_answer_over_it() {
    let members = Members::new();
    let (caller, callee) = (Peer::start().await, Peer::serving(&members).await);
    caller.meet(&callee).await;
    let (calls, id) = (caller.swarm.raft_calls(), callee.id);
    let call = tokio::spawn(async move { calls.call(id, RaftLane::Log, b"slow".to_vec()).await });
    eventually("it has arrived", || members.waiting.load(Ordering::Relaxed) == 1).await;
    caller.swarm.network().forget(callee.id);
    let outcome = tokio::time::timeout(LIMIT, call).await.unwrap().unwrap();
    assert!(matches!(outcome, Err(RaftCallError::NotAnswered { .. })), "{outcome:?}");
    eventually("nobody works for who is gone", || members.waiting.load(Ordering::Relaxed) == 0).await;
}

/// Parts of snapshots that are to be sent at once: twice as many as the peer takes.
const PARTS: usize = 8;

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() / 2]
}

/// The machine may be busy, so what is compared is how long the two take beside each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signs_of_life_do_not_wait_for_parts_of_snapshots() {
    let members = Members::new();
    let (leader, member) = (Peer::start().await, Peer::serving(&members).await);
    leader.meet(&member).await;
    let (calls, id) = (leader.swarm.raft_calls(), member.id);
    let done = Arc::new(AtomicBool::new(false));
    let parts: Vec<_> = (0..PARTS)
        .map(|_| {
            let (calls, done) = (calls.clone(), done.clone());
            tokio::spawn(async move {
                let mut took = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    let mut part = vec![0; 1 << 20];
                    part[..4].copy_from_slice(b"slow");
                    let began = Instant::now();
                    calls.call(id, RaftLane::Snapshot, part).await.unwrap();
                    took.push(began.elapsed());
                }
                took
            })
        })
        .collect();
    eventually("the peer has what it takes", || members.waiting.load(Ordering::Relaxed) == PARTS / 2).await;
    let answering = tokio::spawn({
        let (members, done) = (members.clone(), done.clone());
        async move {
            while !done.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(500)).await;
                members.slow.add_permits(PARTS / 2);
            }
            members.slow.add_permits(1000);
        }
    });
    let mut alive = Vec::new();
    let began = Instant::now();
    while alive.len() < 100 || began.elapsed() < Duration::from_secs(3) {
        let began = Instant::now();
        calls.call(id, RaftLane::Control, b"alive".to_vec()).await.unwrap();
        alive.push(began.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    done.store(true, Ordering::Relaxed);
    answering.await.unwrap();
    let parts: Vec<Duration> = join_all(parts).await.into_iter().flat_map(Result::unwrap).collect();
    let (slowest, count) = (alive.iter().max().copied(), parts.len());
    let (alive, part) = (median(alive), median(parts));
    println!("a sign of life took {alive:?}, the slowest {slowest:?}; a part {part:?}, {count} of them");
    assert!(alive < part / 4, "{alive:?} {part:?}");
}
