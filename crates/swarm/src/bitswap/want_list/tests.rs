use super::{BACK_OFF, FIRST_PATIENCE, PEERS_PER_ROUND, PROVIDER_PATIENCE, ROUND, WantInput, WantList};
use crate::bitswap::message::{Ask, dag_cid};
use cid::Cid;
use cluster_core::PeerId;
use std::time::{Duration, Instant};

fn cid(number: usize) -> Cid {
    dag_cid(&number.to_be_bytes()).unwrap()
}

/// A list with connected peers and a clock that only this moves.
struct Bench {
    list: WantList,
    now: Instant,
    peers: Vec<PeerId>,
}

impl Bench {
    fn new(peers: usize) -> Self {
        let mut bench = Self { list: WantList::default(), now: Instant::now(), peers: Vec::new() };
        for _ in 0..peers {
            let peer = PeerId::random();
            bench.peers.push(peer);
            bench.handle(WantInput::Connected(peer));
        }
        bench
    }

    fn handle(&mut self, input: WantInput) -> Vec<PeerId> {
        self.list.handle(input, self.now)
    }

    fn want(&mut self, number: usize, first: Option<usize>) {
        let first = first.map(|peer| self.peers[peer]);
        let ready = self.handle(WantInput::Want { cid: cid(number), first });
        for peer in ready {
            assert!(self.list.has_news(&peer));
        }
    }

    fn release(&mut self, number: usize, from: Option<usize>) {
        let from = from.map(|peer| self.peers[peer]);
        self.handle(WantInput::Release { cid: cid(number), from });
    }

    fn presence(&mut self, peer: usize, number: usize, have: bool) {
        self.handle(WantInput::Presence { peer: self.peers[peer], cid: cid(number), have });
    }

    /// Takes what a peer is told about block 1.
    fn told(&mut self, peer: usize) -> Option<Ask> {
        let taken = self.list.take(&self.peers[peer], 10);
        assert!(taken.iter().all(|(other, _)| *other == cid(1)) && taken.len() < 2);
        taken.first().map(|(_, ask)| *ask)
    }

    /// Moves the clock, ticking at each alarm on the way.
    fn wait(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(alarm) = self.list.next_alarm()
            && alarm <= until
        {
            self.now = alarm;
            self.handle(WantInput::Tick);
            assert!(self.list.next_alarm().is_none_or(|next| next > alarm), "an alarm does not move on");
        }
        self.now = until;
    }
}

#[test]
fn the_first_is_asked_for_the_block_and_nobody_else() {
    let mut bench = Bench::new(3);
    bench.want(1, Some(1));
    assert_eq!((bench.told(0), bench.told(1), bench.told(2)), (None, Some(Ask::Block), None));
    bench.release(1, Some(1));
    assert_eq!((bench.told(0), bench.told(1), bench.told(2)), (None, None, None));
    assert_eq!(bench.list.next_alarm(), None);
}

#[test]
fn the_others_are_asked_when_the_first_lacks_it_is_silent_or_gone() {
    let cases: [fn(&mut Bench); 4] = [
        |bench| bench.presence(0, 1, false),
        |bench| bench.wait(FIRST_PATIENCE),
        |bench| drop(bench.handle(WantInput::Disconnected(bench.peers[0]))),
        |bench| drop(bench.handle(WantInput::Unsupported(bench.peers[0]))),
    ];
    for case in cases {
        let mut bench = Bench::new(3);
        bench.want(1, Some(0));
        assert_eq!((bench.told(0), bench.told(1)), (Some(Ask::Block), None));
        case(&mut bench);
        assert_eq!((bench.told(0), bench.told(1), bench.told(2)), (None, Some(Ask::Have), Some(Ask::Have)));
    }
    // Not connected, or none named.
    let mut bench = Bench::new(2);
    bench.handle(WantInput::Want { cid: cid(1), first: Some(PeerId::random()) });
    assert_eq!((bench.told(0), bench.told(1)), (Some(Ask::Have), Some(Ask::Have)));
}

