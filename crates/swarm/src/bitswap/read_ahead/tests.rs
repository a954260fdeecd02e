use super::{MAX_EXPECTED, MAX_SENT, MAX_STRIDE, MIN_STRIDE, ReadAhead};
use crate::bitswap::message::dag_cid;
use cid::Cid;

fn cid(number: usize) -> Cid {
    dag_cid(&number.to_be_bytes()).unwrap()
}

#[test]
fn a_new_head_moves_nothing_and_a_walk_moves_more_and_more() {
    let mut ahead = ReadAhead::default();
    assert_eq!(ahead.on_answer(cid(0)), 0);
    ahead.expect([cid(1)]);
    let mut next = 1;
    let mut strides = Vec::new();
    for _ in 0..7 {
        let stride = ahead.on_answer(cid(next));
        for sent in 1..=stride {
            ahead.on_sent(cid(next + sent));
        }
        next += stride + 1;
        ahead.expect([cid(next)]);
        strides.push(stride);
    }
    assert_eq!(strides, [MIN_STRIDE, 8, 16, 32, MAX_STRIDE, MAX_STRIDE, MAX_STRIDE]);
    // Heads asked for in between make the next walk start with less.
    for head in 0..10 {
        assert_eq!(ahead.on_answer(cid(1_000_000 + head)), 0);
    }
    assert_eq!(ahead.on_answer(cid(next)), MIN_STRIDE);
}

#[test]
fn what_was_sent_is_not_expected() {
    let mut ahead = ReadAhead::default();
    ahead.on_sent(cid(1));
    ahead.expect([cid(1), cid(2)]);
    assert!(ahead.was_sent(&cid(1)));
    assert_eq!(ahead.on_answer(cid(1)), 0);
    assert_eq!(ahead.on_answer(cid(2)), MIN_STRIDE);
}

#[test]
fn the_memory_is_bounded() {
    let mut ahead = ReadAhead::default();
    for number in 0..MAX_SENT + 10 {
        ahead.on_sent(cid(number));
    }
    ahead.expect((0..MAX_EXPECTED + 10).map(|number| cid(1_000_000 + number)));
    assert_eq!((ahead.sent.len(), ahead.expected.len()), (MAX_SENT, MAX_EXPECTED));
    assert!(!ahead.was_sent(&cid(9)) && ahead.was_sent(&cid(10)));
}
