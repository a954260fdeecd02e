//! The blocks our writer makes, read by a decoder that shares nothing with it.

use super::replica::{NOW, Replica, announced};
use cluster_consensus::crdt::{Block, BlockId, Causes, CrdtInput, CrdtOutput, MAX_DELTA, Packing};
use cluster_core::{
    Cid, Pin, PinKey,
    ports::{
        Datastore,
        consensus::OperationKind,
        datastore::{Batch, Durability, Tree},
    },
};
use sha2::{Digest, Sha256};

/// One field of a protobuf message.
#[derive(Debug, PartialEq)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

/// Takes a message apart: field numbers and contents in the order written.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut bytes)),
            2 => {
                let len = varint(&mut bytes) as usize;
                let (body, rest) = bytes.split_at(len);
                bytes = rest;
                Field::Bytes(body)
            }
            other => panic!("wire type {other}"),
        };
        all.push((tag >> 3, field));
    }
    all
}

/// Base32 without padding, upper case, by hand.
fn base32(text: &str) -> Vec<u8> {
    let (mut bits, mut count, mut bytes) = (0u32, 0, Vec::new());
    for c in text.bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'2'..=b'7' => c - b'2' + 26,
            other => panic!("{other}"),
        };
        bits = (bits << 5) | u32::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    bytes
}

#[derive(Debug, PartialEq, Default)]
struct Decoded {
    links: Vec<Vec<u8>>,
    /// CID and value.
    elements: Vec<(Vec<u8>, Vec<u8>)>,
    /// CID and multihash.
    tombstones: Vec<(Vec<u8>, Vec<u8>)>,
    priority: u64,
}

fn entry(bytes: &[u8]) -> (Vec<u8>, Option<String>, Option<Vec<u8>>) {
    let (mut key, mut id, mut value) = (Vec::new(), None, None);
    for field in fields(bytes) {
        match field {
            (1, Field::Bytes(text)) => {
                key = base32(std::str::from_utf8(text).unwrap().strip_prefix('/').unwrap())
            }
            (2, Field::Bytes(text)) => id = Some(String::from_utf8(text.to_vec()).unwrap()),
            (3, Field::Bytes(bytes)) => value = Some(bytes.to_vec()),
            other => panic!("{other:?}"),
        }
    }
    (key, id, value)
}

fn decode(bytes: &[u8]) -> Decoded {
    let mut decoded = Decoded::default();
    let node = fields(bytes);
    let (data, links) = node.split_last().unwrap();
    for (number, link) in links {
        let (2, Field::Bytes(link)) = (number, link) else { panic!("links come first") };
        let parts = fields(link);
        let [(1, Field::Bytes(cid)), (2, Field::Bytes([])), (3, Field::Number(0))] = parts.as_slice() else {
            panic!("a link is CID, empty name, size zero: {parts:?}")
        };
        decoded.links.push(cid.to_vec());
    }
    let (1, Field::Bytes(delta)) = data else { panic!("data comes last") };
    let mut last = 0;
    for (number, field) in fields(delta) {
        assert!(number >= last, "fields in number order");
        last = number;
        match (number, field) {
            (1, Field::Bytes(element)) => {
                let (key, id, value) = entry(element);
                assert_eq!(id, None);
                decoded.elements.push((key, value.unwrap()));
            }
            (2, Field::Bytes(tombstone)) => {
                let (key, id, value) = entry(tombstone);
                assert_eq!(value, None);
                decoded.tombstones.push((key, base32(id.unwrap().strip_prefix('/').unwrap())));
            }
            (3, Field::Number(priority)) => decoded.priority = priority,
            other => panic!("{other:?}"),
        }
    }
    decoded
}

fn cid_of(bytes: &[u8]) -> Vec<u8> {
    [[0x01, 0x70, 0x12, 0x20].as_slice(), Sha256::digest(bytes).as_slice()].concat()
}

fn c1() -> Cid {
    "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy".parse().unwrap()
}

