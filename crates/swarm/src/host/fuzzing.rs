//! What the host learns of others, for the fuzzer.

use super::{
    address_book::{AddressBook, MAX_ADDRESSES},
    mdns::message as multicast,
    own_addresses::without_peer,
    peerstore, routing,
};
use cluster_core::{Multiaddr, PeerId};
use prost::encoding::decode_varint;

/// Judges the addresses that a peer lists in what it says of itself (the second field of identify's message) and keeps those
/// worth it. The message itself is libp2p's.
pub(crate) fn identify(bytes: &[u8]) {
    let Some(listed) = listed_addresses(bytes) else { return };
    let peer = peer(1);
    for on_this_machine in [false, true] {
        let mut addresses = routing::usable(&listed, on_this_machine);
        addresses.truncate(MAX_ADDRESSES);
        let mut book = AddressBook::default();
        book.learn(peer, &addresses);
        let _ = book.identified(&peer, on_this_machine);
        let known = book.addresses_of(&peer);
        assert!(known.len() <= MAX_ADDRESSES, "{known:?}");
        for address in &addresses {
            let _ = (routing::is_public(address), routing::is_relayed(address), without_peer(address));
        }
        let _ = book.ways_to(&peer);
        stays(&book);
    }
}

/// Reads a packet of the local network's multicast.
pub(crate) fn mdns(bytes: &[u8]) {
    let heard = multicast::read(bytes);
    for (peer, addresses) in heard.peers {
        let mut book = AddressBook::default();
        book.learn(peer, &addresses);
        stays(&book);
    }
}

/// Reads the file of peers, which people edit.
pub(crate) fn peerstore(bytes: &[u8]) {
    let mut book = AddressBook::default();
    for (peer, address) in peerstore::parse(&String::from_utf8_lossy(bytes)) {
        book.give(peer, &[address], 0, false);
    }
    stays(&book);
}

/// Checks that what a book writes is what is read of it.
fn stays(book: &AddressBook) {
    let text = peerstore::format(book, &peer(2), &[]);
    let mut again = AddressBook::default();
    let read = peerstore::parse(&text);
    assert_eq!(read.len(), text.lines().count(), "{text}");
    for (peer, address) in read {
        again.give(peer, &[address], 0, false);
    }
}

fn peer(number: u8) -> PeerId {
    let hash = multihash::Multihash::wrap(0x12, &[number; 32]).unwrap_or_default();
    PeerId::from_multihash(hash).unwrap_or_else(|_| PeerId::random())
}

/// Picks the addresses out of identify's message, which comes after its length.
fn listed_addresses(mut bytes: &[u8]) -> Option<Vec<Multiaddr>> {
    decode_varint(&mut bytes).ok()?;
    let mut addresses = Vec::new();
    while !bytes.is_empty() {
        let key = decode_varint(&mut bytes).ok()?;
        if key & 7 != 2 {
            return None;
        }
        let length = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
        let (value, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        if key >> 3 == 2 {
            addresses.extend(Multiaddr::try_from(value.to_vec()).ok());
        }
    }
    Some(addresses)
}
