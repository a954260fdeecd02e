//! What goes beyond the reference, on three real peers with real Kubos: many changes at once, pages, searches, totals and the
//! stream of changes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::{
    Client, Lines, Scope, Search,
    api_types::{BulkAction, BulkChange, CidText, Event, PinOptions},
};
use cluster_tests::{cluster::Cluster, world::made_up_cid};
use serde::de::DeserializeOwned;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const PINS: u64 = 250;

async fn all<T: DeserializeOwned>(mut lines: Lines<T>) -> Vec<T> {
    let mut all = Vec::new();
    while let Some(item) = lines.next().await {
        all.push(item.unwrap());
    }
    all
}

fn cid(number: u64) -> CidText {
    CidText::from(&made_up_cid(number).unwrap())
}

/// Names every fifth pin alike, the others by their number.
fn name(number: u64) -> String {
    if number.is_multiple_of(5) { "fifth".to_owned() } else { format!("pin-{number:03}") }
}

fn additions() -> Vec<BulkChange> {
    let options = |number| PinOptions {
        name: name(number),
        metadata: Some(BTreeMap::from([("third".to_owned(), (number % 3).to_string())])),
        ..PinOptions::default()
    };
    (0..PINS)
        .map(|number| BulkChange { cid: cid(number), options: options(number), ..BulkChange::default() })
        .collect()
}

fn removal(number: u64) -> BulkChange {
    BulkChange { op: BulkAction::Unpin, cid: cid(number), ..BulkChange::default() }
}

/// Reads all pages of a search for statuses.
async fn pages(client: &Client, search: &Search, scope: Scope, limit: usize) -> Vec<(String, usize)> {
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = client.page_of_statuses(search, scope, limit, cursor.as_deref()).await.unwrap();
        assert!(page.entries.len() <= limit);
        found.extend(page.entries.iter().map(|status| (status.cid.to_string(), status.peers().count())));
        cursor = page.next;
        if cursor.is_none() {
            return found;
        }
    }
}

#[tokio::test]
async fn many_changes_pages_searches_and_totals() {
    let cluster = Cluster::start(3, &[]).await.unwrap();
    let outcomes = all(cluster.members[0].client.change(&additions()).await.unwrap()).await;
    assert_eq!(outcomes.len() as u64, PINS);
    assert!(outcomes.iter().all(|outcome| outcome.code == 200 && outcome.etag.is_some()), "{outcomes:?}");
    let twice = [removal(0), removal(0), BulkChange { cid: cid(0), ..additions()[0].clone() }];
    let codes: Vec<u16> =
        all(cluster.members[0].client.change(&twice).await.unwrap()).await.iter().map(|o| o.code).collect();
    assert_eq!(codes, [200, 404, 200], "changes of one CID are made in their order");
    cluster
        .converge("all pins on all", async |member| {
            let pins = member.client.totals().await?.pins;
            Ok((pins == PINS, format!("{pins}")))
        })
        .await
        .unwrap();

    let expected: BTreeSet<String> = (0..PINS).map(|number| cid(number).to_string()).collect();
    for member in &cluster.members {
        for (scope, peers) in [(Scope::Local, 1), (Scope::Cluster, 3)] {
            let found = pages(&member.client, &Search::default(), scope, 17).await;
            assert_eq!(found.len() as u64, PINS, "no pin comes twice");
            assert!(found.iter().all(|(_, count)| *count == peers), "{found:?}");
            assert_eq!(found.into_iter().map(|(cid, _)| cid).collect::<BTreeSet<_>>(), expected);
        }
        let fifth = Search { name: Some("fifth".to_owned()), ..Search::default() };
        let third = ("third".to_owned(), "1".to_owned());
        let both =
            Search { name_prefix: Some("pin-1".to_owned()), metadata: vec![third], ..Search::default() };
        let is_both =
            |number: &u64| !number.is_multiple_of(5) && (100..200).contains(number) && number % 3 == 1;
        for (search, wanted) in [
            (&fifth, (0..PINS).filter(|number| number.is_multiple_of(5)).collect::<Vec<_>>()),
            (&both, (0..PINS).filter(is_both).collect()),
        ] {
            let wanted: BTreeSet<String> = wanted.into_iter().map(|number| cid(number).to_string()).collect();
            let pins = all(member.client.search_pins(search).await.unwrap()).await;
            assert_eq!(pins.iter().map(|pin| pin.cid.to_string()).collect::<BTreeSet<_>>(), wanted);
            for limit in [3, 1000] {
                let found = pages(&member.client, search, Scope::Cluster, limit).await;
                assert!(found.iter().all(|(_, count)| *count == 3));
                assert_eq!(found.into_iter().map(|(cid, _)| cid).collect::<BTreeSet<_>>(), wanted);
            }
        }
        let totals = member.client.totals().await.unwrap();
        assert_eq!(totals.types, BTreeMap::from([("pin".to_owned(), PINS)]));
        assert_eq!(totals.statuses.values().sum::<u64>(), PINS, "{totals:?}");
    }
    let listed = cluster.ctl(1, &["pin", "ls", "--name", "fifth"]).unwrap();
    assert_eq!(listed.lines().count() as u64, PINS / 5, "{listed}");
    let totals = cluster.ctl(1, &["totals"]).unwrap();
    assert!(totals.starts_with("pins: 250\ntypes:\n  > pin "), "{totals}");
    let refused =
        cluster.ctl(1, &["status", "--name", "fifth", &cid(0).to_string()]).unwrap_err().to_string();
    assert!(refused.contains("CIDs and a search do not go together"), "{refused}");
}