/// The two blocks that the wire protocol spells out (§4.8), byte for byte.
#[test]
fn the_worked_example_comes_out_exactly() {
    let mut replica = Replica::new(Packing::Immediate);
    let first = announced(&replica.pin(&c1(), ""));
    assert_eq!(first.to_string(), "bafybeif46qfcqbjdkdm6fgtbw5s5wpn5jlwg6636siddfoscf55zgnm5mm");
    assert_eq!(
        hex::encode(replica.block(&first)),
        "0a790a750a3b2f41464b524549474832414b49534341494c444351414253594733444652364348553346475052454749594d53434b374537415141345335325a591a360a2401551220c7d01489080858c500065836c658f847a6ca67c4864619212be4f8200e4bbace100120013204080110013880e2cfaa061801"
    );
    let second = announced(&replica.unpin(&c1()));
    assert_eq!(second.to_string(), "bafybeidjpluccuxxjdrz5cqgbg3i32siclp77dtxbh4r4ftvbfx5gczbua");
    assert_eq!(
        hex::encode(replica.block(&second)),
        "122a0a2401701220bcf40a28052350d9e29a61b765db3dbd4aec6f7b7e920632ba422f7b93359d63120018000a7b12770a3b2f41464b524549474832414b49534341494c444351414253594733444652364348553346475052454749594d53434b374537415141345335325a5912382f4349514c5a35414b464143534755475a344b4e47444e3346334d36333253584d4e35355835455147474b3545454c3333534d325a3259591802"
    );
    assert_eq!(replica.mismatches(), Vec::<String>::new());
}

/// Pins and unpins of several keys on two heads: every block hashes to its name, follows all heads in ascending
/// order, and says exactly what was done.
#[test]
fn own_blocks_say_what_was_done() {
    let mut other = Replica::new(Packing::Immediate);
    other.pin(&"bafkqaalc".parse().unwrap(), "theirs");
    let theirs = other.writer.backend().heads();
    let mut replica = Replica::new(Packing::Deferred);
    let cid = |text: &str| text.parse::<Cid>().unwrap();
    assert_eq!(replica.pin(&cid("bafkqaaa"), "one"), [CrdtOutput::Waiting { operations: 1, held: false }]);
    let first = announced(&replica.tell(CrdtInput::Pack));
    replica.merge(&other.block(&theirs[0]));
    let mut heads = vec![first.cid_bytes().to_vec(), theirs[0].cid_bytes().to_vec()];
    heads.sort();

    replica.unpin(&cid("bafkqaaa"));
    replica.pin(&cid("bafkqaalb"), "two");
    replica.pin(&c1(), "overwritten");
    replica.pin(&c1(), "three");
    replica.pin(&cid("bafkqabdunb4gk"), "never published");
    replica.unpin(&cid("bafkqabdunb4gk"));
    let second = announced(&replica.tell(CrdtInput::Pack));
    let bytes = replica.block(&second);
    assert_eq!(cid_of(&bytes), second.cid_bytes());
    let decoded = decode(&bytes);
    let value = |cid: &Cid, name: &str| {
        let mut pin = Pin::new(*cid);
        pin.options.name = name.to_owned();
        pin.options.replication = cluster_core::ReplicationFactors::EVERYWHERE;
        pin.timestamp = Some(NOW.seconds());
        (cid.to_bytes(), pin.encode())
    };
    assert_eq!(
        decoded,
        Decoded {
            links: heads,
            elements: vec![value(&cid("bafkqaalb"), "two"), value(&c1(), "three")],
            tombstones: vec![(cid("bafkqaaa").to_bytes(), [[0x12, 0x20].as_slice(), &first.0].concat())],
            priority: 2,
        }
    );
    assert_eq!(replica.writer.backend().heads(), [second]);
    assert_eq!(replica.rows(Tree::Pending), []);
    assert_eq!(replica.mismatches(), Vec::<String>::new());
}

#[test]
fn a_delta_stays_below_a_mebibyte_and_the_rest_waits() {
    let mut replica = Replica::new(Packing::Deferred);
    for n in 0..8u8 {
        let mut pin = Pin::new(cluster_core::PinKey::from_bytes(&[1, 0x55, 0, 1, n]).unwrap().cid());
        pin.options.name = "x".repeat(300_000);
        replica.submit(OperationKind::Pin(Box::new(pin))).0.unwrap();
    }
    let mut packed = 0;
    for _ in 0..8 {
        let outputs = replica.tell(CrdtInput::Pack);
        let waiting = outputs.iter().any(|o| matches!(o, CrdtOutput::Waiting { operations: 1.., .. }));
        let decoded = decode(&replica.block(&announced(&outputs)));
        packed += decoded.elements.len();
        assert!(replica.rows(Tree::Blocks).iter().all(|(_, bytes)| bytes.len() <= MAX_DELTA));
        if !waiting {
            break;
        }
    }
    assert_eq!(packed, 8);
    assert_eq!(replica.mismatches(), Vec::<String>::new());
}

