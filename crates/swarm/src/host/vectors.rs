//! What Go peers sent and accepted, byte by byte.

use super::{
    gossip::{MAX_FRAME, METRICS_TOPIC, heads_topic, message_id},
    routing::{self, LAN_PROTOCOL, WAN_PROTOCOL},
    streams::{RPC_PROTOCOL, STREAM_PROTOCOLS},
};
use cluster_core::{ClusterSecret, Multiaddr, PeerId};
use futures_util::io::{AsyncRead, AsyncReadExt, AsyncWrite, Cursor};
use libp2p::{
    gossipsub::{Message as GossipMessage, TopicHash},
    identity::{Keypair, PublicKey},
    multihash::Multihash,
    pnet::{PnetConfig, PreSharedKey},
};
use prost::Message;
use serde_json::Value;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn vectors(text: &str) -> Vec<Value> {
    parse(text)["vectors"].as_array().unwrap().clone()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// A socket whose other side said everything already, and to which anything may be said.
struct Recorded(Cursor<Vec<u8>>);

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn the_secret_opens_both_directions_of_a_go_connection() {
    let handshake = &vectors(include_str!("../../../../tests/vectors/pnet.json"))[0]["decoded"];
    let key: [u8; 32] = bytes(&handshake["psk"]).try_into().unwrap();
    for side in ["client", "server"] {
        let sent = Recorded(Cursor::new(bytes(&handshake[format!("{side}_sent")])));
        let mut opened = PnetConfig::new(PreSharedKey::new(key)).handshake(sent).await.unwrap();
        let mut plain = Vec::new();
        opened.read_to_end(&mut plain).await.unwrap();
        assert_eq!(plain, bytes(&handshake[format!("{side}_plain")]), "{side}");
    }
}

#[test]
fn message_ids_are_those_of_go() {
    for vector in vectors(include_str!("../../../../tests/vectors/gossipsub-message-ids.json")) {
        let seqno: [u8; 8] = bytes(&vector["seqno_hex"]).try_into().unwrap();
        let message = GossipMessage {
            source: Some(PeerId::from_bytes(&bytes(&vector["from_hex"])).unwrap()),
            data: Vec::new(),
            sequence_number: Some(u64::from_be_bytes(seqno)),
            topic: TopicHash::from_raw(METRICS_TOPIC),
        };
        assert_eq!(message_id(&message).0, bytes(&vector["hex"]), "{}", vector["name"]);
    }
}

#[test]
fn keys_and_topics_are_those_of_the_recorded_cluster() {
    let fixtures = parse(include_str!("../../../../tests/vectors/fixtures.json"));
    assert_eq!(
        heads_topic(fixtures["cluster_name"].as_str().unwrap()),
        fixtures["crdt_topic"].as_str().unwrap()
    );
    assert_eq!(heads_topic("ipfs-cluster"), "fzhnp2UwTBkgNabrJi1VanzwgN");
    assert_eq!(heads_topic("test"), "fzhnJ2vw7NBkaLbPXVHuw1r59o");
    let secret = ClusterSecret::parse_hex(fixtures["secret_hex"].as_str().unwrap()).unwrap();
    assert_eq!(*secret.expose(), [0xab; 32]);
    for (name, peer) in fixtures["peers"].as_object().unwrap() {
        let keypair = match peer.get("private_key_base64") {
            Some(text) => {
                let encoded = data_encoding::BASE64.decode(text.as_str().unwrap().as_bytes()).unwrap();
                Keypair::from_protobuf_encoding(&encoded).unwrap()
            }
            None => Keypair::ed25519_from_bytes(bytes(&peer["ed25519_seed_hex"])).unwrap(),
        };
        assert_eq!(keypair.public().to_peer_id().to_string(), peer["id"].as_str().unwrap(), "{name}");
    }
}

#[derive(Clone, PartialEq, Message)]
struct Rpc {
    #[prost(message, repeated, tag = "1")]
    subscriptions: Vec<Subscription>,
    #[prost(message, repeated, tag = "2")]
    publish: Vec<Published>,
    #[prost(message, optional, tag = "3")]
    control: Option<Control>,
}

#[derive(Clone, PartialEq, Message)]
struct Subscription {
    #[prost(bool, optional, tag = "1")]
    subscribe: Option<bool>,
    #[prost(string, optional, tag = "2")]
    topic: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Published {
    #[prost(bytes = "vec", optional, tag = "1")]
    from: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    data: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "3")]
    seqno: Option<Vec<u8>>,
    #[prost(string, optional, tag = "4")]
    topic: Option<String>,
    #[prost(bytes = "vec", optional, tag = "5")]
    signature: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "6")]
    key: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct Control {
    #[prost(message, repeated, tag = "1")]
    ihave: Vec<Ihave>,
    #[prost(message, repeated, tag = "2")]
    iwant: Vec<Iwant>,
    #[prost(message, repeated, tag = "3")]
    graft: Vec<Mesh>,
    #[prost(message, repeated, tag = "4")]
    prune: Vec<Mesh>,
}

#[derive(Clone, PartialEq, Message)]
struct Iwant {
    #[prost(bytes = "vec", repeated, tag = "1")]
    ids: Vec<Vec<u8>>,
}