/// Reads what there is behind a cursor, up to `limit` events.
async fn read(client: &Client, cursor: &str, limit: usize) -> Vec<Event> {
    let mut lines = client.events(Some(cursor), false).await.unwrap();
    let mut events = Vec::new();
    while events.len() < limit
        && let Some(event) = lines.next().await
    {
        events.push(event.unwrap());
    }
    events
}

#[tokio::test]
async fn changes_are_told_in_order_and_a_reader_that_comes_back_misses_none() {
    let mut cluster = Cluster::start(2, &[]).await.unwrap();
    let removals: Vec<BulkChange> = (0..PINS / 2).map(removal).collect();
    all(cluster.members[0].client.change(&additions()).await.unwrap()).await;
    all(cluster.members[0].client.change(&removals).await.unwrap()).await;
    let left = PINS - PINS / 2;
    cluster
        .converge("the rest on both", async |member| {
            let pins = member.client.totals().await?.pins;
            Ok((pins == left, format!("{pins}")))
        })
        .await
        .unwrap();

    // In pieces, with the peer killed between two of them.
    let mut pieces: Vec<Event> = Vec::new();
    let mut cursor = "oldest".to_owned();
    for piece in 0.. {
        let events = read(&cluster.members[1].client, &cursor, 37).await;
        let Some(last) = events.last() else { break };
        cursor = last.cursor.clone();
        pieces.extend(events);
        if piece == 3 {
            cluster.members[1].peer.kill().unwrap();
            cluster.members[1].peer.start().unwrap();
        }
    }
    let whole = read(&cluster.members[1].client, "oldest", usize::MAX).await;
    assert_eq!(pieces[..], whole[..pieces.len()], "what was told once is told again alike");
    let cursors: BTreeSet<&String> = pieces.iter().map(|event| &event.cursor).collect();
    assert_eq!(cursors.len(), pieces.len());
    for number in 0..PINS {
        let of_it: Vec<&str> = whole
            .iter()
            .filter(|event| event.cid == Some(cid(number)))
            .map(|event| event.kind.as_str())
            .filter(|kind| matches!(*kind, "pinned" | "unpinned"))
            .collect();
        let expected: &[&str] = if number < PINS / 2 { &["pinned", "unpinned"] } else { &["pinned"] };
        // A peer that hears of both at once may never have had the pin.
        assert!(of_it == expected || (number < PINS / 2 && of_it.is_empty()), "{number}: {of_it:?}");
    }

    // One that waits hears at once what happens.
    let mut live = cluster.members[1].client.events(None, true).await.unwrap();
    assert_eq!(live.next().await.unwrap().unwrap().kind, "quiet");
    let new = BulkChange { cid: cid(PINS), ..BulkChange::default() };
    all(cluster.members[0].client.change(&[new]).await.unwrap()).await;
    let event = tokio::time::timeout(Duration::from_secs(20), live.next()).await.unwrap().unwrap().unwrap();
    assert_eq!((event.kind.as_str(), event.cid), ("pinned", Some(cid(PINS))));

    let shown = cluster.ctl(1, &["watch", "--cursor", "oldest", "--no-follow"]).unwrap();
    assert!(
        shown
            .lines()
            .any(|line| line.starts_with(cid(PINS).as_str()) && line.contains(" | pinned | cursor ")),
        "{shown}"
    );
    // A cursor of one peer means nothing to another one, nor after the state was replaced.
    let foreign = cluster.members[0].client.events(Some(&event.cursor), false).await;
    assert_eq!(foreign.err().unwrap().code(), 410);
    cluster.members[1].peer.stop().unwrap();
    let cleaned = cluster.members[1].peer.command(&["state", "cleanup", "--force"]).unwrap();
    assert!(cleaned.status.success(), "{cleaned:?}");
    cluster.members[1].peer.start().unwrap();
    let replaced = cluster.members[1].client.events(Some(&event.cursor), false).await;
    assert_eq!(replaced.err().unwrap().code(), 410);
}

#[tokio::test]
async fn a_watched_status_ends_when_no_peer_is_busy() {
    let cluster = Cluster::start(2, &[]).await.unwrap();
    let cid = cluster.add(0, 2 << 20).unwrap();
    cluster.pin(0, &cid, &PinOptions::default()).await.unwrap();
    // Of a pin that it has not heard of yet a peer says that nobody is busy with it.
    cluster
        .converge("both know the pin", async |member| match member.client.allocation(&cid).await {
            Ok(_) => Ok((true, "known".to_owned())),
            Err(error) => Ok((false, error.to_string())),
        })
        .await
        .unwrap();
    let shown = cluster.ctl(1, &["status", "--watch", &cid.to_string()]).unwrap();
    let last = shown.rsplit(&cid.to_string()).next().unwrap();
    assert_eq!(last.matches(": PINNED | ").count(), 2, "{shown}");
}