/// Packing may be deferred and undeferred between two changes of one key in one batch: one of them is published.
#[test]
fn a_change_of_packing_inside_a_batch_loses_nothing_and_repeats_nothing() {
    for (from, to) in [(Packing::Immediate, Packing::Deferred), (Packing::Deferred, Packing::Immediate)] {
        let mut replica = Replica::new(from);
        let submit = |name: &str| {
            let mut pin = Pin::new(c1());
            pin.options.name = name.to_owned();
            let operation = cluster_core::ports::consensus::Operation::new(OperationKind::Pin(Box::new(pin)));
            cluster_core::pinset::Input::Submit(Box::new(operation))
        };
        replica.writer.stage(submit("one"), NOW);
        replica.writer.stage(cluster_core::pinset::Input::Backend(CrdtInput::SetPacking(to)), NOW);
        replica.writer.stage(submit("two"), NOW);
        replica.commit();
        assert_eq!(replica.mismatches(), Vec::<String>::new());
        replica.tell(CrdtInput::Pack);
        assert_eq!(replica.name(&c1()).as_deref(), Some("two"));
        assert_eq!(replica.rows(Tree::Blocks).len(), 1);
        assert_eq!(replica.mismatches(), Vec::<String>::new());
    }
}

/// A removal that waits hides what it observed and nothing else.
#[test]
fn a_waiting_removal_hides_what_it_observed_and_not_what_comes_later() {
    let mut one = Replica::new(Packing::Immediate);
    let mut two = Replica::new(Packing::Deferred);
    let first = announced(&one.pin(&c1(), "first"));
    two.merge(&one.block(&first));
    two.unpin(&c1());
    assert_eq!(two.name(&c1()), None);
    let second = announced(&one.pin(&c1(), "second"));
    two.merge(&one.block(&second));
    assert_eq!(two.name(&c1()).as_deref(), Some("second"));
    let removal = announced(&two.tell(CrdtInput::Pack));
    let key = PinKey::from_cid(&c1());
    assert_eq!(
        decode(&two.block(&removal)).tombstones,
        [(key.as_bytes().to_vec(), [[0x12, 0x20].as_slice(), &first.0].concat())]
    );
    one.merge(&two.block(&removal));
    assert_eq!(one.name(&c1()).as_deref(), Some("second"));
    assert_eq!(one.rows(Tree::Elements), two.rows(Tree::Elements));
    assert_eq!((one.mismatches(), two.mismatches()), (Vec::new(), Vec::new()));
}

/// While the first walk is open operations wait; when it ends they follow what it found.
#[test]
fn operations_of_a_first_walk_follow_what_it_found() {
    let mut one = Replica::new(Packing::Immediate);
    let blocks: Vec<BlockId> = ["a", "b", "c"].iter().map(|name| announced(&one.pin(&c1(), name))).collect();
    let mut fresh = Replica::new(Packing::Immediate);
    fresh.merge(&one.block(&blocks[2]));
    let outputs = fresh.pin(&c1(), "mine");
    assert_eq!(outputs, [CrdtOutput::Waiting { operations: 1, held: true }]);
    // In vain while the walk holds it.
    assert_eq!(fresh.tell(CrdtInput::Pack), [CrdtOutput::Waiting { operations: 1, held: true }]);
    fresh.merge(&one.block(&blocks[1]));
    assert_eq!(fresh.name(&c1()).as_deref(), Some("mine"));
    let outputs = fresh.merge(&one.block(&blocks[0]));
    assert!(outputs.contains(&CrdtOutput::WalkEnded(blocks[2])));
    let own = decode(&fresh.block(&announced(&outputs)));
    assert_eq!((own.priority, own.links), (4, vec![blocks[2].cid_bytes().to_vec()]));
    assert_eq!(fresh.name(&c1()).as_deref(), Some("mine"));
    assert_eq!(fresh.mismatches(), Vec::<String>::new());

    // One that stalls holds nothing back for ever.
    let mut stalled = Replica::new(Packing::Immediate);
    stalled.merge(&one.block(&blocks[2]));
    stalled.pin(&c1(), "mine");
    let own = announced(&stalled.tell(CrdtInput::WalkStalled));
    assert_eq!(decode(&stalled.block(&own)).priority, 4);
    assert_eq!(stalled.mismatches(), Vec::<String>::new());
}

