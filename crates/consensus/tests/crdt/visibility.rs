//! What is seen before it is durable: what can be had again, and nothing else.

use super::replica::{Replica, announced, cid};
use cluster_consensus::crdt::{BlockId, CrdtInput, Packing};
use cluster_core::{
    Pin,
    pinset::Input,
    ports::{
        consensus::{Operation, OperationKind},
        datastore::Tree,
    },
};
use cluster_datastore::FailMode;

/// A block of another peer that pins one CID.
fn foreign(number: u8) -> CrdtInput {
    let mut author = Replica::new(Packing::Immediate);
    let id = announced(&author.pin(&cid(number), "foreign"));
    CrdtInput::Block { id, bytes: author.block(&id) }
}

fn stage_pin(replica: &mut Replica, number: u8) {
    let kind = OperationKind::Pin(Box::new(Pin::new(cid(number))));
    replica.writer.stage(Input::Submit(Box::new(Operation::new(kind))), replica.now);
}

/// Lets the flush of what is staged fail, and be lost.
fn fail(replica: &mut Replica) {
    replica.store.fail_next_commit(FailMode::Unknown { survives: false });
    assert!(replica.writer.commit(replica.now).is_err(), "what is handed out rests on the flush");
}

#[test]
fn merged_blocks_are_seen_before_their_flush_and_asked_for_again_without_it() {
    let mut replica = Replica::new(Packing::Immediate);
    replica.writer.stage(Input::Backend(foreign(1)), replica.now);
    fail(&mut replica);
    assert_eq!(replica.name(&cid(1)).as_deref(), Some("foreign"));
    replica.writer.recover().unwrap();
    assert_eq!(replica.name(&cid(1)), None);
    let CrdtInput::Block { bytes, .. } = foreign(1) else { panic!() };
    replica.merge(&bytes);
    assert_eq!(replica.name(&cid(1)).as_deref(), Some("foreign"));
    assert_eq!(replica.store.unflushed_commits(), 0);
    assert_eq!(replica.mismatches(), [""; 0]);
}

#[test]
fn operations_are_not_nor_what_shares_their_batch() {
    let mut replica = Replica::new(Packing::Immediate);
    replica.writer.stage(Input::Backend(foreign(1)), replica.now);
    stage_pin(&mut replica, 2);
    fail(&mut replica);
    assert_eq!((replica.name(&cid(1)), replica.name(&cid(2))), (None, None));
}

#[test]
fn own_blocks_are_not() {
    let mut replica = Replica::new(Packing::Deferred);
    stage_pin(&mut replica, 1);
    replica.commit();
    assert!(replica.rows(Tree::Heads).is_empty());
    replica.writer.stage(Input::Backend(CrdtInput::Pack), replica.now);
    fail(&mut replica);
    assert!(replica.rows(Tree::Heads).is_empty() && replica.rows(Tree::Blocks).is_empty());
    replica.writer.recover().unwrap();
    let head = announced(&replica.tell(CrdtInput::Pack));
    assert_eq!(replica.rows(Tree::Heads).len(), 1);
    assert_eq!(BlockId::of(&replica.block(&head)), head);
}