#[test]
fn the_first_to_have_it_is_asked_for_it_and_the_next_when_it_fails() {
    let mut bench = Bench::new(3);
    bench.want(1, None);
    (0..3).for_each(|peer| assert_eq!(bench.told(peer), Some(Ask::Have)));
    bench.presence(2, 1, true);
    bench.presence(1, 1, true);
    bench.presence(0, 1, true);
    assert_eq!((bench.told(0), bench.told(1), bench.told(2)), (None, None, Some(Ask::Block)));

    bench.wait(PROVIDER_PATIENCE - Duration::from_millis(1));
    assert_eq!((bench.told(0), bench.told(1)), (None, None));
    bench.wait(Duration::from_millis(1));
    let second = if let Some(ask) = bench.told(0) { (0, ask) } else { (1, bench.told(1).unwrap()) };
    assert_eq!(second.1, Ask::Block);
    let third = 1 - second.0;
    bench.handle(WantInput::Disconnected(bench.peers[second.0]));
    assert_eq!(bench.told(third), Some(Ask::Block));

    // The third sends it; the slow one is told to stop, the vanished one not.
    bench.release(1, Some(third));
    assert_eq!((bench.told(third), bench.told(second.0), bench.told(2)), (None, None, Some(Ask::Cancel)));
}

#[test]
fn a_provider_that_loses_it_is_replaced_at_once() {
    let mut bench = Bench::new(2);
    bench.want(1, None);
    bench.presence(0, 1, true);
    bench.presence(1, 1, true);
    assert_eq!((bench.told(0), bench.told(1)), (Some(Ask::Block), Some(Ask::Have)));
    bench.presence(0, 1, false);
    assert_eq!((bench.told(0), bench.told(1)), (None, Some(Ask::Block)));
}

#[test]
fn everybody_is_asked_again_each_round_but_a_provider_that_is_waited_for() {
    let mut bench = Bench::new(2);
    bench.want(1, None);
    bench.told(0);
    bench.presence(0, 1, false);
    bench.told(1);
    bench.wait(ROUND - Duration::from_secs(1));
    assert_eq!((bench.told(0), bench.told(1)), (None, None));
    bench.presence(1, 1, true);
    assert_eq!(bench.told(1), Some(Ask::Block));
    bench.wait(Duration::from_secs(1));
    assert_eq!((bench.told(0), bench.told(1)), (Some(Ask::Have), None));
    bench.wait(ROUND);
    assert_eq!((bench.told(0), bench.told(1)), (Some(Ask::Have), Some(Ask::Have)));
}

#[test]
fn only_who_may_know_of_a_want_is_told_its_end() {
    let mut bench = Bench::new(2);
    bench.want(1, Some(0));
    // Not told yet: neither the want nor its end is.
    bench.release(1, None);
    assert_eq!(bench.told(0), None);

    bench.want(1, Some(0));
    assert_eq!(bench.told(0), Some(Ask::Block));
    bench.release(1, None);
    // Wanted and released again before the cancel is told: the cancel is still due.
    bench.want(1, Some(0));
    bench.release(1, None);
    assert_eq!(bench.told(0), Some(Ask::Cancel));
    bench.want(1, Some(0));
    assert_eq!(bench.told(0), Some(Ask::Block));
}

#[test]
fn a_second_fetch_asks_its_first_too_without_asking_for_the_block_twice() {
    let mut bench = Bench::new(3);
    bench.want(1, Some(0));
    bench.want(1, Some(1));
    bench.want(1, Some(1));
    bench.want(1, None);
    assert_eq!((bench.told(0), bench.told(1), bench.told(2)), (Some(Ask::Block), Some(Ask::Have), None));
}

