use super::network::{Network, Store, block, until};
use crate::{
    OpenError,
    bitswap::message::{Ask, Message, Want},
};
use cluster_core::ports::Blocks;
use futures_util::io::AsyncReadExt;
use std::{sync::atomic::Ordering::SeqCst, time::Duration};

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn every_kind_of_want_gets_its_answer() {
    let network = Network::new();
    let (small, large, missing) = (block(&[], 1, 1000), block(&[], 2, 1100), block(&[], 3, 10));
    let (me, _) = network.start(&Store::of(&[small.clone(), large.clone()]));
    let mut peer = network.play();
    network.connect(me, peer.me);
    let want = |cid, ask, dont_have| Want { cid, ask, priority: 1, dont_have };
    let mut ask = async |wants: &[Want]| {
        peer.say(me, &Message { wants: wants.to_vec(), ..Message::default() }).await;
        peer.hear().await.unwrap()
    };

    let answer = ask(&[want(small.0, Ask::Have, true), want(large.0, Ask::Have, true)]).await;
    assert_eq!((answer.blocks, answer.presences), (vec![small.clone()], vec![(large.0, true)]));
    let answer = ask(&[want(large.0, Ask::Block, false), want(small.0, Ask::Block, true)]).await;
    assert_eq!((answer.blocks, answer.presences), (vec![large, small.clone()], vec![]));
    // Nothing is said about what is missing unless asked.
    let answer = ask(&[want(missing.0, Ask::Block, false), want(small.0, Ask::Have, false)]).await;
    assert_eq!((answer.blocks, answer.presences), (vec![small], vec![]));
    let answer = ask(&[want(missing.0, Ask::Have, true)]).await;
    assert_eq!((answer.blocks, answer.presences), (vec![], vec![(missing.0, false)]));
}

