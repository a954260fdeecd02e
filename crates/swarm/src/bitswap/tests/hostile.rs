use super::network::{Network, Store, block, until};
use crate::bitswap::{message::Ask, session::MAX_STREAMS};
use cluster_core::ports::Blocks;
use futures_util::io::{AsyncReadExt, AsyncWriteExt};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn streams_of_garbage_and_of_too_long_messages_are_dropped() {
    let network = Network::new();
    let (me, bitswap) = network.start(&Store::of(&[]));
    let peer = network.play();
    network.connect(me, peer.me);
    let inputs: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: localhost:9096\r\nAccept: application/json, text/plain\r\n\r\n",
        &[0xff; 20],
        &[0x81, 0x80, 0x80, 0x02, 1, 2, 3],
        &[2, 0x0a, 9],
    ];
    for (count, input) in inputs.iter().enumerate() {
        let mut stream = peer.open(me);
        stream.write_all(input).await.unwrap();
        let mut answer = Vec::new();
        assert_eq!(stream.read_to_end(&mut answer).await.unwrap(), 0);
        assert_eq!(bitswap.counters().streams_garbage, count as u64 + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_trickles_costs_its_stream_and_silence_does_not() {
    let network = Network::new();
    let (me, bitswap) = network.start(&Store::of(&[]));
    let peer = network.play();
    network.connect(me, peer.me);
    let (mut silent, mut slow) = (peer.open(me), peer.open(me));
    slow.write_all(&[0x80, 0x80, 0x02, 0]).await.unwrap();
    assert_eq!(slow.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(bitswap.counters().streams_slow, 1);
    assert!(tokio::time::timeout(Duration::from_secs(600), silent.read(&mut [0])).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn slow_long_messages_of_one_peer_do_not_keep_another_from_being_heard() {
    let network = Network::new();
    let wanted = block(&[], 1, 3_000_000);
    let (me, bitswap) = network.start(&Store::of(&[]));
    let (greedy, good) = (network.play(), network.play());
    network.connect(me, greedy.me);
    network.connect(me, good.me);
    let mut streams: Vec<_> = (0..MAX_STREAMS).map(|_| greedy.open(me)).collect();
    for stream in &mut streams {
        stream.write_all(&[0x80, 0x80, 0x80, 0x02, 0]).await.unwrap();
    }
    let fetch = bitswap.fetch(wanted.0, None, Duration::from_secs(20));
    let (fetched, ()) = tokio::join!(fetch, good.say_blocks(me, std::slice::from_ref(&wanted)));
    assert_eq!(fetched.unwrap(), wanted.1);
    until(|| bitswap.counters().streams_slow == MAX_STREAMS as u64).await;
}

#[tokio::test(start_paused = true)]
async fn long_messages_are_not_read_before_there_is_room() {
    let network = Network::new();
    let (me, _) = network.start(&Store::of(&[]));
    let peer = network.play();
    network.connect(me, peer.me);
    let mut part = vec![0; 300_000];
    part[..4].copy_from_slice(&[0x80, 0x80, 0x80, 0x02]);
    let mut streams = Vec::new();
    for has_room in [true, true, false] {
        let mut stream = peer.open(me);
        let written = tokio::time::timeout(Duration::from_secs(1), stream.write_all(&part)).await;
        assert_eq!(written.is_ok(), has_room);
        streams.push(stream);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_has_only_so_many_streams() {
    let network = Network::new();
    let (me, bitswap) = network.start(&Store::of(&[]));
    let peer = network.play();
    network.connect(me, peer.me);
    let mut streams: Vec<_> = (0..MAX_STREAMS).map(|_| peer.open(me)).collect();
    drop(peer.open(me));
    assert_eq!(bitswap.counters().streams_refused, 1);
    // One that ends makes room.
    streams[0].close().await.unwrap();
    assert_eq!(streams[0].read(&mut [0]).await.unwrap(), 0);
    let _kept = peer.open(me);
    assert_eq!(bitswap.counters().streams_refused, 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_got_mutated_frames_for_long_still_serves() {
    let text = include_str!("../../../../../tests/vectors/bitswap-messages.json");
    let vectors: serde_json::Value = serde_json::from_str(text).unwrap();
    let vectors = vectors["vectors"].as_array().unwrap().iter();
    let frames: Vec<_> =
        vectors.map(|vector| hex::decode(vector["hex"].as_str().unwrap()).unwrap()).collect();

    let network = Network::new();
    let known = block(&[], 1, 10);
    let (me, _) = network.start(&Store::of(std::slice::from_ref(&known)));
    let bad = network.play();
    network.connect_ours(me, bad.me);
    let seed = 0x7377_6170;
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..3000 {
        let mut stream = bad.open(me);
        for _ in 0..random.random_range(1..4) {
            let mut frame = frames[random.random_range(0..frames.len())].clone();
            let at = random.random_range(0..frame.len());
            match random.random_range(0..3) {
                0 => frame[at] = random.random(),
                1 => frame.truncate(at),
                _ => frame.insert(at, random.random()),
            }
            // The peer may have closed the stream already.
            let _ = stream.write_all(&frame).await;
        }
        let _ = stream.close().await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    }
    let mut good = network.play();
    network.connect(me, good.me);
    good.say_wants(me, &[known.0], Ask::Block).await;
    assert_eq!(good.hear().await.unwrap().blocks, [known], "seed {seed}");
}
