//! The other side of the calls, with peers that keep to no rule.

use super::{
    wire::{PIPE, boxed},
    *,
};
use crate::raft::frame::{HEADER, Kind, write_frame};
use cluster_core::{PeerId, ports::raft::MAX_RAFT_MESSAGE};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

/// Longer than anything takes that is not waited for.
const A_WHILE: Duration = Duration::from_secs(1);

fn server(members: Arc<Members>) -> Arc<RaftServer> {
    let server = Arc::new(RaftServer::new(CancellationToken::new()));
    server.serve(members);
    server
}

fn connect(server: &Arc<RaftServer>, peer: PeerId) -> DuplexStream {
    let (near, far) = duplex(PIPE);
    server.on_stream(peer, RaftLane::Log, boxed(far));
    near
}

fn request(number: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_frame(&mut bytes, number, Kind::Request, body);
    bytes
}

/// Waits until the stream was closed by the other side, and returns what it said before.
async fn rest(mut stream: DuplexStream) -> Vec<u8> {
    let mut said = Vec::new();
    timeout(A_WHILE, stream.read_to_end(&mut said)).await.unwrap().unwrap();
    said
}

#[tokio::test(start_paused = true)]
async fn requests_are_answered_as_they_are_done_until_the_peer_hangs_up() {
    let members = Members::silent();
    let mut stream = connect(&server(members.clone()), PeerId::random());
    for number in [1, 5, 6] {
        stream.write_all(&request(number, &[number as u8])).await.unwrap();
    }
    members.wait_for(3).await;
    members.answers.add_permits(2);
    let mut expected = Vec::new();
    for number in [1, 5] {
        write_frame(&mut expected, number, Kind::Answer, &[number as u8]);
    }
    let mut answers = vec![0; expected.len()];
    stream.read_exact(&mut answers).await.unwrap();
    assert_eq!(answers, expected);
    assert_eq!(members.waiting.load(Ordering::Relaxed), 1);
    stream.shutdown().await.unwrap();
    assert!(rest(stream).await.is_empty());
    assert_eq!(members.waiting.load(Ordering::Relaxed), 0, "nobody works for who is gone");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_break_the_rules_end_the_stream_and_are_counted() {
    let mut answer = Vec::new();
    write_frame(&mut answer, 1, Kind::Answer, b"not a request");
    let too_long = (MAX_RAFT_MESSAGE as u32 + 1).to_be_bytes();
    let bad = [
        [request(2, b"a"), request(2, b"again")].concat(),
        [request(2, b"a"), request(1, b"back")].concat(),
        request(0, b"no number"),
        answer,
        [&too_long[..], &[0, 0, 0, 0, 0, 0, 0, 1, 0]].concat(),
        vec![0xff; HEADER],
    ];
    let members = Members::new();
    let server = server(members.clone());
    for (count, bytes) in (1..).zip(&bad) {
        let mut stream = connect(&server, PeerId::random());
        stream.write_all(bytes).await.unwrap();
        rest(stream).await;
        tokio::task::yield_now().await;
        assert_eq!(server.drops().garbage(), count);
    }
    assert_eq!(*members.asked.lock().unwrap(), [b"a", b"a"], "nothing was handed over twice");
}

#[tokio::test(start_paused = true)]
async fn a_new_stream_takes_the_place_of_the_one_before_with_all_that_is_in_it() {
    let members = Members::silent();
    let server = server(members.clone());
    let peer = PeerId::random();
    let mut old = connect(&server, peer);
    old.write_all(&request(1, b"old")).await.unwrap();
    members.wait_for(1).await;
    let mut new = connect(&server, peer);
    // It lies in the pipe when the new one comes, and would come after what is in that.
    old.write_all(&request(2, b"too late")).await.unwrap();
    new.write_all(&request(1, b"new")).await.unwrap();
    members.wait_for(2).await;
    assert_eq!(members.waiting.load(Ordering::Relaxed), 1, "what the old one asked is dropped");
    members.answers.add_permits(9);
    assert!(rest(old).await.is_empty());
    let mut answer = vec![0; HEADER + 3];
    new.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer[HEADER..], b"new");
    // Streams of other peers have nothing to do with it.
    let mut other = connect(&server, PeerId::random());
    other.write_all(&request(1, b"two")).await.unwrap();
    new.write_all(&request(2, b"two")).await.unwrap();
    for stream in [&mut other, &mut new] {
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer[HEADER..], b"two");
    }
    assert_eq!(*members.asked.lock().unwrap(), [&b"old"[..], b"new", b"two", b"two"]);
}

