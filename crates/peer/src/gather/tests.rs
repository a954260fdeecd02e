use super::*;
use cluster_core::{Cid, Pin, UnixMillis};
use futures_util::TryStreamExt;

fn cid(number: u32) -> Cid {
    let mut bytes = vec![1, 0x55, 0, 4];
    bytes.extend(number.to_be_bytes());
    Cid::try_from(bytes).unwrap()
}

fn status(peer: PeerId, number: u32, status: TrackerStatus) -> LocalPinStatus {
    let mut pin = Pin::new(cid(number));
    pin.options.name = format!("pin {number}");
    let on_peer = PinStatusOnPeer {
        status,
        timestamp: UnixMillis(5),
        error: "why".to_owned(),
        attempt_count: 3,
        priority_pin: true,
        ..template(peer, "name".to_owned(), Some((peer, vec!["/ip4/1.2.3.4/tcp/4001".parse().unwrap()])))
    };
    LocalPinStatus { pin, created: UnixMillis(7000), on_peer }
}

fn source(peer: PeerId, ordered: bool, pages: Vec<Result<Vec<LocalPinStatus>, CallError>>) -> Source {
    let template = template(peer, "name".to_owned(), None);
    Source { template, ordered, statuses: Box::pin(stream::iter(pages)) }
}

async fn merged(sources: Vec<Source>) -> Vec<GlobalPinStatus> {
    let scratch = tempfile::tempdir().unwrap();
    let pages: Vec<_> = merge(sources, scratch.path().to_owned()).try_collect().await.unwrap();
    pages.into_iter().flatten().collect()
}

#[tokio::test]
async fn members_are_merged_by_cid_in_key_order() {
    let [a, b] = [PeerId::random(), PeerId::random()];
    let pinned = |peer, numbers: std::ops::Range<u32>| {
        Ok(numbers.map(|n| status(peer, n, TrackerStatus::Pinned)).collect::<Vec<_>>())
    };
    let sources = vec![
        source(a, true, vec![pinned(a, 0..700), pinned(a, 700..1500)]),
        source(b, true, vec![pinned(b, 500..2000)]),
    ];
    let all = merged(sources).await;
    assert_eq!(all.len(), 2000);
    for (number, global) in (0..).zip(&all) {
        assert_eq!(global.pin.cid, cid(number));
        assert_eq!(global.pin.options.name, format!("pin {number}"));
        let expected = usize::from(number < 1500) + usize::from(number >= 500);
        assert_eq!(global.peers.len(), expected);
        assert!(global.peers.windows(2).all(|p| p[0].peer.to_base58() < p[1].peer.to_base58()));
    }
}

#[tokio::test]
async fn answers_without_order_are_put_in_order_whatever_their_number() {
    let [a, b] = [PeerId::random(), PeerId::random()];
    let count = 120_000u32;
    // An order that jumps about: 7 and the count have no common factor.
    let jumping: Vec<_> = (0..count)
        .map(|n| status(a, (u64::from(n) * 7 % u64::from(count)) as u32, TrackerStatus::Pinned))
        .collect();
    let mut pages: Vec<_> = jumping.chunks(1000).map(|page| Ok(page.to_vec())).collect();
    // One is told twice; the last word counts.
    pages.push(Ok(vec![status(a, 17, TrackerStatus::PinError)]));
    let sources =
        vec![source(a, false, pages), source(b, true, vec![Ok(vec![status(b, 3, TrackerStatus::Remote)])])];
    let all = merged(sources).await;
    assert_eq!(all.len(), count as usize);
    assert!((0..).zip(&all).all(|(number, global)| global.pin.cid == cid(number)));
    assert_eq!(all[17].peers, [status(a, 17, TrackerStatus::PinError).on_peer]);
    assert_eq!(all[18].peers, [status(a, 18, TrackerStatus::Pinned).on_peer]);
    assert_eq!(all[3].peers.len(), 2);
}

#[tokio::test]
async fn who_fails_is_an_error_from_then_on_and_who_refuses_is_left_out() {
    let [a, b, c, d] = [0; 4].map(|_| PeerId::random());
    let failed = || Err(CallError::Failed { message: "no".to_owned() });
    let one = |peer, number| Ok(vec![status(peer, number, TrackerStatus::Pinned)]);
    let sources = vec![
        source(a, true, vec![one(a, 1), one(a, 2), one(a, 3)]),
        source(b, true, vec![one(b, 1), one(b, 2), failed()]),
        source(c, true, vec![Err(CallError::Refused { method: "PinTracker.StatusAll" })]),
        source(d, false, vec![one(d, 3), failed()]),
    ];
    let all = merged(sources).await;
    let of = |index: usize, peer: PeerId| {
        let entry = all[index].peers.iter().find(|status| status.peer == peer);
        entry.map(|entry| (entry.status, entry.error.as_str()))
    };
    assert_eq!(all.len(), 3);
    assert_eq!(of(0, b), Some((TrackerStatus::Pinned, "why")));
    assert_eq!(of(2, b), Some((TrackerStatus::ClusterError, "no")));
    assert_eq!(of(0, d), Some((TrackerStatus::ClusterError, "no")));
    assert_eq!(of(2, d), Some((TrackerStatus::Pinned, "why")));
    assert!((0..3).all(|index| of(index, c).is_none() && of(index, a).is_some()));
    // Where nobody was heard to the end, that is an error: it is not known what is missing.
    let scratch = tempfile::tempdir().unwrap();
    let refuses = || Err(CallError::Refused { method: "PinTracker.StatusAll" });
    let sources = vec![source(a, true, vec![one(a, 1), failed()]), source(c, true, vec![refuses()])];
    let pages: Vec<_> = merge(sources, scratch.path().to_owned()).collect().await;
    assert_eq!(pages.len(), 2, "{pages:?}");
    assert_eq!(
        (pages[0].as_ref().unwrap().len(), pages[1].as_ref().unwrap_err().to_string()),
        (1, "no".to_owned())
    );
    assert_eq!(merged(vec![source(a, true, vec![]), source(b, true, vec![failed()])]).await, []);
}
