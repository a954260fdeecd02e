//! Our side of the calls.

use super::{wire::boxed, *};
use crate::{
    open_streams::{BoxedStream, OpenError, OpenStreams},
    raft::frame::{Kind, write_frame},
};
use cluster_core::{
    PeerId,
    ports::{
        BoxFuture, RaftCalls,
        raft::{MAX_RAFT_MESSAGE, RaftCallError, RaftRefusal},
    },
};
use futures_util::{future::join_all, poll};
use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

type Outcome = Result<Vec<u8>, RaftCallError>;

fn client(opener: Arc<dyn OpenStreams>) -> RaftClient {
    RaftClient::new(opener, PeerId::random(), CancellationToken::new())
}

fn is_not_sent(outcome: &Outcome) -> bool {
    matches!(outcome, Err(RaftCallError::NotSent { .. }))
}

fn is_not_answered(outcome: &Outcome) -> bool {
    matches!(outcome, Err(RaftCallError::NotAnswered { .. }))
}

fn numbered(number: usize) -> Vec<u8> {
    (number as u32).to_be_bytes().to_vec()
}

#[tokio::test(start_paused = true)]
async fn requests_arrive_in_the_order_of_their_first_poll() {
    let members = Members::new();
    let (wire, peer) = (Wire::to(members.clone()), PeerId::random());
    let client = client(wire.clone());
    let mut calls: Vec<_> =
        (0..1000).map(|number| client.call(peer, RaftLane::Log, numbered(number))).collect();
    // Made in one order, polled in another.
    calls.reverse();
    let answers = join_all(calls).await;
    let expected: Vec<Vec<u8>> = (0..1000).rev().map(numbered).collect();
    assert_eq!(*members.asked.lock().unwrap(), expected);
    assert_eq!(answers.into_iter().collect::<Result<Vec<_>, _>>(), Ok(expected));
    assert_eq!(wire.opened.load(Ordering::Relaxed), 1, "one stream for all");
}

