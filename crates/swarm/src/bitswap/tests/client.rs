use super::network::{Network, Store, block};
use crate::{
    OpenError,
    bitswap::{
        fetches::MAX_FETCHES,
        message::{Ask, Message},
    },
};
use cluster_core::{
    PeerId,
    ports::{
        Blocks,
        swarm::{FetchError, PeerEvent},
    },
};
use futures_util::future::join_all;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_block_comes_from_the_first() {
    let network = Network::new();
    let blocks = [block(&[], 1, 10), block(&[], 2, 100_000)];
    let (one, _) = network.start(&Store::of(&blocks));
    let (other, bystander) = network.start(&Store::of(&blocks));
    let (me, bitswap) = network.start(&Store::of(&[]));
    network.connect(me, one);
    network.connect(me, other);
    for (cid, data) in &blocks {
        assert_eq!(bitswap.fetch(*cid, Some(one), LIMIT).await.unwrap(), *data);
    }
    assert_eq!(bystander.counters().blocks_sent, 0);
    assert_eq!(bitswap.counters().want_messages_sent, 2);
    // One stream each way for everything.
    assert_eq!((network.opened(one), network.opened(me)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_block_comes_from_the_second_when_the_first_lacks_it() {
    for size in [10, 100_000] {
        let network = Network::new();
        let wanted = block(&[], 1, size);
        let (one, _) = network.start(&Store::of(&[]));
        let (other, _) = network.start(&Store::of(std::slice::from_ref(&wanted)));
        let (me, bitswap) = network.start(&Store::of(&[]));
        network.connect(me, one);
        network.connect(me, other);
        let began = tokio::time::Instant::now();
        assert_eq!(bitswap.fetch(wanted.0, Some(one), LIMIT).await.unwrap(), wanted.1);
        assert!(began.elapsed() < Duration::from_millis(500), "DONT_HAVE was not listened to");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_first_is_not_waited_for_long() {
    let network = Network::new();
    let wanted = block(&[], 1, 100_000);
    let mut silent = network.play();
    let (other, _) = network.start(&Store::of(std::slice::from_ref(&wanted)));
    let (me, bitswap) = network.start(&Store::of(&[]));
    network.connect(me, silent.me);
    network.connect(me, other);
    // By now the timer sleeps and has to be woken.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let fetched = bitswap.fetch(wanted.0, Some(silent.me), LIMIT).await.unwrap();
    assert_eq!(fetched, wanted.1);
    let want = silent.hear_want().await;
    assert_eq!((want.ask, want.priority, want.dont_have), (Ask::Block, i32::MAX, true));
    assert_eq!(silent.hear_want().await.ask, Ask::Cancel);
}

#[tokio::test(start_paused = true)]
async fn a_slow_first_is_still_listened_to() {
    let network = Network::new();
    let wanted = block(&[], 1, 10);
    let mut slow = network.play();
    let (other, _) = network.start(&Store::of(&[]));
    let (me, bitswap) = network.start(&Store::of(&[]));
    network.connect(me, slow.me);
    network.connect(me, other);
    let fetch = bitswap.fetch(wanted.0, Some(slow.me), LIMIT);
    let plays = async {
        slow.hear_want().await;
        tokio::time::sleep(Duration::from_secs(8)).await;
        slow.say_blocks(me, std::slice::from_ref(&wanted)).await;
    };
    let (fetched, ()) = tokio::join!(fetch, plays);
    assert_eq!(fetched.unwrap(), wanted.1);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_vanishes_is_replaced() {
    let network = Network::new();
    let wanted = block(&[], 1, 100_000);
    let mut vanishing = network.play();
    let mut patient = network.play();
    let (me, bitswap) = network.start(&Store::of(&[]));
    network.connect(me, vanishing.me);
    network.connect(me, patient.me);
    let plays = async {
        assert_eq!(vanishing.hear_want().await.ask, Ask::Have);
        assert_eq!(patient.hear_want().await.ask, Ask::Have);
        vanishing.say_presence(me, wanted.0, true).await;
        assert_eq!(vanishing.hear_want().await.ask, Ask::Block);
        patient.say_presence(me, wanted.0, true).await;
        network.disconnect(me, vanishing.me);
        assert_eq!(patient.hear_want().await.ask, Ask::Block);
        patient.say_blocks(me, std::slice::from_ref(&wanted)).await;
    };
    let (fetched, ()) = tokio::join!(bitswap.fetch(wanted.0, None, LIMIT), plays);
    assert_eq!(fetched.unwrap(), wanted.1);
}

#[tokio::test(start_paused = true)]
async fn wrong_bytes_do_not_count() {
    let network = Network::new();
    let (wanted, wrong) = (block(&[], 1, 10), block(&[], 2, 10));
    let mut liar = network.play();
    let (me, bitswap) = network.start(&Store::of(&[]));
    network.connect(me, liar.me);
    let fetch = bitswap.fetch(wanted.0, Some(liar.me), LIMIT);
    let plays = async {
        liar.hear_want().await;
        liar.say_blocks(me, &[(wanted.0, wrong.1.clone())]).await;
        network.connect(me, network.start(&Store::of(std::slice::from_ref(&wanted))).0);
    };
    let (fetched, ()) = tokio::join!(fetch, plays);
    assert_eq!(fetched.unwrap(), wanted.1);
    assert_eq!(bitswap.counters().blocks_unwanted, 1);
}

#[tokio::test(start_paused = true)]
async fn fetches_of_one_block_share_a_want_and_the_last_one_takes_it_back() {
    let network = Network::new();
    let wanted = block(&[], 1, 10);
    let mut peer = network.play();
    let (me, bitswap) = network.start(&Store::of(&[]));
    network.connect(me, peer.me);
    let first = bitswap.fetch(wanted.0, Some(peer.me), LIMIT);
    let second = bitswap.fetch(wanted.0, Some(peer.me), LIMIT);
    let third = bitswap.fetch(wanted.0, Some(peer.me), Duration::from_millis(10));
    let plays = async {
        assert_eq!(peer.hear_want().await.ask, Ask::Block);
        tokio::time::sleep(Duration::from_millis(500)).await;
        peer.say_blocks(me, std::slice::from_ref(&wanted)).await;
    };
    let (first, second, third, ()) = tokio::join!(first, second, third, plays);
    assert_eq!((first.unwrap(), second.unwrap()), (wanted.1.clone(), wanted.1));
    assert_eq!(third, Err(FetchError::NotServed { after: Duration::from_millis(10) }));

    let other = block(&[], 2, 10).0;
    let fetch = bitswap.fetch(other, Some(peer.me), LIMIT);
    tokio::select! {
        _ = fetch => panic!("nobody has it"),
        // The want of the first block is over and never heard of again.
        want = peer.hear_want() => assert_eq!((want.cid, want.ask), (other, Ask::Block)),
    }
    let want = peer.hear_want().await;
    assert_eq!((want.cid, want.ask), (other, Ask::Cancel));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_ends_at_its_limit_and_asks_again_until_then() {
    let network = Network::new();
    let wanted = block(&[], 1, 10).0;
    let mut peer = network.play();
    let (me, bitswap) = network.start(&Store::of(&[]));
    network.connect(me, peer.me);
    let limit = Duration::from_secs(35);
    let began = tokio::time::Instant::now();
    let fetched = bitswap.fetch(wanted, None, limit).await;
    assert_eq!(fetched, Err(FetchError::NotServed { after: limit }));
    assert!(began.elapsed() >= limit);
    let mut asked = Vec::new();
    for _ in 0..5 {
        asked.push(peer.hear_want().await.ask);
    }
    assert_eq!(asked, [Ask::Have, Ask::Have, Ask::Have, Ask::Have, Ask::Cancel]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_connects_while_a_block_is_wanted_serves_it() {
    let network = Network::new();
    let wanted = block(&[], 1, 10);
    let (late, _) = network.start(&Store::of(std::slice::from_ref(&wanted)));
    let (me, bitswap) = network.start(&Store::of(&[]));
    let fetch = bitswap.fetch(wanted.0, Some(late), LIMIT);
    let connect = async { network.connect(me, late) };
    assert_eq!(tokio::join!(fetch, connect).0.unwrap(), wanted.1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_the_peer_closes_is_opened_again_with_what_is_wanted() {
    let network = Network::new();
    let wanted = block(&[], 1, 10);
    let mut peer = network.play();
    let (me, bitswap) = network.start(&Store::of(&[]));
    network.connect(me, peer.me);
    let fetch = bitswap.fetch(wanted.0, Some(peer.me), LIMIT);
    let plays = async {
        assert_eq!(peer.hear_want().await.ask, Ask::Block);
        peer.hang_up();
        assert_eq!(peer.hear_want().await.ask, Ask::Block);
        peer.say_blocks(me, std::slice::from_ref(&wanted)).await;
    };
    let (fetched, ()) = tokio::join!(fetch, plays);
    assert_eq!(fetched.unwrap(), wanted.1);
    assert_eq!(network.opened(peer.me), 2);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reconnects_is_asked_on_a_fresh_stream() {
    let network = Network::new();
    let blocks = [block(&[], 1, 10), block(&[], 2, 10)];
    let (peer, _) = network.start(&Store::of(&blocks));
    let (me, bitswap) = network.start(&Store::of(&[]));
    for (cid, data) in &blocks {
        network.connect(me, peer);
        assert_eq!(bitswap.fetch(*cid, Some(peer), LIMIT).await.unwrap(), *data);
        network.disconnect(me, peer);
    }
    assert_eq!(network.opened(peer), 2);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_cannot_be_reached_is_tried_again_and_one_without_the_protocol_is_not() {
    let network = Network::new();
    let wanted = block(&[], 1, 10);
    let (peer, _) = network.start(&Store::of(std::slice::from_ref(&wanted)));
    let (me, bitswap) = network.start(&Store::of(&[]));
    network.connect(me, peer);
    network.refuse(peer, Some(OpenError::Refused("full".into())));
    let allow = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        network.refuse(peer, None);
    };
    let (fetched, ()) = tokio::join!(bitswap.fetch(wanted.0, Some(peer), LIMIT), allow);
    assert_eq!(fetched.unwrap(), wanted.1);

    let deaf = network.play();
    network.connect(me, deaf.me);
    network.disconnect(me, peer);
    network.refuse(deaf.me, Some(OpenError::Unsupported("bitswap")));
    assert!(bitswap.fetch(wanted.0, Some(deaf.me), Duration::from_secs(1)).await.is_err());
    network.refuse(deaf.me, None);
    assert!(bitswap.fetch(wanted.0, Some(deaf.me), LIMIT).await.is_err());
    assert_eq!(network.opened(deaf.me), 0);
}

#[tokio::test(start_paused = true)]
async fn peers_of_old_versions_are_asked_for_blocks_only() {
    for protocol in 1..4 {
        let network = Network::new();
        let wanted = block(&[], 1, 10);
        let mut old = network.play();
        network.speak(old.me, protocol);
        let (me, bitswap) = network.start(&Store::of(&[]));
        network.connect(me, old.me);
        let plays = async {
            let want = old.hear_want().await;
            assert_eq!((want.ask, want.dont_have), (Ask::Block, false));
            old.say_blocks(me, std::slice::from_ref(&wanted)).await;
        };
        let (fetched, ()) = tokio::join!(bitswap.fetch(wanted.0, None, LIMIT), plays);
        assert_eq!(fetched.unwrap(), wanted.1);
    }
}

#[tokio::test(start_paused = true)]
async fn fetches_end_when_the_exchange_stops() {
    let network = Network::new();
    let stop = CancellationToken::new();
    let (me, bitswap) = network.start_until(&Store::of(&[]), stop.clone());
    let mut peer = network.play();
    network.connect(me, peer.me);
    let cid = block(&[], 1, 10).0;
    let fetch = bitswap.fetch(cid, Some(peer.me), LIMIT);
    let plays = async {
        peer.hear_want().await;
        stop.cancel();
        // Its streams end, too.
        assert_eq!(peer.hear().await, None);
    };
    let (fetched, ()) = tokio::join!(fetch, plays);
    assert_eq!(fetched, Err(FetchError::Stopping));
    assert_eq!(bitswap.fetch(cid, None, LIMIT).await, Err(FetchError::Stopping));
}

#[tokio::test(start_paused = true)]
async fn too_many_fetches_are_refused_and_room_comes_back() {
    let network = Network::new();
    let (_, bitswap) = network.start(&Store::of(&[]));
    let cid = |number| block(&[], number, 10).0;
    let all = join_all((0..MAX_FETCHES as u64).map(|number| bitswap.fetch(cid(number), None, LIMIT)));
    let one_more = async { bitswap.fetch(cid(1_000_000), None, LIMIT).await };
    let (all, one_more) = tokio::join!(all, one_more);
    assert_eq!(one_more, Err(FetchError::Full));
    assert!(all.iter().all(|fetched| *fetched == Err(FetchError::NotServed { after: LIMIT })));
    let again = bitswap.fetch(cid(0), None, Duration::from_secs(1)).await;
    assert!(matches!(again, Err(FetchError::NotServed { .. })));
}

#[tokio::test(start_paused = true)]
async fn thousands_of_parallel_fetches_go_out_in_few_messages() {
    let network = Network::new();
    let blocks: Vec<_> = (0..5000).map(|salt| block(&[], salt, 200)).collect();
    let (peer, server) = network.start(&Store::of(&blocks));
    let (me, bitswap) = network.start(&Store::of(&[]));
    network.connect(me, peer);
    let fetched = join_all(blocks.iter().map(|(cid, _)| bitswap.fetch(*cid, Some(peer), LIMIT))).await;
    for ((_, data), fetched) in blocks.iter().zip(fetched) {
        assert_eq!(fetched.unwrap(), *data);
    }
    let (sent, answered) = (bitswap.counters().want_messages_sent, server.counters().answer_messages_sent);
    assert!(sent < 200 && answered < 200, "{sent} messages of wants, {answered} of answers");
    assert_eq!(server.counters().wants_dropped, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_at_one_moment_is_one_message() {
    let network = Network::new();
    let mut peer = network.play();
    let (me, bitswap) = network.start(&Store::of(&[]));
    network.connect(me, peer.me);
    let blocks: Vec<_> = (0..100).map(|salt| block(&[], salt, 10)).collect();
    let fetches = join_all(blocks.iter().map(|(cid, _)| bitswap.fetch(*cid, Some(peer.me), LIMIT)));
    let plays = async {
        let Message { wants, .. } = peer.hear().await.unwrap();
        let order: Vec<_> = wants.iter().map(|want| (want.cid, want.priority)).collect();
        let expected = blocks.iter().zip((0..=i32::MAX).rev()).map(|((cid, _), priority)| (*cid, priority));
        assert_eq!(order, expected.collect::<Vec<_>>());
        peer.say_blocks(me, &blocks).await;
    };
    assert!(tokio::join!(fetches, plays).0.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn unasked_blocks_of_others_are_dropped_and_those_of_ours_kept_within_bounds() {
    use crate::bitswap::block_cache::MAX_CACHE;
    let network = Network::new();
    let (stranger, friend) = (network.play(), network.play());
    let (me, bitswap) = network.start(&Store::of(&[]));
    network.connect(me, stranger.me);
    network.tell(me, stranger.me, |peer| PeerEvent::Identified { peer, ours: false });
    network.connect_ours(me, friend.me);
    let blocks: Vec<_> = (0..40).map(|salt| block(&[], salt, 200_000)).collect();
    let fits = MAX_CACHE / 200_300;

    for chunk in blocks.chunks(10) {
        stranger.say_blocks(me, chunk).await;
    }
    super::network::until(|| bitswap.counters().blocks_unwanted == 40).await;
    assert_eq!((bitswap.cached_bytes(), bitswap.counters().blocks_kept), (0, 0));

    for (index, chunk) in blocks.chunks(10).enumerate() {
        friend.say_blocks(me, chunk).await;
        super::network::until(|| bitswap.counters().blocks_kept == 10 * (index as u64 + 1)).await;
        assert!(bitswap.cached_bytes() <= MAX_CACHE);
    }
    let in_no_time = Duration::ZERO;
    for (number, (cid, data)) in blocks.iter().enumerate() {
        let fetched = bitswap.fetch(*cid, None, in_no_time).await;
        assert_eq!(fetched.ok().as_ref(), (number >= 40 - fits).then_some(data), "{number}");
    }
    assert_eq!(bitswap.cached_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn streams_of_strangers_are_refused() {
    let network = Network::new();
    let (me, bitswap) = network.start(&Arc::default());
    let peer = network.play();
    drop(peer.open(me));
    assert_eq!(bitswap.counters().streams_refused, 1);
    bitswap.on_peer(&PeerEvent::Disconnected(PeerId::random()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_comes_although_peers_come_and_go_and_the_wrong_ones_are_asked_first() {
    let network = Network::new();
    let blocks: Vec<_> = (0..3000).map(|salt| block(&[], salt, 200 + salt as usize)).collect();
    let peers: Vec<_> = blocks.chunks(1000).map(|some| network.start(&Store::of(some)).0).collect();
    let (me, bitswap) = network.start(&Store::of(&[]));
    peers.iter().for_each(|peer| network.connect(me, *peer));
    let fetches = blocks.iter().enumerate().map(|(number, (cid, data))| {
        let (bitswap, cid, data, first) = (bitswap.clone(), *cid, data.clone(), peers[number % 3]);
        tokio::spawn(async move { bitswap.fetch(cid, Some(first), LIMIT).await.as_ref() == Ok(&data) })
    });
    let fetches = join_all(fetches.collect::<Vec<_>>());
    let reconnects = async {
        for round in 0..15 {
            network.disconnect(me, peers[round % 3]);
            tokio::task::yield_now().await;
            network.connect(me, peers[round % 3]);
            tokio::task::yield_now().await;
        }
    };
    let (fetched, ()) = tokio::join!(fetches, reconnects);
    assert!(fetched.into_iter().all(|got| got.unwrap()));
}
