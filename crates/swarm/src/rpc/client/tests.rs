use super::{answers::Answers, *};
use crate::rpc::{
    call_stream::{CallStream, ReadError},
    encoder::Encoder,
    fake_peer::{FakePeer, Mood, info, status},
    fixtures::{CID_1, Recording, bytes, cid_1, encoded, peer_a, peer_b, recordings},
    method::{Method, MethodKind},
    mutation::{mutated, pieces},
    oracle::Plain,
    pipe_opener::{Opened, PipeOpener, boxed},
    protocols::{GO_PROTOCOL, OUR_PROTOCOL},
    response::write_success,
    server::RpcServer,
    wire::Wire,
};
use cluster_core::{
    Pin, PinKey, StatusFilter, TrackerStatus,
    ports::{
        cluster_api::{LocalPinStatus, PeerInfo, RepoGc},
        ipfs_connector::{ContentBlock, RepoStat},
        rpc::CallError,
    },
};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use opentelemetry::Context;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    sync::mpsc::UnboundedReceiver,
};

/// Different calls that this client made to a live Go peer.
const LIVE_CALLS: usize = 14;

/// Makes the calls to `peer`, and the ends of the pipes they open.
fn calls_to(peer: PeerId) -> (Arc<dyn PeerCalls>, UnboundedReceiver<Opened>) {
    let (opener, ends) = PipeOpener::new(1 << 20);
    (RpcClient::new(opener, peer_b()).peer(peer), ends)
}

/// Takes one call as a peer does that answers with the given bytes and closes; returns what was asked.
async fn answer_with(ends: &mut UnboundedReceiver<Opened>, method: &str, reply: &[u8]) -> Vec<u8> {
    let mut far = ends.recv().await.unwrap().far;
    let streaming = Method::ALL.iter().any(|m| m.full_name() == method && m.kind() == MethodKind::Streaming);
    let mut asked = Vec::new();
    if streaming {
        // The end of the arguments is part of the call.
        far.read_to_end(&mut asked).await.unwrap();
    } else {
        while Plain::read_first(&asked).is_err()
            || Plain::read_first(&asked[Plain::read_first(&asked).unwrap().1..]).is_err()
        {
            assert!(far.read_buf(&mut asked).await.unwrap() > 0, "closed before the answer");
        }
        assert!(far.read_u8().now_or_never().is_none(), "closed before the answer");
    }
    let _ = far.write_all(reply).await;
    let _ = far.shutdown().await;
    // The answer read, the other side closes too.
    let mut rest = Vec::new();
    let _ = far.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
    asked
}

fn reply(method: Method, values: &[Vec<u8>]) -> Vec<u8> {
    let mut to = Encoder::default();
    for value in values {
        write_success(&mut to, &method.service_id());
        to.encoded(value);
    }
    to.into_bytes()
}

/// What a call came to, written again.
async fn called(calls: &dyn PeerCalls, recording: &Recording) -> Result<Vec<Vec<u8>>, CallError> {
    let argument = {
        let (_, length) = Plain::read_first(&recording.call).unwrap();
        Plain::read_all(&recording.call[length..])
    };
    let key = || match &argument[..] {
        [Plain::Raw(bytes)] => PinKey::from_bytes(bytes).unwrap(),
        other => panic!("{other:?}"),
    };
    let one = |value: Result<Vec<u8>, CallError>| value.map(|value| vec![value]);
    let all = |pages: Result<Vec<Vec<LocalPinStatus>>, CallError>| {
        pages.map(|pages| pages.iter().flatten().map(encoded).collect())
    };
    match recording.method.as_str() {
        "Cluster.IDStream" => one(calls.id().await.map(|info| encoded(&info))),
        "Cluster.PeerAdd" => {
            let joiner = match &argument[..] {
                [Plain::Raw(bytes)] => PeerId::from_bytes(bytes).unwrap(),
                other => panic!("{other:?}"),
            };
            one(calls.add_peer(joiner).await.map(|info| encoded(&info)))
        }
        "Cluster.Peers" => {
            let peers: Result<Vec<PeerInfo>, CallError> = calls.peers().try_collect().await;
            peers.map(|peers| peers.iter().map(encoded).collect())
        }
        "Cluster.RecoverAllLocal" => all(calls.recover_all().try_collect().await),
        "Cluster.RepoGCLocal" => one(calls.collect_garbage().await.map(|garbage| encoded(&garbage))),
        "PinTracker.StatusAll" => {
            let bits = match &argument[..] {
                [Plain::Number(bits)] => *bits,
                other => panic!("{other:?}"),
            };
            let wanted = TrackerStatus::ALL.into_iter().filter(|s| bits & i128::from(s.bit()) != 0);
            all(calls.status_all(StatusFilter::of(&wanted.collect::<Vec<_>>())).try_collect().await)
        }
        "PinTracker.Status" => one(calls.status(key()).await.map(|status| encoded(&status))),
        "PinTracker.Recover" => one(calls.recover(key()).await.map(|status| encoded(&status))),
        "IPFSConnector.RepoStat" => one(calls.repo_stat().await.map(|stat| encoded(&stat))),
        "IPFSConnector.SwarmPeers" => one(calls.ipfs_swarm_peers().await.map(|peers| encoded(&peers))),
        "Consensus.LogPin" | "Consensus.LogUnpin" => {
            let (_, length) = Plain::read_first(&recording.call).unwrap();
            let pin = Pin::read(&mut crate::rpc::decoder::Decoder::new(&recording.call[length..])).unwrap();
            let wanted = (recording.method == "Consensus.LogPin").then(|| Box::new(pin.clone()));
            one(calls.log(pin.key(), wanted).await.map(|()| encoded(&())))
        }
        other => panic!("{other}"),
    }
}