#[tokio::test(start_paused = true)]
async fn streams_that_come_one_after_another_leave_nothing_behind() {
    let members = Members::silent();
    let server = server(members.clone());
    let peer = PeerId::random();
    let mut streams: Vec<DuplexStream> = (0..500).map(|_| connect(&server, peer)).collect();
    let mut last = streams.pop().unwrap();
    for old in streams {
        assert!(rest(old).await.is_empty());
    }
    last.write_all(&request(1, b"last")).await.unwrap();
    members.wait_for(1).await;
    drop(last);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!((members.waiting.load(Ordering::Relaxed), server.streams_held()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_gone_leaves_nothing_behind_even_what_is_not_read() {
    let members = Members::silent();
    let server = server(members.clone());
    let (peer, other) = (PeerId::random(), PeerId::random());
    let (mut stream, mut others) = (connect(&server, peer), connect(&server, other));
    flood(&mut stream, 1, b"x").await;
    others.write_all(&request(1, b"x")).await.unwrap();
    members.wait_for(MAX_IN_FLIGHT + 1).await;
    drop(stream);
    server.on_disconnected(peer);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!((members.waiting.load(Ordering::Relaxed), server.streams_held()), (1, 1));
}

/// Writes requests until nothing is taken for a while, and returns how many were taken whole.
async fn flood(stream: &mut DuplexStream, first: u64, body: &[u8]) -> usize {
    for number in first.. {
        let frame = request(number, body);
        if timeout(A_WHILE, stream.write_all(&frame)).await.is_err() {
            return usize::try_from(number - first).unwrap();
        }
    }
    unreachable!()
}

#[tokio::test(start_paused = true)]
async fn no_more_is_read_than_is_answered() {
    let members = Members::silent();
    let server = server(members.clone());
    let mut stream = connect(&server, PeerId::random());
    flood(&mut stream, 1, b"x").await;
    assert_eq!(members.asked(), MAX_IN_FLIGHT);

    let mut stream = connect(&server, PeerId::random());
    let large = vec![0; MAX_RAFT_MESSAGE];
    let before = members.asked();
    flood(&mut stream, 1, &large).await;
    assert_eq!((members.asked() - before) * large.len(), MAX_IN_FLIGHT_BYTES);

    let (mut stream, far) = duplex(PIPE);
    server.on_stream(PeerId::random(), RaftLane::Snapshot, boxed(far));
    let before = members.asked();
    flood(&mut stream, 1, &large).await;
    assert_eq!((members.asked() - before) * large.len(), MAX_SNAPSHOT_IN_FLIGHT_BYTES);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_no_answers_is_read_no_further_and_then_dropped() {
    let members = Members::new();
    let server = server(members.clone());
    let mut stream = connect(&server, PeerId::random());
    let began = Instant::now();
    let body = vec![0; 10_000];
    let sent = flood(&mut stream, 1, &body).await;
    // What lies in the pipe, what is being written, and what waits behind it until all requests are counted.
    assert!(sent * body.len() <= 2 * PIPE + MAX_IN_FLIGHT_BYTES + 2 * WRITE_SIZE, "{sent}");
    assert!(members.asked() <= MAX_IN_FLIGHT_BYTES / body.len() + 2 * PIPE / body.len(), "{sent}");
    assert!(began.elapsed() < STALL_LIMIT);
    tokio::time::sleep(STALL_LIMIT).await;
    assert_eq!((server.drops().slow(), server.streams_held()), (1, 0));
    // A second one finds all room that there was.
    assert!(flood(&mut connect(&server, PeerId::random()), 1, &body).await + 1 >= sent);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_end_ends_the_stream() {
    let members = Members::new();
    let server = server(members.clone());
    let mut stream = connect(&server, PeerId::random());
    let request = request(1, &[0; 1000]);
    stream.write_all(&request[..500]).await.unwrap();
    tokio::time::sleep(FRAME_LIMIT + A_WHILE).await;
    assert_eq!((server.drops().slow(), server.streams_held(), members.asked()), (1, 0, 0));
    assert!(rest(stream).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_too_long_is_none() {
    struct Boaster;
    impl cluster_core::ports::RaftAnswers for Boaster {
        fn admit(&self, _: &PeerId) -> Result<(), cluster_core::ports::raft::RaftRefusal> {
            Ok(())
        }
        fn answer(&self, _: PeerId, request: Vec<u8>) -> cluster_core::ports::BoxFuture<'_, Vec<u8>> {
            Box::pin(std::future::ready(vec![7; MAX_RAFT_MESSAGE + request.len()]))
        }
    }
    let server = Arc::new(RaftServer::new(CancellationToken::new()));
    server.serve(Arc::new(Boaster));
    let mut stream = connect(&server, PeerId::random());
    stream.write_all(&request(1, b"x")).await.unwrap();
    assert!(rest(stream).await.is_empty());
    let mut stream = connect(&server, PeerId::random());
    stream.write_all(&request(1, b"")).await.unwrap();
    stream.read_exact(&mut vec![0; HEADER + MAX_RAFT_MESSAGE]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_is_served_before_somebody_answers_nor_after_the_end() {
    let stop = CancellationToken::new();
    let server = Arc::new(RaftServer::new(stop.clone()));
    assert!(!server.is_serving());
    assert!(rest(connect(&server, PeerId::random())).await.is_empty());
    let members = Members::silent();
    server.serve(members.clone());
    assert!(server.is_serving());
    let mut stream = connect(&server, PeerId::random());
    stream.write_all(&request(1, b"x")).await.unwrap();
    members.wait_for(1).await;
    stop.cancel();
    assert!(rest(stream).await.is_empty());
    assert_eq!(members.waiting.load(Ordering::Relaxed), 0);
}
