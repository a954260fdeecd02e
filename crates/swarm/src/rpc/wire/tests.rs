use super::*;
use crate::rpc::{
    fake_peer::info,
    fixtures::{TIME, address_1, address_2, bytes, cid_1, encoded, peer_a, peer_b},
    oracle::Plain,
};
use cluster_core::{
    Pin, PinDepth, PinKind, ReplicationFactors, TrackerStatus, UnixMillis, UnixSeconds,
    ports::{
        cluster_api::{LocalPinStatus, PeerInfo, PinStatusOnPeer, RepoGc},
        ipfs_connector::{GcItem, RepoStat},
    },
};

fn read<T: Wire>(value: &[u8]) -> Result<T, DecodeError> {
    T::read(&mut Decoder::new(value))
}

fn same(value: &[u8], other: &[u8]) {
    assert_eq!(Plain::read_all(value), Plain::read_all(other));
}

#[test]
fn an_id_is_that_of_the_reference() {
    let value = bytes(
        "88 a169 da0026 <A> a161 91 da0031 <M1> a26370 92 da0026 <A> da0026 <B> a3637061 90 a176 a5312e312e36
         a27276 b42f69706673636c75737465722f312e302f727063 a26970 82 a169 da0026 <B> a161 91 a8 <M2>
         a2706e a6706565722d61",
    );
    same(&encoded(&info()), &value);
    let read_back: PeerInfo = read(&value).unwrap();
    assert_eq!(read_back.id, peer_a());
    assert_eq!(read_back.addresses, [address_1()]);
    assert_eq!(read_back.cluster_peers, [peer_a(), peer_b()]);
    assert_eq!((read_back.version.as_str(), read_back.peername.as_str()), ("1.1.6", "peer-a"));
    assert_eq!(read_back.rpc_protocol_version, "/ipfscluster/1.0/rpc");
    assert_eq!(read_back.error, None);
    let ipfs = read_back.ipfs.unwrap();
    assert_eq!((ipfs.id, ipfs.addresses), (peer_b(), vec![address_2()]));
}

#[test]
fn an_id_without_ipfs_is_that_of_the_reference() {
    let value = bytes(
        "87 a169 da0026<B> a161 91a8<M2> a26370 91da0026<B> a176 a5312e312e36
         a27276 b42f69706673636c75737465722f312e302f727063 a26970 81 a165 a96970667320646f776e a2706e a172",
    );
    let read_back: PeerInfo = read(&value).unwrap();
    assert_eq!(read_back.ipfs.as_ref().unwrap_err(), "ipfs down");
    assert_eq!(encoded(&read_back), value);
    // A peer that failed names itself and its error.
    let failed: PeerInfo = read(&bytes("82 a169 da0026<B> a165 a178")).unwrap();
    assert_eq!((failed.id, failed.error.as_deref(), failed.ipfs.is_err()), (peer_b(), Some("x"), true));
    same(&encoded(&failed), &bytes("82 a169 da0026<B> a165 a178"));
    assert!(read::<PeerInfo>(&bytes("81 a165 a178")).is_err());
}

#[test]
fn a_status_is_that_of_the_reference() {
    let value = bytes(
        "8b a163 da0024 <C1> a16d a16e a170 da0026 <A> a16f 91 da0026 <A> a174 a46553f100 a26d64 81 a16b a176
         a2706e a6706565722d61 a169 da0026 <B> a26961 91 a8 <M2> a27374 10 a27473 a46553f100",
    );
    let mut pin = Pin::new(cid_1());
    pin.options.name = "n".to_owned();
    pin.options.metadata.insert("k".to_owned(), "v".to_owned());
    pin.allocations = vec![peer_a()];
    pin.timestamp = Some(UnixSeconds(TIME));
    let status = LocalPinStatus {
        pin,
        created: UnixMillis(TIME * 1000),
        on_peer: PinStatusOnPeer {
            peer: peer_a(),
            peername: "peer-a".to_owned(),
            ipfs_peer_id: Some(peer_b()),
            ipfs_peer_addresses: vec![address_2()],
            status: TrackerStatus::Pinned,
            timestamp: UnixMillis(TIME * 1000),
            error: String::new(),
            attempt_count: 0,
            priority_pin: false,
        },
    };
    assert_eq!(read(&value), Ok(status.clone()));
    assert_eq!(encoded(&status), value);
}