#[tokio::test(start_paused = true)]
async fn peers_of_old_versions_get_blocks_only() {
    for protocol in 1..4 {
        let network = Network::new();
        let (large, missing) = (block(&[], 1, 5000), block(&[], 2, 10));
        let (me, _) = network.start(&Store::of(std::slice::from_ref(&large)));
        let mut old = network.play();
        network.speak(old.me, protocol);
        network.connect(me, old.me);
        old.say_wants(me, &[missing.0, large.0], Ask::Block).await;
        let answer = old.hear().await.unwrap();
        assert_eq!((answer.blocks, answer.presences), (vec![large], vec![]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_want_is_remembered_until_the_block_is_announced() {
    let network = Network::new();
    let (wanted, store) = (block(&[], 1, 100_000), Store::of(&[]));
    let (peer, server) = network.start(&store);
    let (me, bitswap) = network.start(&Store::of(&[]));
    network.connect(me, peer);
    let began = tokio::time::Instant::now();
    let arrive = async {
        until(|| server.counters().answer_messages_sent == 2).await;
        store.put(&wanted);
        server.announce(wanted.0);
    };
    // Asked for the block, and in the next round whether it is there: both are answered with its lack.
    let (fetched, ()) = tokio::join!(bitswap.fetch(wanted.0, Some(peer), LIMIT), arrive);
    assert_eq!(fetched.unwrap(), wanted.1);
    assert!(began.elapsed() < Duration::from_secs(15), "it came by asking again");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_want_is_forgotten() {
    let network = Network::new();
    let (dropped, kept, store) = (block(&[], 1, 10), block(&[], 2, 10), Store::of(&[]));
    let (me, server) = network.start(&store);
    let mut peer = network.play();
    network.connect(me, peer.me);
    peer.say_wants(me, &[dropped.0, kept.0], Ask::Block).await;
    assert_eq!(peer.hear().await.unwrap().presences.len(), 2);
    peer.say_wants(me, &[dropped.0], Ask::Cancel).await;
    // Read after the cancel, since it is on the same node but another stream: its answer is the proof.
    until(|| server.is_forgotten(&peer.me, &dropped.0)).await;
    for block in [&dropped, &kept] {
        store.put(block);
        server.announce(block.0);
    }
    assert_eq!(peer.hear().await.unwrap().blocks, [kept]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_written_again_when_its_stream_was_closed() {
    let network = Network::new();
    let blocks = [block(&[], 1, 10), block(&[], 2, 10)];
    let (me, _) = network.start(&Store::of(&blocks));
    let mut peer = network.play();
    network.connect(me, peer.me);
    for block in blocks {
        peer.say_wants(me, &[block.0], Ask::Block).await;
        assert_eq!(peer.hear().await.unwrap().blocks, [block]);
        peer.hang_up();
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_stream_breaks_on_the_way_is_written_again() {
    let network = Network::new();
    let large = block(&[], 1, 400_000);
    let (me, _) = network.start(&Store::of(std::slice::from_ref(&large)));
    let mut peer = network.play();
    network.connect(me, peer.me);
    peer.say_wants(me, &[large.0], Ask::Block).await;
    // More than the stream holds: it is being written when the stream goes.
    let mut stream = peer.accept().await;
    stream.read_exact(&mut [0]).await.unwrap();
    drop(stream);
    assert_eq!(peer.hear().await.unwrap().blocks, [large]);
}

#[tokio::test(start_paused = true)]
async fn answers_wait_for_a_stream_but_not_forever() {
    let network = Network::new();
    let wanted = block(&[], 1, 10);
    let (me, server) = network.start(&Store::of(std::slice::from_ref(&wanted)));
    let mut peer = network.play();
    network.connect(me, peer.me);
    network.refuse(peer.me, Some(OpenError::Refused("full".into())));
    peer.say_wants(me, &[wanted.0], Ask::Block).await;
    tokio::time::sleep(Duration::from_millis(250)).await;
    network.refuse(peer.me, None);
    assert_eq!(peer.hear().await.unwrap().blocks, std::slice::from_ref(&wanted));

    peer.hang_up();
    network.refuse(peer.me, Some(OpenError::Unsupported("bitswap")));
    peer.say_wants(me, &[wanted.0], Ask::Block).await;
    until(|| server.counters().wants_dropped == 1).await;
}

#[tokio::test(start_paused = true)]
async fn large_answers_are_cut_into_messages() {
    let network = Network::new();
    let mut blocks: Vec<_> = (0..9).map(|salt| block(&[], salt, 100_000)).collect();
    blocks.push(block(&[], 9, 3_900_000));
    let too_large = block(&[], 10, 4 * 1024 * 1024);
    let store = Store::of(&blocks);
    store.put(&too_large);
    let (me, _) = network.start(&store);
    let mut peer = network.play();
    network.connect(me, peer.me);
    let mut cids: Vec<_> = blocks.iter().map(|(cid, _)| *cid).collect();
    cids.push(too_large.0);
    peer.say_wants(me, &cids, Ask::Block).await;
    let (mut got, mut most, mut lacks) = (Vec::new(), 0, 0);
    while got.len() < blocks.len() || lacks == 0 {
        let message = peer.hear().await.unwrap();
        most = most.max(message.blocks.len());
        lacks += message.presences.iter().filter(|presence| **presence == (too_large.0, false)).count();
        got.extend(message.blocks);
    }
    assert_eq!(got, blocks);
    assert_eq!(most, 5);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_wants_from_a_peer_that_reads_nothing_stays_bounded() {
    let network = Network::new();
    let store = Store::bottomless(100_000);
    let (me, server) = network.start(&store);
    let mut peer = network.play();
    network.connect(me, peer.me);
    let cids: Vec<_> = (0..20_000).map(|salt| block(&[], salt, 8).0).collect();
    let total = cids.len() as u64;
    for some in cids.chunks(4000) {
        peer.say_wants(me, some, Ask::Block).await;
    }
    let unread = peer.accept().await;
    // Overflow first; then, when the peer has read nothing for long, the rest.
    until(|| server.counters().wants_dropped > total / 2).await;
    assert!(store.reads.load(SeqCst) <= 8, "{} blocks were read ahead", store.reads.load(SeqCst));
    let read = |reads| total - server.counters().wants_dropped <= reads;
    until(|| read(store.reads.load(SeqCst) as u64)).await;
    assert!(store.reads.load(SeqCst) <= 8);

    // A peer that comes to its senses is served.
    drop(unread);
    while tokio::time::timeout(Duration::from_secs(1), peer.accept()).await.is_ok() {}
    peer.say_wants(me, &[cids[0]], Ask::Have).await;
    assert_eq!(peer.hear().await.unwrap().presences, [(cids[0], true)]);
}

#[tokio::test(start_paused = true)]
async fn blocks_read_only_to_say_that_they_are_there_are_bounded_too() {
    let network = Network::new();
    let store = Store::bottomless(1_000_000);
    let (me, _) = network.start(&store);
    let mut peer = network.play();
    network.connect(me, peer.me);
    let cids: Vec<_> = (0..12).map(|salt| block(&[], salt, 8).0).collect();
    peer.say_wants(me, &cids, Ask::Have).await;
    let mut got = Vec::new();
    while got.len() < cids.len() {
        let presences = peer.hear().await.unwrap().presences;
        assert!(presences.len() <= 5);
        got.extend(presences);
    }
    assert_eq!(got, cids.iter().map(|cid| (*cid, true)).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_read_that_outlives_its_session_leaves_the_wants_of_the_next_alone() {
    let network = Network::new();
    let (wanted, store) = (block(&[], 1, 10), Store::of(&[]));
    let (me, server) = network.start(&store);
    let mut peer = network.play();
    network.connect(me, peer.me);
    let release = store.hold(&wanted.1);
    peer.say_wants(me, &[wanted.0], Ask::Block).await;
    until_now(|| store.reads.load(SeqCst) == 1).await;

    network.disconnect(me, peer.me);
    network.connect(me, peer.me);
    // The stream of the first session ends unused.
    assert_eq!(peer.hear().await, None);
    peer.say_wants(me, &[wanted.0], Ask::Block).await;
    assert_eq!(peer.hear().await.unwrap().presences, [(wanted.0, false)]);
    drop(release);
    // The clock stands still as long as a thread reads.
    tokio::time::sleep(Duration::from_millis(1)).await;
    store.put(&wanted);
    server.announce(wanted.0);
    assert_eq!(peer.hear().await.unwrap().blocks, [wanted]);
}

/// Waits until something is so while the clock cannot move.
async fn until_now(what: impl Fn() -> bool) {
    while !what() {
        tokio::task::yield_now().await;
    }
}