/// Calls that the client never makes, and one whose argument it cannot make.
fn is_foreign(recording: &Recording) -> bool {
    const FOREIGN: [&str; 9] = [
        "Cluster.ID",
        "Cluster.Version",
        "Cluster.Pins",
        "Cluster.Nope",
        "Nope.X",
        "Consensus.Peers",
        "IPFSConnector.BlockStream",
        "IPFSConnector.BlockGet",
        "PeerMonitor.LatestMetrics",
    ];
    FOREIGN.contains(&recording.method.as_str()) || recording.name == "call-go-PinTracker.Status-17"
}

fn calls_of_go() -> impl Iterator<Item = Recording> {
    recordings().into_iter().filter(|r| r.name.starts_with("call-go-") && !r.method.is_empty())
}

#[tokio::test(start_paused = true)]
async fn calls_are_what_go_understood_and_its_answers_are_read() {
    let mut seen = 0;
    for recording in calls_of_go().filter(|recording| !is_foreign(recording)) {
        let name = &recording.name;
        let (calls, mut ends) = calls_to(recording.called);
        let far = answer_with(&mut ends, &recording.method, &recording.reply);
        let (outcome, asked) = tokio::join!(called(&*calls, &recording), far);
        seen += 1;
        // To remove a pin its CID is enough; the recorded call has its options, too.
        if recording.method == "Consensus.LogUnpin" {
            let argument = |call: &[u8]| Plain::read_all(call)[1].field("c").cloned();
            assert_eq!(argument(&asked), argument(&recording.call));
        } else {
            assert_eq!(Plain::read_all(&asked), Plain::read_all(&recording.call), "{name}");
        }
        // What this crate wrote then, it still writes to the byte.
        assert!(!name.contains("-live") || asked == recording.call, "{name}");
        let replies = Plain::read_all(&recording.reply);
        match outcome {
            Ok(values) => {
                let values: Vec<Plain> = values.iter().map(|v| Plain::read_all(v).remove(0)).collect();
                let expected: Vec<Plain> = replies.chunks(2).map(|pair| pair[1].clone()).collect();
                assert_eq!(values, expected, "{name}");
            }
            Err(CallError::Refused { method }) => {
                assert_eq!(method, recording.method);
                assert_eq!(replies[0].field("ErrType"), Some(&Plain::Number(3)), "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(seen, 17 + LIVE_CALLS);
}

#[tokio::test(start_paused = true)]
async fn a_header_without_a_value_is_a_bad_answer() {
    let broken = ["Cluster.IDStream-33", "PinTracker.Status-36", "PinTracker.StatusAll-39"];
    let recordings = recordings();
    for name in broken {
        let recording = recordings.iter().find(|r| r.name.ends_with(name)).unwrap();
        let (calls, mut ends) = calls_to(recording.called);
        let far = answer_with(&mut ends, &recording.method, &recording.reply);
        let (outcome, _) = tokio::join!(called(&*calls, recording), far);
        let cause = ReadError::EndsEarly.to_string();
        let method = recording.method.as_str();
        assert!(
            matches!(&outcome, Err(CallError::BadAnswer { method: m, cause: c }) if *m == method && *c == cause),
            "{name}: {outcome:?}"
        );
    }
}

/// Reads an answer that is there at once.
async fn answer<T: Wire>(reply: &[u8]) -> Result<Option<T>, CallError> {
    let (near, mut far) = duplex(1 << 16);
    far.write_all(reply).await.unwrap();
    drop(far);
    Answers::new(CallStream::new(boxed(near)), Method::ClusterId, Context::new()).next().await
}

#[tokio::test(start_paused = true)]
async fn other_answers_of_go_are_read_too() {
    for recording in calls_of_go().filter(is_foreign) {
        let name = &recording.name;
        match recording.method.as_str() {
            "Cluster.ID" => {
                let info: PeerInfo = answer(&recording.reply).await.unwrap().unwrap();
                let item = &recording.decoded["reply_items"][0]["body"];
                assert_eq!(info.peername, item["pn"].as_str().unwrap());
                assert_eq!(format!("peer:{}", info.ipfs.unwrap().id), item["ip"]["i"].as_str().unwrap());
                assert_eq!(info.cluster_peers.len(), item["cp"].as_array().unwrap().len());
                assert_eq!(info.addresses[0].to_string(), item["a"][0].as_str().unwrap());
            }
            "Cluster.Version" => assert_eq!(answer(&recording.reply).await, Ok(Some(()))),
            _ if recording.reply.is_empty() => assert_eq!(answer::<()>(&recording.reply).await, Ok(None)),
            _ => {
                let header = &recording.decoded["reply_items"][0]["header"];
                let expected = if header["ErrType"] == 3 {
                    CallError::Refused { method: "Cluster.ID" }
                } else {
                    CallError::Failed { message: header["Error"].as_str().unwrap().to_owned() }
                };
                assert_eq!(answer::<()>(&recording.reply).await, Err(expected), "{name}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn statuses_of_go_are_read_as_they_were_recorded() {
    let recording = calls_of_go().find(|r| r.name == "call-go-PinTracker.StatusAll-4").unwrap();
    let (calls, mut ends) = calls_to(recording.called);
    let pages = calls.status_all(StatusFilter::ALL).try_collect::<Vec<_>>();
    let (pages, _) = tokio::join!(pages, answer_with(&mut ends, &recording.method, &recording.reply));
    let statuses: Vec<LocalPinStatus> = pages.unwrap().into_iter().flatten().collect();
    let items = recording.decoded["reply_items"].as_array().unwrap();
    assert_eq!(statuses.len(), items.len());
    for (status, item) in statuses.iter().zip(items) {
        let item = &item["body"];
        let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(format!("cid:{}", status.pin.cid), text("c"));
        assert_eq!(status.pin.options.name, text("m"));
        assert_eq!(format!("peer:{}", status.on_peer.peer), text("p"));
        assert_eq!(status.on_peer.peername, text("pn"));
        assert_eq!(format!("peer:{}", status.on_peer.ipfs_peer_id.unwrap()), text("i"));
        assert_eq!(i64::from(status.on_peer.status.bit()), item["st"].as_i64().unwrap());
        assert_eq!(format!("time:{}", status.created.seconds().0), text("t"));
        assert_eq!(format!("time:{}", status.on_peer.timestamp.seconds().0), text("ts"));
        let allocations = item["o"].as_array().map_or(0, Vec::len);
        assert_eq!(status.pin.allocations.len(), allocations);
        assert_eq!(status.pin.options.metadata.len(), item["md"].as_object().map_or(0, |map| map.len()));
    }
}

#[tokio::test(start_paused = true)]
async fn protocols_are_offered_by_what_the_call_gains() {
    let (calls, mut ends) = calls_to(peer_a());
    let offered = async |call: &mut (dyn Future<Output = ()> + Unpin + Send),
                         ends: &mut UnboundedReceiver<Opened>| {
        assert!(futures_util::poll!(call).is_pending());
        let opened = ends.recv().await.unwrap();
        assert_eq!(opened.peer, peer_a());
        opened.offered
    };
    let both = [OUR_PROTOCOL, GO_PROTOCOL];
    let mut id = calls.id().map(|_| ()).boxed();
    assert_eq!(offered(&mut id, &mut ends).await, [GO_PROTOCOL]);
    let mut heads = calls.exchange_heads(PeerId::random(), vec![]).map(|_| ()).boxed();
    assert_eq!(offered(&mut heads, &mut ends).await, [OUR_PROTOCOL]);
    let mut status = calls.status_all(StatusFilter::ALL).into_future().map(|_| ()).boxed();
    assert_eq!(offered(&mut status, &mut ends).await, both);
    let mut recover = calls.recover_all().into_future().map(|_| ()).boxed();
    assert_eq!(offered(&mut recover, &mut ends).await, both);
}

#[tokio::test(start_paused = true)]
async fn answers_that_cannot_be_used_are_named() {
    let good = encoded(&info());
    let header = &reply(Method::ClusterIdStream, &[vec![]]);
    let with = |value: &[u8]| [header, value].concat();
    let another = encoded(&PeerInfo { id: peer_b(), ..info() });
    for (reply, cause) in [
        (vec![], "EOF"),
        (header.clone(), "EOF within a value"),
        (with(&good[..good.len() - 1]), "EOF within a value"),
        (with(&bytes("c1")), "0xc1"),
        (with(&bytes("dbffffffff")), "larger than 8388608 bytes"),
        (with(&bytes("ddffffffff")), "more than 1048576 elements"),
        (with(&bytes("a0")), "wanted a map"),
        (with(&bytes("c0")), "no peer ID"),
        (bytes("07"), "wanted a map"),
        (bytes("db00010001"), "larger than 65536 bytes"),
        (b"HTTP/1.1 400 Bad Request".to_vec(), "wanted a map"),
        (with(&another), "about another peer"),
    ] {
        let (calls, mut ends) = calls_to(peer_a());
        let (outcome, _) = tokio::join!(calls.id(), answer_with(&mut ends, "Cluster.IDStream", &reply));
        match outcome {
            Err(CallError::BadAnswer { method: "Cluster.IDStream", cause: found })
                if found.contains(cause) => {}
            other => panic!("{cause}: {other:?}"),
        }
    }
    let (calls, mut ends) = calls_to(peer_a());
    let reply_of_good = with(&good);
    let (outcome, _) = tokio::join!(calls.id(), answer_with(&mut ends, "Cluster.IDStream", &reply_of_good));
    assert_eq!(outcome.unwrap().id, peer_a());
    // A status must be that of the peer that was asked.
    let lie = reply(Method::TrackerStatusAll, &[encoded(&status(1))]);
    let (calls, mut ends) = calls_to(another_peer());
    let pages = calls.status_all(StatusFilter::ALL).try_collect::<Vec<_>>();
    let (outcome, _) = tokio::join!(pages, answer_with(&mut ends, "PinTracker.StatusAll", &lie));
    assert!(matches!(outcome, Err(CallError::BadAnswer { .. })));
}

fn another_peer() -> PeerId {
    "12D3KooWEzimCSQfZVrDWeSuz9ybdt3L8G4ioYfsXeRRhN3cwsQW".parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_falls_silent_is_not_waited_for() {
    let (calls, mut ends) = calls_to(peer_a());
    let answer = Duration::from_secs(15);
    let expected = CallError::Timeout { method: "PinTracker.Status", after: answer };
    assert_eq!(calls.status(PinKey::from_cid(&cid_1())).await, Err(expected));
    // The stream is gone: the other side learns that nobody waits.
    let mut call = Vec::new();
    ends.recv().await.unwrap().far.read_to_end(&mut call).await.unwrap();
    assert_eq!(Plain::read_all(&call).len(), 2);

    // A stream fails when it brings nothing for a while, not when it is long.
    let mut pages = calls.status_all(StatusFilter::ALL);
    let (page, far) = tokio::join!(pages.next(), async {
        let mut far = ends.recv().await.unwrap().far;
        far.write_all(&reply(Method::TrackerStatusAll, &[encoded(&status(1))])).await.unwrap();
        far
    });
    assert_eq!(page.unwrap().unwrap(), [status(1)]);
    let after = Duration::from_secs(30);
    assert_eq!(pages.next().await, Some(Err(CallError::Timeout { method: "PinTracker.StatusAll", after })));
    assert_eq!(pages.next().await, None);
    drop(far);
    let garbage = calls.collect_garbage().await;
    assert!(matches!(garbage, Err(CallError::Timeout { after, .. }) if after == Duration::from_secs(86400)));
}

#[tokio::test(start_paused = true)]
async fn who_is_not_there_is_unreachable() {
    let (calls, ends) = calls_to(peer_a());
    drop(ends);
    match calls.repo_stat().await {
        Err(CallError::Unreachable { cause }) => assert_eq!(cause, "cannot connect: no route"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(calls.peers().next().await, Some(Err(CallError::Unreachable { .. }))));
    let (own, mut ends) = calls_to(peer_b());
    assert!(matches!(own.repo_stat().await, Err(CallError::Unreachable { .. })));
    assert!(ends.recv().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_ends_at_the_other_side() {
    let (calls, mut ends) = calls_to(peer_a());
    let mut call = calls.repo_stat();
    assert!(futures_util::poll!(&mut call).is_pending());
    let mut far = ends.recv().await.unwrap().far;
    drop(call);
    let mut asked = Vec::new();
    far.read_to_end(&mut asked).await.unwrap();
    assert_eq!(Plain::read_all(&asked).len(), 2);
    assert!(far.write_all(b"late").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn pages_hold_what_has_arrived() {
    let (calls, mut ends) = calls_to(peer_a());
    let mut pages = calls.status_all(StatusFilter::ALL);
    let items = |range: std::ops::Range<u32>| {
        reply(Method::TrackerStatusAll, &range.map(|n| encoded(&status(n))).collect::<Vec<_>>())
    };
    let (first, mut far) = tokio::join!(pages.next(), async {
        let mut far = ends.recv().await.unwrap().far;
        let mut start = items(0..3);
        // The header of an item alone is not an item, and is not lost either.
        start.extend_from_slice(&reply(Method::TrackerStatusAll, &[vec![]]));
        far.write_all(&start).await.unwrap();
        far
    });
    assert_eq!(first.unwrap().unwrap().len(), 3);
    let (second, ()) = tokio::join!(pages.next(), async {
        far.write_all(&encoded(&status(3))).await.unwrap();
    });
    assert_eq!(second.unwrap().unwrap(), [status(3)]);
    // A page is bounded; what follows it is in the next ones, and an error comes after all that was good.
    far.write_all(&items(4..2000)).await.unwrap();
    let mut error = Encoder::default();
    crate::rpc::response::write_failure(&mut error, None, "boom", crate::rpc::response::ErrorType::Method);
    far.write_all(error.bytes()).await.unwrap();
    let rest: Vec<_> = pages.collect().await;
    let sizes: Vec<usize> = rest.iter().map(|page| page.as_ref().map_or(0, Vec::len)).collect();
    assert!(sizes.iter().all(|size| *size <= 1024), "{sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), 1996);
    assert_eq!(rest.last(), Some(&Err(CallError::Failed { message: "boom".to_owned() })));
}

/// Lets a server answer every call that the client makes.
fn connected(peer: FakePeer, trusted: bool) -> Arc<dyn PeerCalls> {
    let (calls, mut ends) = calls_to(peer_a());
    let server = Arc::new(RpcServer::new(Arc::new(peer), Arc::new(move |_| trusted), false));
    tokio::spawn(async move {
        while let Some(Opened { offered, far, .. }) = ends.recv().await {
            let server = Arc::clone(&server);
            let stream = boxed(far);
            tokio::spawn(async move { server.serve(peer_b(), offered[0].clone(), stream).await });
        }
    });
    calls
}

#[tokio::test(start_paused = true)]
async fn client_and_server_understand_each_other() {
    let mut peer = FakePeer::new();
    peer.statuses = (0..5000).map(status).collect();
    let (statuses, garbage) = (peer.statuses.clone(), peer.garbage.clone());
    let blocks = [1, 2, 3].map(|byte| ContentBlock { cid: cid_1(), data: vec![byte; 1 << 20] });
    let calls = connected(peer, true);
    let key = PinKey::from_cid(&CID_1.parse().unwrap());
    assert_eq!(calls.id().await.unwrap().peername, "peer-a");
    assert_eq!(calls.add_peer(peer_b()).await.unwrap().id, peer_a());
    assert_eq!(calls.add_member(peer_b()).await, Ok(()));
    assert_eq!(calls.remove_member(peer_b()).await, Ok(()));
    assert_eq!(calls.peers().try_collect::<Vec<_>>().await.unwrap().len(), 2);
    assert_eq!(calls.status(key.clone()).await, Ok(status(0)));
    assert_eq!(calls.recover(key.clone()).await, Ok(status(0)));
    for pages in [calls.status_all(StatusFilter::ALL), calls.recover_all()] {
        let pages: Vec<Vec<LocalPinStatus>> = pages.try_collect().await.unwrap();
        assert_eq!(pages.concat(), statuses);
    }
    assert_eq!(calls.log(key.clone(), Some(Box::new(Pin::new(cid_1())))).await, Ok(()));
    assert_eq!(calls.log(key.clone(), None).await, Ok(()));
    assert_eq!(calls.ipfs_swarm_peers().await, Ok(vec![peer_a(), peer_b()]));
    assert_eq!(calls.repo_stat().await, Ok(RepoStat { repo_size: 1000, storage_max: 10_000_000_000 }));
    assert_eq!(calls.put_blocks(stream::iter(blocks.clone()).boxed()).await, Ok(()));
    assert_eq!(calls.collect_garbage().await, Ok::<RepoGc, _>(garbage));
    assert_eq!(
        calls.exchange_heads(PeerId::random(), (0..=255).collect()).await,
        Ok((0..=255).rev().collect())
    );

    let strangers = connected(FakePeer::new(), false);
    assert!(strangers.id().await.is_ok());
    assert_eq!(strangers.status(key).await, Err(CallError::Refused { method: "PinTracker.Status" }));
    let refused = strangers.status_all(StatusFilter::ALL).next().await.unwrap();
    assert_eq!(refused, Err(CallError::Refused { method: "PinTracker.StatusAll" }));
    let refused = strangers.put_blocks(stream::iter(blocks).boxed()).await;
    assert_eq!(refused, Err(CallError::Refused { method: "IPFSConnector.BlockStream" }));
}

#[tokio::test(start_paused = true)]
async fn a_failure_keeps_its_words() {
    let mut peer = FakePeer::new();
    peer.mood = Mood::Fails(CallError::Failed { message: "IPFS is down".to_owned() });
    let calls = connected(peer, true);
    let failed = CallError::Failed { message: "IPFS is down".to_owned() };
    assert_eq!(calls.repo_stat().await, Err(failed.clone()));
    assert_eq!(calls.recover_all().next().await, Some(Err(failed.clone())));
    let blocks = vec![ContentBlock { cid: cid_1(), data: vec![7; 1 << 20] }; 8];
    assert_eq!(calls.put_blocks(stream::iter(blocks).boxed()).await, Err(failed));
    let mut peer = FakePeer::new();
    peer.mood = Mood::Fails(CallError::Failed { message: "é".repeat(1 << 16) });
    match connected(peer, true).repo_stat().await {
        Err(CallError::Failed { message }) => assert_eq!(message, "é".repeat(1 << 13)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn damaged_answers_end_every_call() {
    // What another peer says of itself is refused however well it reads.
    let of_one = recordings().into_iter().filter(|recording| recording.called == another_peer());
    let corpus: Vec<Vec<u8>> = of_one.map(|recording| recording.reply).collect();
    let mut items = 0;
    for seed in 0..3_000 {
        let reply = mutated(&corpus, seed);
        let go1 = another_peer();
        let (calls, mut ends) = calls_to(go1);
        let far = async {
            let mut far = ends.recv().await.unwrap().far;
            for piece in pieces(&reply, seed) {
                if far.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        let key = PinKey::from_cid(&cid_1());
        let call = async {
            match seed % 4 {
                0 => usize::from(calls.id().await.is_ok()),
                1 => usize::from(calls.status(key).await.is_ok()),
                2 => calls.peers().filter(|peer| std::future::ready(peer.is_ok())).count().await,
                _ => {
                    calls
                        .status_all(StatusFilter::ALL)
                        .map(|page| page.map_or(0, |p| p.len()))
                        .fold(0, async |a, b| a + b)
                        .await
                }
            }
        };
        let (found, ()) = tokio::join!(call, far);
        items += found;
    }
    assert!(items > 100, "{items}");
}