#[test]
fn a_failed_status_is_that_of_the_reference() {
    let value = bytes(
        "88 a163 da0024<C1> a170 da0026<A> a2706e a172 a27374 d11000 a27473 a46553f100 a165 a178 a161 03 a179 c3",
    );
    let status: LocalPinStatus = read(&value).unwrap();
    assert_eq!(status.on_peer.status, TrackerStatus::UnexpectedlyUnpinned);
    assert_eq!(status.on_peer.error, "x");
    assert_eq!((status.on_peer.attempt_count, status.on_peer.priority_pin), (3, true));
    assert_eq!((status.pin.timestamp, status.pin.kind), (None, PinKind::Data));
    assert_eq!(encoded(&status), value);
    for missing in ["81 a163 da0024<C1>", "81 a170 da0026<A>"] {
        assert!(read::<LocalPinStatus>(&bytes(missing)).is_err());
    }
}

#[test]
fn a_pin_is_that_of_the_reference() {
    let value =
        bytes("88 a2726e01 a2727802 a16ea16e a163da0024<C1> a17402 a16191da0026<A> a164ff a169a46553f100");
    let mut pin = Pin::new(cid_1());
    pin.options.name = "n".to_owned();
    pin.options.replication = ReplicationFactors { min: 1, max: 2 };
    pin.allocations = vec![peer_a()];
    pin.timestamp = Some(UnixSeconds(TIME));
    assert_eq!(read(&value), Ok(pin.clone()));
    assert_eq!(encoded(&pin), value);
}

#[test]
fn a_pin_with_everything_comes_back() {
    let mut pin = Pin::new(cid_1());
    pin.kind = PinKind::Shard;
    pin.depth = PinDepth::DIRECT;
    pin.allocations = vec![peer_b()];
    pin.reference = Some(cid_1());
    pin.timestamp = Some(UnixSeconds(TIME + 1));
    pin.options.replication = ReplicationFactors::EVERYWHERE;
    pin.options.name = "everything".to_owned();
    pin.options.shard_size = 100 << 20;
    pin.options.user_allocations = vec![peer_a()];
    pin.options.expire_at = Some(UnixSeconds(TIME + 2));
    pin.options.metadata.insert("key".to_owned(), String::new());
    pin.options.pin_update = Some(cid_1());
    pin.options.origins = vec![address_2()];
    assert_eq!(read(&encoded(&pin)), Ok(pin.clone()));
    // Only a recursive pin of that depth has no mode; a direct one says so twice.
    assert_eq!(Plain::read_all(&encoded(&pin))[0].field("o"), Some(&Plain::Number(1)));
    assert_eq!(read::<Pin>(&bytes("81 a163 da0024<C1>")).unwrap().kind, PinKind::Bad);
    assert_eq!(read::<Pin>(&bytes("82 a163 da0024<C1> a17402")).unwrap().depth, PinDepth::DIRECT);
}

#[test]
fn repositories_and_peer_lists_are_those_of_the_reference() {
    let stat = RepoStat { repo_size: 1000, storage_max: 10_000_000_000 };
    let value = bytes("82 a172 cd03e8 a173 cf00000002540be400");
    assert_eq!(encoded(&stat), value);
    assert_eq!(read(&value), Ok(stat));
    assert_eq!(encoded(&RepoStat { repo_size: 0, storage_max: 0 }), bytes("81 a173 00"));
    let value = bytes("92 da0026<A> da0026<B>");
    assert_eq!(encoded(&vec![peer_a(), peer_b()]), value);
    assert_eq!(read(&value), Ok(vec![peer_a(), peer_b()]));
    let garbage = RepoGc {
        peer: peer_a(),
        peername: "a".to_owned(),
        keys: vec![GcItem::Removed(cid_1()), GcItem::Error("stuck".to_owned())],
        error: "half done".to_owned(),
    };
    let value = bytes(
        "84 a170 da0026<A> a2706e a161 a16b 92 81a16bda0024<C1> 81a165a5737475636b a165 a968616c6620646f6e65",
    );
    assert_eq!(encoded(&garbage), value);
    assert_eq!(read(&value), Ok(garbage));
    let nothing: RepoGc = read(&bytes("82 a170 da0026<A> a16b c0")).unwrap();
    assert_eq!((nothing.keys, nothing.error), (vec![], String::new()));
}