#[tokio::test(start_paused = true)]
async fn a_broken_stream_says_of_each_request_what_is_known_and_none_arrives_twice() {
    let members = Members::silent();
    let (wire, peer) = (Wire::to(members.clone()), PeerId::random());
    let client = client(wire.clone());
    let calls =
        join_all((0..MAX_IN_FLIGHT + 100).map(|number| client.call(peer, RaftLane::Log, numbered(number))));
    let cutting = async {
        members.wait_for(MAX_IN_FLIGHT).await;
        wire.cut();
    };
    let (outcomes, ()) = tokio::join!(calls, cutting);
    assert!(outcomes[..MAX_IN_FLIGHT].iter().all(is_not_answered));
    assert!(outcomes[MAX_IN_FLIGHT..].iter().all(is_not_sent));
    members.answers.add_permits(10);
    tokio::time::sleep(pause::LONGEST).await;
    assert_eq!(client.call(peer, RaftLane::Log, b"again".to_vec()).await, Ok(b"again".to_vec()));
    assert_eq!(wire.opened.load(Ordering::Relaxed), 2);
    let asked = members.asked.lock().unwrap();
    assert_eq!(asked.len(), MAX_IN_FLIGHT + 1);
    assert_eq!(asked.iter().collect::<HashSet<_>>().len(), asked.len(), "each of them once");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_worked_is_replaced_without_a_pause() {
    let members = Members::new();
    let (wire, peer) = (Wire::to(members.clone()), PeerId::random());
    let client = client(wire.clone());
    for round in 1..=5 {
        assert!(client.call(peer, RaftLane::Log, numbered(round)).await.is_ok(), "{round}");
        assert_eq!(wire.opened.load(Ordering::Relaxed), round);
        wire.cut();
        // Both sides hear of it.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_away_is_tried_less_and_less_and_at_once_when_it_connects() {
    let (wire, peer) = (Wire::to(Members::new()), PeerId::random());
    wire.broken.store(true, Ordering::Relaxed);
    let client = client(wire.clone());
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        let outcome = client.call(peer, RaftLane::Control, b"vote".to_vec()).await;
        assert!(is_not_sent(&outcome), "{outcome:?}");
        assert!(outcome.unwrap_err().to_string().contains("no route"));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let opened = wire.opened.load(Ordering::Relaxed);
    assert!((25..=40).contains(&opened), "{opened}");
    wire.broken.store(false, Ordering::Relaxed);
    assert!(is_not_sent(&client.call(peer, RaftLane::Control, b"vote".to_vec()).await), "a pause");
    client.on_connected(PeerId::random());
    assert!(is_not_sent(&client.call(peer, RaftLane::Control, b"vote".to_vec()).await), "of another peer");
    client.on_connected(peer);
    assert!(client.call(peer, RaftLane::Control, b"vote".to_vec()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_gone_ends_its_calls_though_its_streams_say_nothing() {
    let members = Members::silent();
    let (wire, peer, other) = (Wire::to(members.clone()), PeerId::random(), PeerId::random());
    let client = client(wire.clone());
    let mut call = client.call(peer, RaftLane::Log, b"ask".to_vec());
    assert!(poll!(&mut call).is_pending());
    members.wait_for(1).await;
    client.on_disconnected(other);
    tokio::task::yield_now().await;
    assert!(poll!(&mut call).is_pending());
    client.on_disconnected(peer);
    let began = Instant::now();
    assert!(is_not_answered(&call.await));
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn neither_another_peer_nor_another_lane_is_waited_for() {
    let members = Members::silent();
    let (wire, silent, peer) = (Wire::to(members.clone()), PeerId::random(), PeerId::random());
    *wire.silent.lock().unwrap() = Some(silent);
    let client = client(wire.clone());
    let mut stuck = client.call(silent, RaftLane::Log, Vec::new());
    assert!(poll!(&mut stuck).is_pending());
    // As much of a snapshot as the peer takes, and more.
    let part = vec![0; 1024 * 1024];
    let mut parts: Vec<_> = (0..20).map(|_| client.call(peer, RaftLane::Snapshot, part.clone())).collect();
    for part in &mut parts {
        assert!(poll!(part).is_pending());
    }
    members.wait_for(MAX_SNAPSHOT_IN_FLIGHT_BYTES / part.len()).await;
    let began = Instant::now();
    let mut vote = client.call(peer, RaftLane::Control, b"vote".to_vec());
    assert!(poll!(&mut vote).is_pending());
    members.wait_for(MAX_SNAPSHOT_IN_FLIGHT_BYTES / part.len() + 1).await;
    assert_eq!(members.asked.lock().unwrap().last().map(Vec::as_slice), Some(&b"vote"[..]));
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_stops_waiting_takes_back_what_has_not_left() {
    let members = Members::silent();
    let (wire, peer) = (Wire::to(members.clone()), PeerId::random());
    let client = client(wire.clone());
    let call = |text: &[u8]| client.call(peer, RaftLane::Control, text.to_vec());
    let mut left = call(b"left");
    assert!(poll!(&mut left).is_pending());
    members.wait_for(1).await;
    drop(left);
    let mut many: Vec<_> = (1..MAX_IN_FLIGHT).map(|_| call(b"many")).collect();
    for one in &mut many {
        assert!(poll!(one).is_pending());
    }
    members.wait_for(MAX_IN_FLIGHT).await;
    let (mut taken_back, mut kept) = (call(b"taken back"), call(b"kept"));
    assert!(poll!(&mut taken_back).is_pending() && poll!(&mut kept).is_pending());
    drop(taken_back);
    members.answers.add_permits(MAX_IN_FLIGHT + 1);
    assert_eq!(kept.await, Ok(b"kept".to_vec()));
    let asked = members.asked.lock().unwrap();
    assert_eq!((asked.len(), asked.last().unwrap().as_slice()), (MAX_IN_FLIGHT + 1, &b"kept"[..]));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_is_said_at_once() {
    let wire = Wire::to(Members::new());
    let stop = CancellationToken::new();
    let (local, peer) = (PeerId::random(), PeerId::random());
    let client = RaftClient::new(wire.clone(), local, stop.clone());
    assert!(is_not_sent(&client.call(local, RaftLane::Log, Vec::new()).await));
    assert!(is_not_sent(&client.call(peer, RaftLane::Log, vec![0; MAX_RAFT_MESSAGE + 1]).await));
    assert_eq!(wire.opened.load(Ordering::Relaxed), 0);
    let largest = vec![7; MAX_RAFT_MESSAGE];
    assert_eq!(client.call(peer, RaftLane::Log, largest.clone()).await, Ok(largest));
    stop.cancel();
    assert!(is_not_sent(&client.call(peer, RaftLane::Log, Vec::new()).await));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_swarm_ends_every_call() {
    let members = Members::silent();
    let (wire, stop, peer) = (Wire::to(members.clone()), CancellationToken::new(), PeerId::random());
    let client = RaftClient::new(wire, PeerId::random(), stop.clone());
    let stopping = async {
        members.wait_for(1).await;
        stop.cancel();
    };
    let (outcome, ()) = tokio::join!(client.call(peer, RaftLane::Log, Vec::new()), stopping);
    assert!(is_not_answered(&outcome), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_its_reason_and_the_stream_lives_on() {
    let members = Members::new();
    let (wire, peer) = (Wire::to(members.clone()), PeerId::random());
    let client = client(wire.clone());
    members.strangers.lock().unwrap().insert(wire.from);
    for _ in 0..3 {
        let refused = client.call(peer, RaftLane::Log, vec![1; 100_000]).await;
        assert_eq!(refused, Err(RaftCallError::Refused(RaftRefusal::NotMember)));
    }
    assert_eq!((members.asked(), wire.server.drops().refused()), (0, 3));
    members.strangers.lock().unwrap().clear();
    assert!(client.call(peer, RaftLane::Log, b"now".to_vec()).await.is_ok());
    assert_eq!(wire.opened.load(Ordering::Relaxed), 1);
}

/// Hands the far end of each stream to the test.
struct FarEnds(mpsc::UnboundedSender<DuplexStream>);

impl OpenStreams for FarEnds {
    fn open(
        &self,
        _: PeerId,
        protocols: &'static [StreamProtocol],
    ) -> BoxFuture<'_, Result<(StreamProtocol, BoxedStream), OpenError>> {
        let (near, far) = duplex(1024);
        self.0.send(far).unwrap();
        Box::pin(async move { Ok((protocols[0].clone(), boxed(near))) })
    }
}

/// Makes one call to a peer that says `answer` once the request is there, and returns what the caller gets.
async fn call_to_liar(answer: &[u8]) -> Outcome {
    let (ends, mut far_ends) = mpsc::unbounded_channel();
    let client = client(Arc::new(FarEnds(ends)));
    let lying = async {
        let mut far = far_ends.recv().await.unwrap();
        let mut request = [0; frame::HEADER + 3];
        far.read_exact(&mut request).await.unwrap();
        far.write_all(answer).await.unwrap();
        // Until the other side hangs up.
        let mut rest = Vec::new();
        let _ = far.read_to_end(&mut rest).await;
        rest.len()
    };
    let (outcome, rest) = tokio::join!(
        async {
            let outcome = client.call(PeerId::random(), RaftLane::Log, b"ask".to_vec()).await;
            // What comes after a good answer ends the stream as well.
            outcome
        },
        lying
    );
    assert_eq!(rest, 0);
    outcome
}

fn frames(frames: &[(u64, Kind, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, kind, body) in frames {
        write_frame(&mut bytes, *number, *kind, body);
    }
    bytes
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_what_it_was_not_asked_loses_the_stream() {
    let lies = [
        frames(&[(2, Kind::Answer, b"of another")]),
        frames(&[(1, Kind::Request, b"a question")]),
        frames(&[(0, Kind::NotMember, b"")]),
        [&u32::MAX.to_be_bytes()[..], &1u64.to_be_bytes(), &[1]].concat(),
        vec![0xff; frame::HEADER],
        // Nobody waits for the body.
        frames(&[(2, Kind::Answer, b"of another")])[..frame::HEADER].to_vec(),
    ];
    for lie in lies {
        let began = Instant::now();
        let outcome = call_to_liar(&lie).await;
        assert!(is_not_answered(&outcome), "{outcome:?}");
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
    // An answer is taken once.
    let twice = frames(&[(1, Kind::Answer, b"one"), (1, Kind::Answer, b"two")]);
    assert_eq!(call_to_liar(&twice).await, Ok(b"one".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_or_stops_amid_an_answer_is_not_waited_for_for_ever() {
    let (ends, mut far_ends) = mpsc::unbounded_channel();
    let client = client(Arc::new(FarEnds(ends)));
    let peer = PeerId::random();
    let began = Instant::now();
    let outcome = client.call(peer, RaftLane::Log, vec![0; 10_000]).await;
    assert!(is_not_answered(&outcome), "{outcome:?}");
    assert_eq!(began.elapsed(), STALL_LIMIT);
    let _silent = far_ends.recv().await.unwrap();

    tokio::time::sleep(pause::LONGEST).await;
    let began = Instant::now();
    let stopping = async {
        let mut far = far_ends.recv().await.unwrap();
        let answer = frames(&[(2, Kind::Answer, b"whole")]);
        far.write_all(&answer[..answer.len() - 1]).await.unwrap();
        far
    };
    // The request is on its way before the answer comes.
    let (outcome, _far) = tokio::join!(client.call(peer, RaftLane::Log, b"ask".to_vec()), async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        stopping.await
    });
    assert!(is_not_answered(&outcome), "{outcome:?}");
    assert!(began.elapsed() >= FRAME_LIMIT, "{:?}", began.elapsed());
}