/// GRAFT and PRUNE.
#[derive(Clone, PartialEq, Message)]
struct Mesh {
    #[prost(string, optional, tag = "1")]
    topic: Option<String>,
    /// In seconds; of PRUNE alone.
    #[prost(uint64, optional, tag = "3")]
    backoff: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct Ihave {
    #[prost(string, optional, tag = "1")]
    topic: Option<String>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    ids: Vec<Vec<u8>>,
}

/// Says whether a message is signed by its author, as StrictSign asks (wire-protocol §3.2).
fn is_signed(message: &Published) -> bool {
    let author = PeerId::from_bytes(message.from.as_ref().unwrap()).unwrap();
    let key = match &message.key {
        Some(key) => PublicKey::try_decode_protobuf(key).unwrap(),
        None => PublicKey::try_decode_protobuf(Multihash::from(author).digest()).unwrap(),
    };
    let mut signed = b"libp2p-pubsub:".to_vec();
    Published { signature: None, key: None, ..message.clone() }.encode(&mut signed).unwrap();
    key.to_peer_id() == author && key.verify(&signed, message.signature.as_ref().unwrap())
}

#[test]
fn recorded_frames_are_signed_and_name_messages_as_we_do() {
    let topic = heads_topic("wirecheck");
    let (mut published, mut offered, mut wanted, mut grafted, mut pruned) = (0, 0, 0, 0, 0);
    for vector in vectors(include_str!("../../../../tests/vectors/gossipsub-rpc.json")) {
        let frame = bytes(&vector["hex"]);
        assert!(frame.len() <= MAX_FRAME);
        let rpc = Rpc::decode_length_delimited(&*frame).unwrap();
        for subscription in &rpc.subscriptions {
            let name = subscription.topic.as_deref().unwrap();
            assert!(name == METRICS_TOPIC || name == topic, "{name}");
        }
        for message in &rpc.publish {
            assert!(is_signed(message), "{}", vector["name"]);
            let mut forged = message.clone();
            forged.data.as_mut().unwrap().push(0);
            assert!(!is_signed(&forged));
            published += 1;
        }
        let control = rpc.control.unwrap_or_default();
        for id in control.ihave.iter().flat_map(|ihave| &ihave.ids) {
            assert_eq!(id.len(), 24, "{}", vector["name"]);
            offered += 1;
        }
        // The second one that was asked for is no message's: Go takes such a question without complaint.
        wanted += control.iwant.iter().flat_map(|iwant| &iwant.ids).filter(|id| id.len() == 24).count();
        for mesh in control.graft.iter().chain(&control.prune) {
            let name = mesh.topic.as_deref().unwrap();
            assert!(name == METRICS_TOPIC || name == topic, "{name}");
        }
        grafted += control.graft.len();
        pruned += control.prune.iter().filter(|prune| prune.backoff == Some(600)).count();
    }
    assert!(published > 0 && offered > 0);
    assert_eq!((wanted, grafted, pruned), (1, 4, 2));
}

#[derive(Clone, PartialEq, Message)]
struct Identify {
    #[prost(bytes = "vec", optional, tag = "1")]
    public_key: Option<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    listen_addrs: Vec<Vec<u8>>,
    #[prost(string, repeated, tag = "3")]
    protocols: Vec<String>,
    #[prost(string, optional, tag = "5")]
    protocol_version: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Routing {
    #[prost(int32, optional, tag = "1")]
    kind: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "2")]
    target: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "8")]
    closer: Vec<Closer>,
}

#[derive(Clone, PartialEq, Message)]
struct Closer {
    #[prost(bytes = "vec", optional, tag = "1")]
    id: Option<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    addrs: Vec<Vec<u8>>,
}

#[test]
fn what_go_says_of_itself_puts_it_into_the_table_of_the_local_network() {
    let all = vectors(include_str!("../../../../tests/vectors/identify-ping-kad.json"));
    let vector = |name: &str| all.iter().find(|vector| vector["name"] == name).unwrap();
    let find = |name: &str| bytes(&vector(name)["hex"]);
    let asked = |name: &str| {
        let what = vector(name)["what"].as_str().unwrap();
        hex::decode(what.rsplit("we sent ").next().unwrap()).unwrap()
    };
    // A ping comes back as it was sent.
    assert_eq!((asked("/ipfs/ping/1.0.0").len(), find("/ipfs/ping/1.0.0")), (32, asked("/ipfs/ping/1.0.0")));
    let said = Identify::decode_length_delimited(&*find("/ipfs/id/1.0.0")).unwrap();
    assert_eq!(said.protocol_version.as_deref(), Some(""));
    let lists =
        |protocol: &libp2p::StreamProtocol| said.protocols.iter().any(|listed| listed == protocol.as_ref());
    assert!(lists(&LAN_PROTOCOL) && lists(&RPC_PROTOCOL) && !lists(&WAN_PROTOCOL));
    assert_eq!(STREAM_PROTOCOLS.iter().filter(|protocol| lists(protocol)).count(), 5);
    let listed: Vec<Multiaddr> =
        said.listen_addrs.iter().map(|address| address.clone().try_into().unwrap()).collect();
    assert_eq!(routing::usable(&listed, true), listed);
    assert_eq!(routing::usable(&listed, false), []);

    let answer = Routing::decode_length_delimited(&*find("/ipfs/lan/kad/1.0.0")).unwrap();
    assert_eq!(answer.kind, Some(4));
    let [closer] = &answer.closer[..] else { panic!("one peer is closer") };
    let question = Routing::decode_length_delimited(&*asked("/ipfs/lan/kad/1.0.0")).unwrap();
    assert_eq!((question.kind, question.target), (Some(4), closer.id.clone()));
    assert!(PeerId::from_bytes(closer.id.as_ref().unwrap()).is_ok());
    assert!(closer.addrs.iter().all(|address| Multiaddr::try_from(address.clone()).is_ok()));
}
