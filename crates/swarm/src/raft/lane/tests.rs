use super::*;
use crate::raft::{MAX_IN_FLIGHT_BYTES, MAX_SNAPSHOT_IN_FLIGHT_BYTES, frame::HEADER};
use std::time::Duration;

fn enter(lane: &Lane, request: &[u8]) -> Entered {
    lane.enter(request.to_vec(), Instant::now()).unwrap()
}

/// Takes what may leave, all of it, and says how many bytes of requests that is.
fn leave(lane: &Lane) -> Vec<u8> {
    let (mut all, mut frames) = (Vec::new(), Vec::new());
    loop {
        frames.clear();
        lane.fill(&mut frames);
        if frames.is_empty() {
            return all;
        }
        all.append(&mut frames);
    }
}

fn is_not_sent(answer: Result<CallResult, oneshot::error::TryRecvError>) -> bool {
    matches!(answer, Ok(Err(RaftCallError::NotSent { .. })))
}

#[test]
fn requests_leave_in_order_and_answers_find_their_callers() {
    let lane = Lane::new(RaftLane::Log);
    let (mut first, mut second) = (enter(&lane, b"1"), enter(&lane, b"22"));
    assert!(first.start && !second.start, "one task for both");
    assert!(!lane.has(first.number), "it waits");
    let mut expected = Vec::new();
    write_frame(&mut expected, first.number, Kind::Request, b"1");
    write_frame(&mut expected, second.number, Kind::Request, b"22");
    assert_eq!(leave(&lane), expected);
    assert!(lane.has(first.number) && lane.has(second.number));
    assert!(lane.answer(second.number, Ok(b"two".to_vec())));
    assert!(lane.answer(first.number, Ok(b"one".to_vec())));
    assert_eq!(first.answer.try_recv(), Ok(Ok(b"one".to_vec())));
    assert_eq!(second.answer.try_recv(), Ok(Ok(b"two".to_vec())));
    for twice in [first.number, second.number, 99] {
        assert!(!lane.answer(twice, Ok(Vec::new())));
    }
}

#[test]
fn a_peer_gets_no_more_than_it_takes_and_the_next_when_it_answers() {
    let lane = Lane::new(RaftLane::Log);
    let all: Vec<Entered> = (0..MAX_IN_FLIGHT + 10).map(|_| enter(&lane, b"x")).collect();
    let left = leave(&lane);
    assert_eq!(left.len(), MAX_IN_FLIGHT * (HEADER + 1));
    assert!(lane.answer(all[500].number, Ok(Vec::new())));
    assert_eq!(leave(&lane).len(), HEADER + 1);
}

#[test]
fn large_requests_count_by_their_bytes() {
    let lane = Lane::new(RaftLane::Log);
    let large = vec![0; MAX_IN_FLIGHT_BYTES / 4];
    let all: Vec<Entered> = (0..6).map(|_| enter(&lane, &large)).collect();
    assert_eq!(leave(&lane).len(), 4 * (HEADER + large.len()));
    assert!(!lane.has(all[4].number));
    assert!(lane.answer(all[0].number, Ok(Vec::new())));
    assert_eq!(leave(&lane).len(), HEADER + large.len());

    let lane = Lane::new(RaftLane::Snapshot);
    let part = vec![0; MAX_SNAPSHOT_IN_FLIGHT_BYTES / 2];
    let _all: Vec<Entered> = (0..3).map(|_| enter(&lane, &part)).collect();
    assert_eq!(leave(&lane).len(), 2 * (HEADER + part.len()));
}

#[test]
fn what_waits_is_bounded_by_number_and_by_bytes_and_may_be_taken_back() {
    let lane = Lane::new(RaftLane::Log);
    let all: Vec<Entered> = (0..MAX_WAITING).map(|_| enter(&lane, b"")).collect();
    let full = lane.enter(Vec::new(), Instant::now()).err();
    assert!(matches!(full, Some(RaftCallError::NotSent { .. })), "{full:?}");
    lane.withdraw(all[7].number);
    enter(&lane, b"");
    assert!(lane.enter(Vec::new(), Instant::now()).is_err());

    let lane = Lane::new(RaftLane::Log);
    let large = vec![0; MAX_WAITING_BYTES / 16];
    let all: Vec<Entered> = (0..16).map(|_| enter(&lane, &large)).collect();
    assert!(lane.enter(vec![0], Instant::now()).is_err());
    lane.withdraw(all[3].number);
    enter(&lane, &large);
    leave(&lane);
    assert!(lane.has(all[2].number) && !lane.has(all[3].number));
    // What has left cannot be taken back, and its answer is taken.
    lane.withdraw(all[2].number);
    assert!(lane.answer(all[2].number, Ok(Vec::new())));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_stream_tells_what_left_from_what_did_not() {
    let lane = Lane::new(RaftLane::Log);
    let mut left = enter(&lane, b"left");
    leave(&lane);
    let mut waits = enter(&lane, b"waits");
    lane.ended("it broke".to_owned(), Instant::now());
    let not_answered = RaftCallError::NotAnswered { cause: "it broke".to_owned() };
    assert_eq!(left.answer.try_recv(), Ok(Err(not_answered)));
    assert!(is_not_sent(waits.answer.try_recv()));
    assert_eq!(leave(&lane), [] as [u8; 0], "nothing is sent again");
}

#[tokio::test(start_paused = true)]
async fn a_peer_is_left_alone_for_a_while_unless_it_answered_or_connects() {
    let lane = Lane::new(RaftLane::Log);
    let fail = |lane: &Lane| lane.ended("no route".to_owned(), Instant::now());
    assert!(enter(&lane, b"").start);
    fail(&lane);
    let error = lane.enter(Vec::new(), Instant::now()).err().unwrap();
    assert_eq!(error.to_string(), "the peer cannot be reached: no route");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(enter(&lane, b"").start);
    fail(&lane);
    lane.connected();
    let request = enter(&lane, b"");
    assert!(request.start);
    leave(&lane);
    lane.answer(request.number, Ok(Vec::new()));
    fail(&lane);
    assert!(enter(&lane, b"").start, "a stream that worked is replaced at once");
    fail(&lane);
    assert!(lane.enter(Vec::new(), Instant::now()).is_err(), "the next one has to work as well");
}
