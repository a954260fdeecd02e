mod limits;
mod rights;

use super::*;
use crate::rpc::{
    decoder::Decoder,
    fake_peer::{FakePeer, Mood, status},
    fixtures::{CID_1, Recording, bytes, cid_1, peer_a, peer_b, recordings},
    method::MethodKind,
    mutation::mutated,
    oracle::Plain,
    pipe_opener::{boxed, resetting},
    protocols::GO_PROTOCOL,
    response::Response,
    service_id::ServiceId,
    statuses_after::StatusesAfter,
};
use cluster_core::{
    Cid, PinKey,
    ports::{cluster_api::PeerInfo, ipfs_connector::ContentBlock},
};
use futures_util::{FutureExt, poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

/// Different calls that a Go peer made when it met this crate.
const LIVE_CALLS_OF_GO: usize = 10;

fn server(peer: FakePeer) -> Arc<RpcServer> {
    Arc::new(RpcServer::new(Arc::new(peer), Arc::new(|_| true), false))
}

/// Writes a call: names, then what follows.
fn call(name: &str, argument: &str) -> Vec<u8> {
    let (name, method) = name.split_once('.').unwrap();
    let mut to = Encoder::default();
    ServiceId { name: name.into(), method: method.into() }.write(&mut to);
    to.encoded(&bytes(argument));
    to.into_bytes()
}

/// Makes a call as Go does: a streaming one is closed at once, a unary one after the answer.
async fn exchange(server: &RpcServer, protocol: StreamProtocol, call: &[u8], close_early: bool) -> Vec<u8> {
    let (near, mut far) = duplex(1 << 16);
    let caller = async {
        // Who does not like the start of a call need not take the rest.
        let _ = far.write_all(call).await;
        if close_early {
            let _ = far.shutdown().await;
        }
        let mut answer = Vec::new();
        let _ = far.read_to_end(&mut answer).await;
        drop(far);
        answer
    };
    let ((), answer) = tokio::join!(server.serve(peer_b(), protocol, boxed(near)), caller);
    answer
}

fn is_streaming(name: &str) -> bool {
    Method::ALL.iter().any(|method| method.full_name() == name && method.kind() == MethodKind::Streaming)
}

async fn ask(server: &RpcServer, name: &str, argument: &str) -> Vec<u8> {
    exchange(server, GO_PROTOCOL, &call(name, argument), is_streaming(name)).await
}

/// Reads an answer that is an error: its text and type, and that nil follows.
fn error_of(answer: &[u8]) -> (String, i64) {
    let all = Plain::read_all(answer);
    assert_eq!((all.len(), &all[1]), (2, &Plain::Nil));
    let mut from = Decoder::new(answer);
    let response = Response::read(&mut from).unwrap();
    (response.error, response.error_type)
}

/// Makes a peer that gives a recorded answer.
fn peer_answering(recording: &Recording) -> FakePeer {
    let mut peer = FakePeer::new();
    peer.statuses.clear();
    peer.peers.clear();
    let mut from = Decoder::new(&recording.reply);
    let mut at = 0;
    while at < recording.reply.len() {
        let header = Response::read(&mut from).unwrap();
        let left = |from: &Decoder<'_>| recording.reply.len() - from.rest().len();
        if header.is_failure() {
            peer.mood = Mood::Fails(if header.error_type == 3 {
                CallError::Refused { method: "it" }
            } else {
                CallError::Failed { message: header.error }
            });
            from.skip().unwrap();
        } else {
            match recording.method.as_str() {
                "Cluster.ID" | "Cluster.IDStream" | "Cluster.PeerAdd" => {
                    peer.info = Wire::read(&mut from).unwrap();
                }
                "Cluster.Peers" => peer.peers.push(PeerInfo::read(&mut from).unwrap()),
                "Cluster.RepoGCLocal" => peer.garbage = Wire::read(&mut from).unwrap(),
                "IPFSConnector.SwarmPeers" => peer.swarm = Wire::read(&mut from).unwrap(),
                "PinTracker.Status"
                | "PinTracker.Recover"
                | "PinTracker.StatusAll"
                | "Cluster.RecoverAllLocal" => {
                    peer.statuses.push(Wire::read(&mut from).unwrap());
                }
                other => panic!("{other}"),
            }
        }
        at = left(&from);
    }
    peer
}

#[tokio::test(start_paused = true)]
async fn what_go_asked_is_answered_as_it_was_when_recorded() {
    // Headers without a value, of which Go makes an error, are nothing that is answered on purpose.
    let broken = ["Cluster.IDStream-33", "PinTracker.Status-36", "PinTracker.StatusAll-39"];
    let mut seen = 0;
    for recording in recordings().iter().filter(|recording| recording.name.starts_with("go-calls-")) {
        let known = !broken.iter().any(|name| recording.name.ends_with(name));
        let name = &recording.name;
        if !known || recording.method == "IPFSConnector.BlockStream" {
            continue;
        }
        let server = server(peer_answering(recording));
        let streaming = is_streaming(&recording.method);
        let answer = exchange(&server, GO_PROTOCOL, &recording.call, streaming).await;
        assert_eq!(Plain::read_all(&answer), Plain::read_all(&recording.reply), "{name}");
        // What this crate wrote then, it still writes to the byte.
        assert!(!name.contains("-live") || answer == recording.reply, "{name}");
        seen += 1;
    }
    assert_eq!(seen, 17 + LIVE_CALLS_OF_GO);
}

/// Answers a call with this local peer.
async fn answer_by(peer: &Arc<FakePeer>, call: &[u8]) -> Vec<u8> {
    let server = RpcServer::new(peer.clone(), Arc::new(|_| true), false);
    exchange(&server, GO_PROTOCOL, call, true).await
}

#[tokio::test(start_paused = true)]
async fn blocks_that_go_streams_are_handed_on() {
    let recordings = recordings();
    let streamed = recordings
        .iter()
        .find(|recording| recording.name == "go-calls-IPFSConnector.BlockStream-43")
        .unwrap();
    let peer = Arc::new(FakePeer::new());
    assert_eq!(answer_by(&peer, &streamed.call).await, b"");
    let values = Plain::read_all(&streamed.call);
    let stored = std::mem::take(&mut *peer.stored.lock().unwrap());
    assert!(!stored.is_empty());
    assert_eq!(stored.len(), values.len() - 1);
    for (block, value) in stored.iter().zip(&values[1..]) {
        assert_eq!(value.field("c"), Some(&Plain::Raw(block.cid.to_bytes())));
        assert_eq!(value.field("d"), Some(&Plain::Raw(block.data.clone())));
    }
    // Whoever is not trusted stores nothing here.
    let server = RpcServer::new(peer.clone(), Arc::new(|_| false), false);
    let answer = exchange(&server, GO_PROTOCOL, &streamed.call, true).await;
    let refusal = "client does not have permissions to call IPFSConnector.BlockStream".to_owned();
    assert_eq!(error_of(&answer), (refusal, 3));
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_blocks_that_goes_wrong_is_taken_to_its_end_and_told() {
    let block = ContentBlock { cid: cid_1(), data: vec![7; 1 << 20] };
    let mut many = call("IPFSConnector.BlockStream", "");
    for _ in 0..20 {
        let mut value = Encoder::default();
        block.write(&mut value);
        many.extend_from_slice(value.bytes());
    }
    let failing = CallError::Failed { message: "the disk is full".to_owned() };
    let peer = Arc::new(FakePeer { mood: Mood::Fails(failing), ..FakePeer::new() });
    assert_eq!(error_of(&answer_by(&peer, &many).await), ("the disk is full".to_owned(), 0));
    assert_eq!(peer.stored.lock().unwrap().len(), 1);
    let peer = Arc::new(FakePeer::new());
    for (argument, text) in [
        ("80", "no cid"),
        ("07", "wanted a map"),
        ("81a164dbffffffff", "larger than 8388608 bytes"),
        ("81a164", "EOF within a value"),
    ] {
        let (error, kind) = error_of(&answer_by(&peer, &call("IPFSConnector.BlockStream", argument)).await);
        assert!(error.contains(text) && kind == 1, "{argument}: {error} {kind}");
    }
    // The caller goes: what the local peer does for it ends.
    let hanging = FakePeer { mood: Mood::Hangs, ..FakePeer::new() };
    let abandoned = hanging.abandoned.clone();
    let server = server(hanging);
    let (near, mut far) = duplex(1 << 16);
    let serving = tokio::spawn(async move { server.serve(peer_b(), GO_PROTOCOL, resetting(near)).await });
    far.write_all(&call("IPFSConnector.BlockStream", "")).await.unwrap();
    drop(far);
    abandoned.notified().await;
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn arguments_reach_the_peer() {
    let peer = Arc::new(FakePeer::new());
    let server = RpcServer::new(peer.clone(), Arc::new(|_| true), false);
    for (name, argument) in [
        ("PinTracker.Status", "da0024<C1>"),
        ("PinTracker.Recover", "c424<C1>"),
        ("Cluster.RecoverLocal", "da0024<C1>"),
        ("Cluster.PeerAdd", "da0026<B>"),
        ("Consensus.AddPeer", "da0026<B>"),
        ("Consensus.RmPeer", "da0026<B>"),
        ("Cluster.PeerRemove", "da0026<B>"),
        ("PinTracker.StatusAll", "1e"),
        ("PinTracker.StatusAll", "d10200"),
        ("PinTracker.StatusAll", ""),
        ("PinTracker.StatusAll", "c0"),
    ] {
        ask(&server, name, argument).await;
    }
    let asked = std::mem::take(&mut *peer.asked.lock().unwrap());
    let expected = [
        format!("status {CID_1}"),
        format!("recover {CID_1}"),
        format!("recover {CID_1}"),
        format!("add {}", peer_b()),
        format!("add member {}", peer_b()),
        format!("remove member {}", peer_b()),
        format!("remove member {}", peer_b()),
        "status_all 30".to_owned(),
        "status_all 512".to_owned(),
        "status_all 0".to_owned(),
        "status_all 0".to_owned(),
    ];
    assert_eq!(asked, expected);
    // Bits without a meaning match nothing, which is another thing than no filter.
    assert!(ask(&server, "PinTracker.StatusAll", "01").await.is_empty());
    assert!(peer.asked.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn pins_are_logged_as_they_come() {
    let peer = Arc::new(FakePeer::new());
    let server = RpcServer::new(peer.clone(), Arc::new(|_| true), false);
    for recording in recordings().iter().filter(|r| r.method.starts_with("Consensus.Log")) {
        let answer = exchange(&server, GO_PROTOCOL, &recording.call, false).await;
        assert_eq!(Plain::read_all(&answer), Plain::read_all(&recording.reply), "{}", recording.name);
    }
    let logged = std::mem::take(&mut *peer.logged.lock().unwrap());
    let pin = logged[0].1.as_ref().unwrap();
    assert_eq!((pin.options.name.as_str(), pin.key()), ("logpin", logged[0].0.clone()));
    assert!(pin.is_everywhere());
    assert_eq!(logged[1], (pin.key(), None));
    // A pin without a type is none; to remove it, the CID is enough.
    let answer = ask(&server, "Consensus.LogPin", "81a163da0024<C1>").await;
    assert_eq!(error_of(&answer), ("msgpack decode error: no pin type".to_owned(), 1));
    ask(&server, "Consensus.LogUnpin", "81a163da0024<C1>").await;
    assert_eq!(*peer.logged.lock().unwrap(), [(PinKey::from_cid(&cid_1()), None)]);
}

#[tokio::test(start_paused = true)]
async fn version_peers_and_repository_are_told() {
    let server = server(FakePeer::new());
    let version = ask(&server, "Cluster.Version", "80").await;
    assert_eq!(Plain::read_all(&version)[1].field("v").unwrap().text(), "1.1.6");
    let peers = Plain::read_all(&ask(&server, "Cluster.Peers", "").await);
    assert_eq!(peers.len(), 4);
    assert_eq!(peers[3].field("i"), Some(&Plain::Raw(peer_b().to_bytes())));
    let stat = ask(&server, "IPFSConnector.RepoStat", "80").await;
    assert!(stat.ends_with(&bytes("82a172cd03e8a173cf00000002540be400")));
    assert_eq!(Plain::read_all(&ask(&server, "Cluster.RecoverAllLocal", "").await).len(), 6);
}

#[tokio::test(start_paused = true)]
async fn statuses_behind_a_key_are_for_our_own_protocol() {
    let peer = Arc::new(FakePeer::new());
    let server = RpcServer::new(peer.clone(), Arc::new(|_| true), false);
    let after: Cid = "bafkqaaa".parse().unwrap();
    let mut argument = Encoder::default();
    StatusesAfter { filter: 16, after }.write(&mut argument);
    let asked = call("PinTracker.StatusAllAfter", &data_encoding::HEXLOWER.encode(argument.bytes()));
    assert_eq!(Plain::read_all_of(&exchange(&server, OUR_PROTOCOL, &asked, true).await).len() % 2, 0);
    assert_eq!(*peer.asked.lock().unwrap(), ["statuses_after 16 bafkqaaa"]);
    let answer = exchange(&server, GO_PROTOCOL, &asked, true).await;
    assert_eq!(error_of(&answer).0, "rpc: can't find method StatusAllAfter");
    // Behind nothing is no place.
    let nowhere = call("PinTracker.StatusAllAfter", "81a16610");
    assert!(error_of(&exchange(&server, OUR_PROTOCOL, &nowhere, true).await).0.contains("cid"));
}

#[tokio::test(start_paused = true)]
async fn heads_are_exchanged_on_our_own_protocol_only() {
    let server = server(FakePeer::new());
    let heads = call("Crdt.ExchangeHeads", "a3010203");
    let answer = exchange(&server, OUR_PROTOCOL, &heads, false).await;
    assert_eq!(Plain::read_all(&answer)[1], Plain::Raw(vec![3, 2, 1]));
    let answer = exchange(&server, GO_PROTOCOL, &heads, false).await;
    assert_eq!(error_of(&answer), ("rpc: can't find service Crdt".to_owned(), 1));
    let ours = exchange(&server, OUR_PROTOCOL, &call("Cluster.Version", "80"), false).await;
    assert_eq!(Plain::read_all(&ours).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn mistakes_of_the_caller_are_named() {
    let server = server(FakePeer::new());
    let error = async |name: &str, argument: &str| error_of(&ask(&server, name, argument).await);
    assert_eq!(error("Nope.X", "80").await, ("rpc: can't find service Nope".to_owned(), 1));
    assert_eq!(error("Cluster.Nope", "80").await, ("rpc: can't find method Nope".to_owned(), 1));
    for (name, argument, text) in [
        ("PinTracker.Status", "a2beef", "invalid cid"),
        ("PinTracker.Status", "da0025<C1>00", "trailing bytes in data buffer"),
        ("PinTracker.Status", "c0", "no cid"),
        ("PinTracker.Status", "80", "wanted bytes"),
        ("Cluster.PeerAdd", "a0", "no peer ID"),
        ("PinTracker.StatusAll", "a161", "wanted a number"),
        ("PinTracker.Status", "c1", "0xc1"),
        ("PinTracker.Status", "da0400", "larger than 1024 bytes"),
        ("Consensus.LogPin", "db00200000", "larger than 1048576 bytes"),
    ] {
        let (found, kind) = error(name, argument).await;
        assert!(found.contains(text) && kind == 1, "{name} {argument}: {found}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_be_read_is_answered_twice_without_names() {
    let server = server(FakePeer::new());
    let recordings = recordings();
    let recorded = recordings.iter().find(|recording| recording.name == "call-go-bad-service-id-1").unwrap();
    let answers = async |garbage: &[u8]| exchange(&server, GO_PROTOCOL, garbage, false).await;
    let mut all = vec![recorded.reply.clone(), answers(&recorded.call).await];
    for garbage in ["83ffff", "c1", "07", "db00001000", "81a44e616d6507"] {
        all.push(answers(&bytes(garbage)).await);
    }
    for answer in all {
        let all = Plain::read_all(&answer);
        assert_eq!(all.len(), 4, "{all:?}");
        assert!(all[0].field("Error").unwrap().text().starts_with("error reading service ID: "), "{all:?}");
        assert_eq!(all[2].field("Error").unwrap().text(), "rpc: can't find service ");
        for header in [&all[0], &all[2]] {
            assert_eq!((header.field("Service"), header.field("ErrType")), (None, Some(&Plain::Number(1))));
        }
        assert_eq!((&all[1], &all[3]), (&Plain::Nil, &Plain::Nil));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_without_words_is_still_one() {
    let mut peer = FakePeer::new();
    peer.mood = Mood::Fails(CallError::Failed { message: String::new() });
    let server = server(peer);
    for (name, argument) in [("Cluster.ID", "80"), ("Cluster.Peers", "")] {
        assert_eq!(error_of(&ask(&server, name, argument).await), ("unknown error".to_owned(), 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_unary_caller_that_closes_or_goes_ends_the_method() {
    for goes in [false, true] {
        let mut peer = FakePeer::new();
        peer.mood = Mood::Hangs;
        let (started, abandoned) = (peer.started.clone(), peer.abandoned.clone());
        let server = server(peer);
        let (near, mut far) = duplex(1 << 16);
        let serve = tokio::spawn(async move { server.serve(peer_b(), GO_PROTOCOL, boxed(near)).await });
        far.write_all(&call("PinTracker.Status", "da0024<C1>")).await.unwrap();
        started.notified().await;
        // Silence and superfluous bytes end nothing.
        far.write_all(&[0xc0; 10]).await.unwrap();
        tokio::task::yield_now().await;
        assert!(abandoned.notified().now_or_never().is_none());
        if goes {
            drop(far);
        } else {
            far.shutdown().await.unwrap();
            let mut answer = Vec::new();
            far.read_to_end(&mut answer).await.unwrap();
            assert_eq!(error_of(&answer), ("context canceled".to_owned(), 0));
        }
        abandoned.notified().await;
        serve.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_does_not_wait_for_the_caller_to_close_and_the_stream_is_not_reset_then() {
    let server = server(FakePeer::new());
    let (near, mut far) = duplex(1 << 16);
    let mut serve = Box::pin(server.serve(peer_b(), GO_PROTOCOL, boxed(near)));
    far.write_all(&call("Cluster.ID", "80")).await.unwrap();
    assert!(poll!(&mut serve).is_pending());
    let mut answer = Vec::new();
    far.read_to_end(&mut answer).await.unwrap();
    assert_eq!(Plain::read_all(&answer).len(), 2);
    // Still there until the caller closes.
    assert!(poll!(&mut serve).is_pending());
    drop(far);
    serve.await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_does_not_say_what_it_wants_is_dropped() {
    let server = server(FakePeer::new());
    for start in [&b""[..], &call("PinTracker.Status", "da0024"), &call("PinTracker.StatusAll", "")[..20]] {
        let (near, mut far) = duplex(1 << 16);
        far.write_all(start).await.unwrap();
        server.serve(peer_b(), GO_PROTOCOL, boxed(near)).await;
        let mut answer = Vec::new();
        far.read_to_end(&mut answer).await.unwrap();
        assert!(answer.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_takes_nothing_loses_the_call() {
    let mut peer = FakePeer::new();
    peer.mood = Mood::Endless;
    peer.statuses = (0..1000).map(status).collect();
    let server = server(peer);
    let (near, mut far) = duplex(1 << 12);
    far.write_all(&call("PinTracker.StatusAll", "00")).await.unwrap();
    server.serve(peer_b(), GO_PROTOCOL, boxed(near)).await;
    // Nothing was kept for it but what the pipe holds.
    let mut rest = Vec::new();
    far.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() <= 1 << 12);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_ends_a_stream() {
    for mood in [Mood::Endless, Mood::Hangs] {
        let mut peer = FakePeer::new();
        peer.mood = mood;
        let server = server(peer);
        let (near, mut far) = duplex(1 << 12);
        far.write_all(&call("PinTracker.StatusAll", "00")).await.unwrap();
        let mut serve = Box::pin(server.serve(peer_b(), GO_PROTOCOL, resetting(near)));
        assert!(poll!(&mut serve).is_pending());
        drop(far);
        serve.await;
    }
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_bounds_are_dropped_and_counted() {
    let mut peer = FakePeer::new();
    peer.mood = Mood::Hangs;
    let server = server(peer);
    let mut running = Vec::new();
    for _ in 0..slots::CALLS_PER_PEER {
        let (near, mut far) = duplex(1 << 12);
        far.write_all(&call("Cluster.ID", "80")).await.unwrap();
        let mut serve = Box::pin(server.serve(peer_b(), GO_PROTOCOL, boxed(near)));
        assert!(poll!(&mut serve).is_pending());
        running.push((serve, far));
    }
    let (near, mut far) = duplex(1 << 12);
    server.serve(peer_b(), GO_PROTOCOL, boxed(near)).await;
    assert_eq!((server.dropped_calls(), far.read_u8().await.is_err()), (1, true));
    // Others are not concerned, and a place that is left is free.
    let (near, far) = duplex(1 << 12);
    assert!(poll!(Box::pin(server.serve(peer_a(), GO_PROTOCOL, boxed(near)))).is_pending());
    drop(far);
    running.pop();
    let (near, _far) = duplex(1 << 12);
    assert!(poll!(Box::pin(server.serve(peer_b(), GO_PROTOCOL, boxed(near)))).is_pending());
    assert_eq!(server.dropped_calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn damaged_calls_end_and_are_answered_in_msgpack() {
    let mut calls: Vec<Vec<u8>> = recordings().into_iter().map(|recording| recording.call).collect();
    calls.extend(Method::ALL.iter().map(|method| call(method.full_name(), "80")));
    let arguments: Vec<Vec<u8>> = calls
        .iter()
        .filter_map(|call| Plain::read_first(call).ok().map(|(_, length)| call[length..].to_vec()))
        .collect();
    let server = server(FakePeer::new());
    let mut good = 0;
    for seed in 0..5_000_u64 {
        let protocol = if seed % 2 == 0 { GO_PROTOCOL } else { OUR_PROTOCOL };
        let damaged = if seed % 3 == 0 {
            mutated(&calls, seed)
        } else {
            let method = Method::ALL[usize::try_from(seed).unwrap() % Method::ALL.len()];
            [call(method.full_name(), ""), mutated(&arguments, seed)].concat()
        };
        let answer = exchange(&server, protocol, &damaged, seed % 5 == 0).await;
        let all = Plain::read_all(&answer);
        assert_eq!(all.len() % 2, 0, "seed {seed}");
        good += usize::from(all.len() >= 2 && all[0].field("Error").is_none());
    }
    assert!(good > 300, "{good}");
    assert_eq!(server.dropped_calls(), 0);
}
