use super::network::{Network, Store, block, chain, until};
use crate::bitswap::{
    Bitswap,
    dag_links::dag_links,
    message::Ask,
    read_ahead::{MAX_STRIDE, MAX_STRIDE_BYTES},
};
use cid::Cid;
use cluster_core::{PeerId, ports::Blocks};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

/// Fetches a chain block by block and returns its length.
async fn walk(bitswap: &Bitswap, head: Cid, first: PeerId) -> usize {
    let (mut next, mut count) = (Some(head), 0);
    while let Some(cid) = next {
        let data = bitswap.fetch(cid, Some(first), LIMIT).await.unwrap();
        count += 1;
        next = dag_links(&data).first().copied();
    }
    count
}

#[tokio::test(start_paused = true)]
async fn a_chain_costs_one_want_for_each_block() {
    let network = Network::new();
    let blocks = chain(2000, 200);
    let (peer, _) = network.start(&Store::of(&blocks));
    let (me, bitswap) = network.start(&Store::of(&[]));
    network.connect(me, peer);
    let began = Instant::now();
    assert_eq!(walk(&bitswap, blocks[0].0, peer).await, 2000);
    println!("2,000 fetches, one after the other: {:?}", began.elapsed());
    let counters = bitswap.counters();
    assert_eq!(
        (counters.want_messages_sent, counters.blocks_received, counters.blocks_kept),
        (2000, 2000, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_chain_between_ours_costs_one_want_for_many_blocks() {
    let network = Network::new();
    let blocks = chain(2000, 200);
    let (peer, server) = network.start(&Store::of(&blocks));
    let (me, bitswap) = network.start(&Store::of(&[]));
    network.connect_ours(me, peer);
    let began = Instant::now();
    assert_eq!(walk(&bitswap, blocks[0].0, peer).await, 2000);
    println!("2,000 fetches, one after the other, between ours: {:?}", began.elapsed());
    let counters = bitswap.counters();
    let most = (2000 / MAX_STRIDE + 8) as u64;
    assert!(counters.want_messages_sent <= most, "{} wants", counters.want_messages_sent);
    assert_eq!(counters.blocks_received + counters.blocks_kept_used, 2000);
    assert_eq!(server.counters().blocks_sent + server.counters().blocks_sent_ahead, 2000);
}

#[tokio::test(start_paused = true)]
async fn only_a_walk_of_ours_moves_blocks_ahead() {
    let network = Network::new();
    let blocks = chain(300, 200);
    let (me, server) = network.start(&Store::of(&blocks));
    let (mut friend, mut stranger) = (network.play(), network.play());
    network.connect_ours(me, friend.me);
    network.connect(me, stranger.me);
    for (cid, _) in &blocks[..20] {
        stranger.say_wants(me, &[*cid], Ask::Block).await;
        assert_eq!(stranger.hear().await.unwrap().blocks.len(), 1);
    }
    // Heads that do not follow from each other.
    for (cid, _) in blocks[..20].iter().rev() {
        friend.say_wants(me, &[*cid], Ask::Block).await;
        assert_eq!(friend.hear().await.unwrap().blocks.len(), 1);
    }
    // The link of a block it got is the first step of a walk; the second goes further.
    let mut at = 20;
    for expected in [5, 9, 17, 33, 65, 65] {
        friend.say_wants(me, &[blocks[at].0], Ask::Have).await;
        let got = friend.hear().await.unwrap().blocks;
        assert_eq!(got, blocks[at..at + expected], "from {at}");
        at += expected;
    }
    // What was sent is not sent ahead again, but it is when asked for.
    friend.say_wants(me, &[blocks[30].0], Ask::Block).await;
    assert_eq!(friend.hear().await.unwrap().blocks, [blocks[30].clone()]);
    assert_eq!(server.counters().blocks_sent_ahead, 4 + 8 + 16 + 32 + 64 + 64);
}

#[tokio::test(start_paused = true)]
async fn blocks_sent_ahead_are_bounded_in_bytes() {
    let network = Network::new();
    let blocks = chain(100, 60_000);
    let (me, _) = network.start(&Store::of(&blocks));
    let mut friend = network.play();
    network.connect_ours(me, friend.me);
    let mut at = 0;
    for _ in 0..12 {
        friend.say_wants(me, &[blocks[at].0], Ask::Block).await;
        let got = friend.hear().await.unwrap().blocks;
        assert_eq!(got, blocks[at..at + got.len()]);
        let ahead: usize = got[1..].iter().map(|(_, data)| data.len()).sum();
        assert!(ahead <= MAX_STRIDE_BYTES, "{ahead} bytes");
        at += got.len();
    }
    assert!(at > 36, "only {at} blocks came");
}

#[tokio::test(start_paused = true)]
async fn a_wide_dag_is_walked_whole() {
    let network = Network::new();
    let mut levels: Vec<Vec<(Cid, Vec<u8>)>> = vec![(0..8).map(|salt| block(&[], salt, 50)).collect()];
    for level in 1..30u64 {
        let links: Vec<_> = levels[levels.len() - 1].iter().map(|(cid, _)| *cid).collect();
        levels.push((0..8).map(|salt| block(&links, level * 100 + salt, 50)).collect());
    }
    let all: Vec<_> = levels.iter().flatten().cloned().collect();
    let (peer, server) = network.start(&Store::of(&all));
    let (me, bitswap) = network.start(&Store::of(&[]));
    network.connect_ours(me, peer);
    let mut fetched = std::collections::HashSet::new();
    let mut frontier: Vec<_> = levels[29].iter().map(|(cid, _)| *cid).collect();
    while !frontier.is_empty() {
        let blocks = frontier.iter().map(|cid| bitswap.fetch(*cid, Some(peer), LIMIT));
        let blocks = futures_util::future::join_all(blocks).await;
        fetched.extend(frontier.drain(..));
        let links = blocks.into_iter().flat_map(|data| dag_links(&data.unwrap()));
        frontier = links.filter(|cid| !fetched.contains(cid)).collect();
        frontier.sort_unstable();
        frontier.dedup();
    }
    assert_eq!(fetched.len(), all.len());
    until(|| {
        let counters = server.counters();
        counters.blocks_sent + counters.blocks_sent_ahead >= all.len() as u64
    })
    .await;
    assert!(bitswap.counters().want_messages_sent < 30, "{:?}", bitswap.counters());
}
