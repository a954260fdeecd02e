use super::{Due, Ledger, LedgerInput, MAX_DUE, MAX_MISSING, MAX_MISSING_IN_ALL};
use crate::bitswap::message::{Ask, Want, dag_cid};
use cid::Cid;
use cluster_core::PeerId;

fn cid(number: usize) -> Cid {
    dag_cid(&number.to_be_bytes()).unwrap()
}

fn want(number: usize, ask: Ask) -> Want {
    Want { cid: cid(number), ask, priority: 1, dont_have: true }
}

fn wants(ledger: &mut Ledger, peer: PeerId, wants: &[Want]) -> usize {
    ledger.handle(LedgerInput::Wants { peer, full: false, wants }).dropped
}

fn connected() -> (Ledger, PeerId) {
    let (mut ledger, peer) = (Ledger::default(), PeerId::random());
    ledger.handle(LedgerInput::Connected(peer));
    (ledger, peer)
}

#[test]
fn wants_are_taken_in_order_and_asking_twice_asks_for_more() {
    let (mut ledger, peer) = connected();
    wants(
        &mut ledger,
        peer,
        &[want(1, Ask::Have), want(2, Ask::Have), want(1, Ask::Block), want(2, Ask::Have)],
    );
    assert!(ledger.has_due(&peer));
    assert_eq!(ledger.next(&peer), Some((cid(1), Due { block: true, dont_have: true })));
    assert_eq!(ledger.next(&peer), Some((cid(2), Due { block: false, dont_have: true })));
    assert_eq!(ledger.next(&peer), None);
}

#[test]
fn a_missing_block_is_due_again_once_announced_and_then_its_lack_is_not_told() {
    let (mut ledger, peer) = connected();
    wants(&mut ledger, peer, &[want(1, Ask::Have)]);
    ledger.next(&peer);
    ledger.handle(LedgerInput::Answered(peer));
    assert!(ledger.handle(LedgerInput::Announced(cid(2))).ready.is_empty());
    assert_eq!(ledger.handle(LedgerInput::Announced(cid(1))).ready, [peer]);
    assert_eq!(ledger.next(&peer), Some((cid(1), Due { block: false, dont_have: false })));
    ledger.on_found(&peer, &cid(1));
    assert!(ledger.handle(LedgerInput::Announced(cid(1))).ready.is_empty());
}

#[test]
fn a_block_announced_while_it_is_looked_for_is_not_lost_and_not_sent_twice() {
    let (mut ledger, peer) = connected();
    wants(&mut ledger, peer, &[want(1, Ask::Block), want(2, Ask::Block)]);
    ledger.next(&peer);
    ledger.next(&peer);
    ledger.handle(LedgerInput::Announced(cid(1)));
    ledger.handle(LedgerInput::Announced(cid(2)));
    // The look for the first came too early, that for the second found it.
    ledger.on_found(&peer, &cid(2));
    ledger.handle(LedgerInput::Answered(peer));
    assert_eq!(ledger.next(&peer), Some((cid(1), Due { block: true, dont_have: false })));
    assert_eq!(ledger.next(&peer), None);
}

#[test]
fn cancels_full_lists_and_disconnection_forget() {
    let (mut ledger, peer) = connected();
    wants(&mut ledger, peer, &[want(1, Ask::Block), want(2, Ask::Block), want(3, Ask::Block)]);
    ledger.next(&peer);
    wants(&mut ledger, peer, &[want(1, Ask::Cancel), want(2, Ask::Cancel)]);
    assert!(ledger.handle(LedgerInput::Announced(cid(1))).ready.is_empty());
    assert_eq!(ledger.next(&peer).unwrap().0, cid(3));

    ledger.handle(LedgerInput::Wants { peer, full: true, wants: &[want(4, Ask::Block)] });
    assert!(ledger.handle(LedgerInput::Announced(cid(3))).ready.is_empty());
    assert_eq!(ledger.next(&peer).unwrap().0, cid(4));

    ledger.handle(LedgerInput::Disconnected(peer));
    assert!(ledger.handle(LedgerInput::Announced(cid(4))).ready.is_empty());
    wants(&mut ledger, peer, &[want(5, Ask::Block)]);
    assert!(!ledger.has_due(&peer));
}

#[test]
fn a_peer_that_does_not_take_its_answers_loses_its_wants() {
    let (mut ledger, peer) = connected();
    wants(&mut ledger, peer, &[want(1, Ask::Block), want(2, Ask::Block)]);
    ledger.next(&peer);
    assert_eq!(ledger.handle(LedgerInput::Stuck(peer)).dropped, 2);
    assert!(!ledger.has_due(&peer));
    assert!(ledger.handle(LedgerInput::Announced(cid(1))).ready.is_empty());
}

#[test]
fn what_is_due_is_bounded() {
    let (mut ledger, peer) = connected();
    let many: Vec<_> = (0..MAX_DUE + 5).map(|number| want(number, Ask::Have)).collect();
    assert_eq!(wants(&mut ledger, peer, &many), 5);
    // What is there already may still become more.
    assert_eq!(wants(&mut ledger, peer, &[want(0, Ask::Block)]), 0);
    assert!(ledger.next(&peer).unwrap().1.block);
}

#[test]
fn what_is_missing_is_bounded_for_each_peer_and_the_oldest_goes() {
    let (mut ledger, peer) = connected();
    let many: Vec<_> = (0..MAX_MISSING + 5).map(|number| want(number, Ask::Have)).collect();
    wants(&mut ledger, peer, &many);
    while ledger.next(&peer).is_some() {}
    ledger.handle(LedgerInput::Answered(peer));
    assert!(ledger.handle(LedgerInput::Announced(cid(4))).ready.is_empty());
    assert_eq!(ledger.handle(LedgerInput::Announced(cid(5))).ready, [peer]);
}

#[test]
fn what_is_missing_is_bounded_for_all_peers() {
    let mut ledger = Ledger::default();
    let many: Vec<_> = (0..MAX_MISSING).map(|number| want(number, Ask::Have)).collect();
    for _ in 0..MAX_MISSING_IN_ALL / MAX_MISSING + 3 {
        let peer = PeerId::random();
        ledger.handle(LedgerInput::Connected(peer));
        wants(&mut ledger, peer, &many);
        while ledger.next(&peer).is_some() {}
        ledger.handle(LedgerInput::Answered(peer));
    }
    let in_all: usize = ledger.accounts.values().map(|account| account.missing.len()).sum();
    assert_eq!(in_all, MAX_MISSING_IN_ALL);
}

#[test]
fn what_is_told_about_goes_once_to_peers_of_this_suite() {
    let (mut ledger, ours) = connected();
    let other = PeerId::random();
    ledger.handle(LedgerInput::Connected(other));
    ledger.handle(LedgerInput::Ours(ours));
    assert_eq!(ledger.handle(LedgerInput::Offered(cid(1))).ready, [ours]);
    // Only when it is small: a question whether it is here is answered so.
    assert_eq!(ledger.next(&ours), Some((cid(1), Due { block: false, dont_have: false })));
    ledger.on_found(&ours, &cid(1));
    assert!(ledger.handle(LedgerInput::Offered(cid(1))).ready.is_empty());
    assert!(!ledger.has_due(&ours) && !ledger.has_due(&other));
    // One that asks for it all the same gets it.
    wants(&mut ledger, ours, &[want(1, Ask::Block)]);
    assert!(ledger.has_due(&ours));
}