#[test]
fn two_peers_that_write_the_same_block_agree_on_it() {
    let (mut one, mut other) = (Replica::new(Packing::Immediate), Replica::new(Packing::Immediate));
    let first = announced(&one.pin(&c1(), "both"));
    other.merge(&one.block(&first));
    let removal = announced(&one.unpin(&c1()));
    // The other makes the very same one before the block comes.
    assert_eq!(announced(&other.unpin(&c1())), removal);
    assert_eq!(other.mismatches(), Vec::<String>::new());
    assert_eq!((other.writer.backend().open_walks(), other.writer.backend().heads()), (0, vec![removal]));
    other.merge(&one.block(&removal));
    assert_eq!(other.mismatches(), Vec::<String>::new());
}

/// Damage, or what a foreign tool left behind, is fetched again, whatever walk brought it once.
#[test]
fn lost_blocks_and_holes_are_repaired() {
    let mut one = Replica::new(Packing::Immediate);
    let blocks: Vec<BlockId> = ["a", "b", "c"].iter().map(|name| announced(&one.pin(&c1(), name))).collect();
    let mut other = Replica::new(Packing::Immediate);
    blocks.iter().for_each(|id| {
        other.merge(&one.block(id));
    });
    let before = other.rows(Tree::Elements);
    let fingerprint = other.rows(Tree::Fingerprint);
    let mut batch = Batch::new();
    // The head loses its bytes; the first block was never there.
    batch.delete(Tree::Blocks, blocks[2].0);
    batch.delete(Tree::Blocks, blocks[0].0);
    batch.delete(Tree::Merged, blocks[0].0);
    other.store.commit(batch, Durability::Flushed).unwrap();
    other.writer.reload().unwrap();
    let outputs = other.tell(CrdtInput::Repair { lost: vec![blocks[2]], holes: vec![blocks[0]] });
    assert_eq!(outputs, [CrdtOutput::Fetch(vec![blocks[2], blocks[0]])]);
    assert_eq!((other.writer.backend().heads(), other.writer.backend().open_walks()), (vec![], 2));
    // Told again, it does nothing new; another crash forgets nothing.
    assert_eq!(other.tell(CrdtInput::Repair { lost: vec![blocks[2]], holes: vec![blocks[0]] }), []);
    other.writer.reload().unwrap();
    other.merge(&one.block(&blocks[2]));
    other.merge(&one.block(&blocks[0]));
    assert_eq!((other.writer.backend().heads(), other.writer.backend().open_walks()), (vec![blocks[2]], 0));
    assert_eq!(other.name(&c1()).as_deref(), Some("c"));
    assert_eq!((other.rows(Tree::Elements), other.rows(Tree::Fingerprint)), (before, fingerprint));
    let report = cluster_consensus::crdt::check::check(&*other.store).unwrap();
    assert_eq!(report.mismatches, Vec::<String>::new());
}

/// A peer that takes the followers of a block for complete asks for it only when something new links to it.
#[test]
fn a_delta_without_elements_links_to_old_blocks_anew() {
    let mut one = Replica::new(Packing::Immediate);
    let blocks: Vec<BlockId> = ["a", "b", "c"].iter().map(|name| announced(&one.pin(&c1(), name))).collect();
    let before = [Tree::Elements, Tree::Tombstones, Tree::Fingerprint].map(|tree| one.rows(tree));
    let never_here = BlockId([7; 32]);
    let id = announced(&one.tell(CrdtInput::Retell(Causes {
        blocks: [blocks[1], blocks[0], blocks[2], never_here].into(),
        removed: Vec::new(),
    })));
    let own = decode(&one.block(&id));
    let mut links: Vec<Vec<u8>> = blocks.iter().map(|id| id.cid_bytes().to_vec()).collect();
    links.sort();
    assert_eq!((own.priority, own.links), (4, links));
    assert_eq!((own.elements.len(), own.tombstones.len()), (0, 0));
    assert_eq!([Tree::Elements, Tree::Tombstones, Tree::Fingerprint].map(|tree| one.rows(tree)), before);
    assert_eq!(one.writer.backend().heads(), [id]);
    assert_eq!(one.mismatches(), Vec::<String>::new());

    // It is a head like any other: whoever starts from it gets all.
    let mut other = Replica::new(Packing::Immediate);
    for id in [id, blocks[2], blocks[1], blocks[0]] {
        other.merge(&one.block(&id));
    }
    assert_eq!((other.writer.backend().heads(), other.writer.backend().open_walks()), (vec![id], 0));
    assert_eq!(other.name(&c1()).as_deref(), Some("c"));
    assert_eq!(other.mismatches(), Vec::<String>::new());
}