#[test]
fn a_peer_that_connects_is_asked_for_what_others_are_asked_for() {
    let mut bench = Bench::new(1);
    bench.want(1, None);
    bench.want(2, Some(0));
    let late = PeerId::random();
    assert_eq!(bench.handle(WantInput::Connected(late)), [late]);
    assert_eq!(bench.list.take(&late, 10), [(cid(1), Ask::Have)]);
}

#[test]
fn wants_queued_at_one_moment_go_out_together_up_to_a_limit() {
    let mut bench = Bench::new(1);
    for number in 0..10 {
        bench.want(number, Some(0));
    }
    let peer = bench.peers[0];
    let taken = bench.list.take(&peer, 7);
    assert_eq!(taken, (0..7).map(|number| (cid(number), Ask::Block)).collect::<Vec<_>>());
    assert_eq!(bench.list.take(&peer, 7).len(), 3);
    assert!(!bench.list.has_news(&peer));
}

#[test]
fn not_more_than_some_peers_are_asked_in_one_round() {
    let mut bench = Bench::new(PEERS_PER_ROUND + 7);
    bench.want(1, None);
    let count = |bench: &mut Bench| (0..bench.peers.len()).filter(|peer| bench.told(*peer).is_some()).count();
    assert_eq!(count(&mut bench), PEERS_PER_ROUND);
    bench.wait(ROUND);
    assert_eq!(count(&mut bench), PEERS_PER_ROUND + 7);
}

#[test]
fn a_lost_stream_is_told_again_at_once_and_then_with_growing_pauses() {
    let mut bench = Bench::new(2);
    let peer = bench.peers[0];
    bench.want(1, Some(0));
    assert_eq!(bench.told(0), Some(Ask::Block));
    bench.handle(WantInput::StreamLost(peer));
    assert_eq!(bench.told(0), Some(Ask::Block));
    // Again, and nothing heard in between: others are asked, this one after a pause.
    bench.handle(WantInput::StreamLost(peer));
    assert_eq!((bench.told(0), bench.told(1)), (None, Some(Ask::Have)));
    bench.wait(BACK_OFF.0 * 2);
    assert_eq!(bench.told(0), Some(Ask::Have));
    bench.handle(WantInput::Unreachable(peer));
    bench.wait(BACK_OFF.0 * 4 - Duration::from_millis(1));
    assert_eq!(bench.told(0), None);
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.told(0), Some(Ask::Have));
    // Heard: the count starts over.
    bench.handle(WantInput::Heard(peer));
    bench.handle(WantInput::StreamLost(peer));
    assert_eq!(bench.told(0), Some(Ask::Have));
}

#[test]
fn the_pause_of_an_unreachable_peer_has_an_upper_limit() {
    let mut bench = Bench::new(1);
    let peer = bench.peers[0];
    bench.want(1, None);
    for _ in 0..40 {
        bench.told(0);
        bench.handle(WantInput::Unreachable(peer));
        bench.wait(BACK_OFF.1);
        assert_eq!(bench.told(0), Some(Ask::Have));
    }
}

#[test]
fn a_peer_without_the_protocol_is_asked_once_it_sends_something() {
    let mut bench = Bench::new(1);
    let peer = bench.peers[0];
    bench.want(1, Some(0));
    bench.handle(WantInput::Unsupported(peer));
    bench.wait(ROUND * 3);
    assert_eq!(bench.told(0), None);
    bench.handle(WantInput::Heard(peer));
    assert_eq!(bench.told(0), Some(Ask::Have));
}

#[test]
fn nothing_is_kept_of_what_is_over() {
    let mut bench = Bench::new(3);
    for number in 0..100 {
        bench.want(number, Some(number % 3));
    }
    bench.wait(FIRST_PATIENCE * 2);
    for number in 0..100 {
        bench.release(number, None);
    }
    for peer in bench.peers.clone() {
        // Never told: nothing to cancel.
        assert!(!bench.list.has_news(&peer));
        bench.handle(WantInput::Disconnected(peer));
    }
    assert!(bench.list.wants.is_empty() && bench.list.alarms.is_empty() && bench.list.peers.is_empty());
}
