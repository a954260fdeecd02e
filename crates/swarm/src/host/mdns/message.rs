//! The messages of service discovery, as Go's peers write and read them (wire-protocol §1.3).

use crate::host::peerstore;
use cluster_core::{Multiaddr, PeerId};
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, PTR, SRV, TXT},
    },
};
use std::{collections::HashMap, net::Ipv4Addr};

const SERVICE: &str = "_ipfs-cluster-discovery._udp.local.";

/// Before an address in a text record.
const ADDRESS_KEY: &str = "dnsaddr=";

/// What Go writes; nobody connects to it.
const PORT: u16 = 4001;

/// Seconds others may remember an answer.
const TTL: u32 = 120;

/// Bytes of one string of a text record.
const MAX_STRING: usize = 255;

/// Addresses told in one answer, so that it fits one packet, and taken from one.
const MAX_ADDRESSES: usize = 12;

/// What a packet says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::host) struct Heard {
    /// Whether it asks who is there.
    pub(super) asks: bool,
    /// Who says where it is.
    pub(in crate::host) peers: HashMap<PeerId, Vec<Multiaddr>>,
}

/// Writes the question who is there.
pub(super) fn question() -> Option<Vec<u8>> {
    let mut message = Message::new(0, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(service()?, RecordType::PTR));
    message.to_vec().ok()
}

/// Writes the answer: this peer, under a name of its own, is at these addresses, each ending in `/p2p/<id>`.
///
/// Go's browsers drop an answer without the address of its host, so one is in it.
pub(super) fn answer(name: &str, host: Ipv4Addr, addresses: &[Multiaddr]) -> Option<Vec<u8>> {
    let texts: Vec<String> = addresses
        .iter()
        .map(|address| format!("{ADDRESS_KEY}{address}"))
        .filter(|text| text.len() <= MAX_STRING)
        .take(MAX_ADDRESSES)
        .collect();
    if texts.is_empty() {
        return None;
    }
    let service = service()?;
    let instance = Name::from_ascii(name).ok()?.append_domain(&service).ok()?;
    let target = Name::from_ascii(format!("{name}.local.")).ok()?;
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.metadata.authoritative = true;
    message.add_answer(Record::from_rdata(service, TTL, RData::PTR(PTR(instance.clone()))));
    message.additionals = vec![
        Record::from_rdata(instance.clone(), TTL, RData::SRV(SRV::new(0, 0, PORT, target.clone()))),
        Record::from_rdata(instance, TTL, RData::TXT(TXT::new(texts))),
        Record::from_rdata(target, TTL, RData::A(A(host))),
    ];
    message.to_vec().ok()
}

/// Reads a packet of the multicast group; what is not about this service says nothing.
pub(in crate::host) fn read(packet: &[u8]) -> Heard {
    let mut heard = Heard::default();
    let (Ok(message), Some(service)) = (Message::from_vec(packet), service()) else { return heard };
    if message.metadata.message_type == MessageType::Query {
        heard.asks = message.queries.iter().any(|query| {
            matches!(query.query_type(), RecordType::PTR | RecordType::ANY) && *query.name() == service
        });
        return heard;
    }
    let records =
        message.answers.iter().chain(&message.additionals).filter(|record| service.zone_of(&record.name));
    let texts = records.filter_map(|record| match &record.data {
        RData::TXT(text) => Some(text.txt_data.iter()),
        _ => None,
    });
    let addresses = texts.flatten().filter_map(|text| {
        let text = std::str::from_utf8(text).ok()?.strip_prefix(ADDRESS_KEY)?;
        peerstore::split(&text.parse().ok()?)
    });
    for (peer, address) in addresses.take(MAX_ADDRESSES) {
        heard.peers.entry(peer).or_default().push(address);
    }
    heard
}

fn service() -> Option<Name> {
    Name::from_ascii(SERVICE).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_again() {
        let peer = PeerId::random();
        let address: Multiaddr = format!("/ip4/10.0.0.1/tcp/9096/p2p/{peer}").parse().unwrap();
        let packet = answer("somename", Ipv4Addr::new(10, 0, 0, 1), std::slice::from_ref(&address)).unwrap();
        let heard = read(&packet);
        assert!(!heard.asks);
        assert_eq!(heard.peers, HashMap::from([(peer, vec!["/ip4/10.0.0.1/tcp/9096".parse().unwrap()])]));
        let message = Message::from_vec(&packet).unwrap();
        let kinds: Vec<RecordType> = message.additionals.iter().map(Record::record_type).collect();
        assert_eq!(kinds, [RecordType::SRV, RecordType::TXT, RecordType::A]);
    }

    #[test]
    fn a_question_asks_for_this_service_only() {
        let packet = question().unwrap();
        assert_eq!(read(&packet), Heard { asks: true, peers: HashMap::new() });
        let mut other = Message::new(0, MessageType::Query, OpCode::Query);
        other.add_query(Query::query(Name::from_ascii("_p2p._udp.local.").unwrap(), RecordType::PTR));
        assert_eq!(read(&other.to_vec().unwrap()), Heard::default());
    }

    #[test]
    fn rubbish_and_answers_with_too_much_say_little() {
        assert_eq!(read(&[0xff; 700]), Heard::default());
        let peer = PeerId::random();
        let many: Vec<Multiaddr> =
            (1..200).map(|port| format!("/ip4/10.0.0.1/tcp/{port}/p2p/{peer}").parse().unwrap()).collect();
        let packet = answer("somename", Ipv4Addr::new(10, 0, 0, 1), &many).unwrap();
        assert!(packet.len() < 1400);
        assert_eq!(read(&packet).peers[&peer].len(), MAX_ADDRESSES);
        for cut in 0..packet.len() {
            _ = read(&packet[..cut]);
        }
        assert_eq!(answer("somename", Ipv4Addr::new(10, 0, 0, 1), &[]), None);
    }
}