/// A Go peer that merges a removal and what it removes at the same moment may keep the pin; hearing of the removal again it
/// looks again.
#[test]
fn a_removal_is_repeated_and_changes_nothing() {
    let mut one = Replica::new(Packing::Immediate);
    let blocks: Vec<BlockId> = ["a", "b"].iter().map(|name| announced(&one.pin(&c1(), name))).collect();
    announced(&one.unpin(&c1()));
    let trees = [Tree::Elements, Tree::Tombstones, Tree::Fingerprint, Tree::Pins];
    let before = trees.map(|tree| one.rows(tree));
    let removed = [blocks[0], blocks[1], BlockId([7; 32])].map(|block| (PinKey::from_cid(&c1()), block));
    let causes = Causes { removed: removed.into(), ..Causes::default() };
    let id = announced(&one.tell(CrdtInput::Retell(causes)));
    let own = decode(&one.block(&id));
    let multihash = |block: &BlockId| [[0x12, 0x20].as_slice(), &block.0].concat();
    let said: Vec<Vec<u8>> = own.tombstones.into_iter().map(|(_, id)| id).collect();
    assert_eq!(said, [multihash(&blocks[0]), multihash(&blocks[1])]);
    assert!(own.elements.is_empty());
    assert_eq!(trees.map(|tree| one.rows(tree)), before);
    assert_eq!(one.mismatches(), Vec::<String>::new());

    // A pin that came back since is not touched by it, neither here nor elsewhere.
    let again = announced(&one.pin(&c1(), "c"));
    let repeated = Causes { removed: vec![(PinKey::from_cid(&c1()), blocks[0])], ..Causes::default() };
    let last = announced(&one.tell(CrdtInput::Retell(repeated)));
    assert_eq!(one.name(&c1()).as_deref(), Some("c"));
    let mut other = Replica::new(Packing::Immediate);
    let mut below = last;
    other.merge(&one.block(&last));
    while let Some(link) = Block::decode(&one.block(&below)).unwrap().links.first().copied() {
        other.merge(&one.block(&link));
        below = link;
    }
    assert_eq!(other.name(&c1()).as_deref(), Some("c"));
    assert_ne!(again, last);
    assert_eq!((other.mismatches(), one.mismatches()), (Vec::new(), Vec::new()));
}

/// Whoever removes a pin amid the first walk means all of it, also what the walk has not found yet.
#[test]
fn a_removal_amid_a_first_walk_covers_what_the_walk_still_finds() {
    let mut one = Replica::new(Packing::Immediate);
    let blocks: Vec<BlockId> = ["a", "b", "c"].iter().map(|name| announced(&one.pin(&c1(), name))).collect();
    // Somebody else pins it without having seen any of that.
    let concurrent = announced(&Replica::new(Packing::Immediate).pin(&c1(), "elsewhere"));
    let mut elsewhere = Replica::new(Packing::Immediate);
    assert_eq!(announced(&elsewhere.pin(&c1(), "elsewhere")), concurrent);
    for stalls in [false, true] {
        let mut fresh = Replica::new(Packing::Immediate);
        fresh.merge(&one.block(&blocks[2]));
        fresh.unpin(&c1());
        if stalls {
            // The removal is told to the others before the walk goes on.
            let own = announced(&fresh.tell(CrdtInput::WalkStalled));
            assert_eq!(decode(&fresh.block(&own)).tombstones.len(), 1);
            fresh.writer.reload().unwrap();
        }
        assert_eq!(fresh.mismatches(), Vec::<String>::new());
        for id in [blocks[1], blocks[0]] {
            fresh.merge(&one.block(&id));
            assert_eq!(fresh.name(&c1()), None, "it is shown again");
            assert_eq!(fresh.mismatches(), Vec::<String>::new());
        }
        assert_eq!(fresh.writer.backend().open_walks(), 0);
        assert_eq!((fresh.rows(Tree::Elements), fresh.rows(Tree::Frontier)), (vec![], vec![]));
        assert_eq!(fresh.rows(Tree::Tombstones).len(), 3);
        // An add that it does not follow wins, as ever.
        fresh.merge(&elsewhere.block(&concurrent));
        assert_eq!(fresh.name(&c1()).as_deref(), Some("elsewhere"));
        assert_eq!(fresh.mismatches(), Vec::<String>::new());
    }
}
