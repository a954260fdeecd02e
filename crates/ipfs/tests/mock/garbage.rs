//! Collecting garbage.

use super::*;
use cluster_core::ports::ipfs_connector::GcItem;
use cluster_testkit::mock_kubo::{End, Endpoint, PinnedAs, Script};
use futures_util::{StreamExt, TryStreamExt};

fn removed(number: u64) -> String {
    format!("{{\"Key\":{{\"/\":\"{}\"}}}}\n", cid(number))
}

async fn collect_all(kubo: &Kubo) -> Vec<Result<GcItem, IpfsError>> {
    kubo.collect_garbage().collect().await
}

#[tokio::test]
async fn what_is_removed_is_streamed() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    assert!(collect_all(&kubo).await.is_empty());
    mock.set_garbage(&(0..5_000).map(removed).collect::<String>());
    let items: Vec<GcItem> = kubo.collect_garbage().try_collect().await.unwrap();
    assert!(items.iter().cloned().eq((0..5_000).map(|number| GcItem::Removed(cid(number)))));
    assert_eq!(mock.calls(Endpoint::RepoGc), 2);
}

#[tokio::test]
async fn errors_within_the_stream_are_items_and_their_summary_is_none() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    let error = "{\"Key\":null,\"Error\":\"could not remove \\\"x\\\"\"}\n".to_owned();
    // A script that ends a list early says its first half.
    let half = [removed(1), error, removed(2)].concat();
    mock.set_garbage(&[&*half, &*half].concat());
    let expected = [
        GcItem::Removed(cid(1)),
        GcItem::Error("could not remove \"x\"".to_owned()),
        GcItem::Removed(cid(2)),
    ];
    mock.script(
        Endpoint::RepoGc,
        Script::ending(End::Trailer("encountered errors during gc run".to_owned())),
    );
    let items: Vec<GcItem> = kubo.collect_garbage().try_collect().await.unwrap();
    assert_eq!(items, expected);

    // Any other end is told, also after errors.
    mock.script(Endpoint::RepoGc, Script::ending(End::Trailer("context canceled".to_owned())));
    let mut items = collect_all(&kubo).await;
    let last = items.pop().unwrap().unwrap_err();
    assert_eq!(
        last.to_string(),
        "IPFS error (repo/gc?stream-errors=true). Code: 200. Message: context canceled"
    );
    assert!(items.into_iter().map(Result::unwrap).eq(expected));

    // And a summary of errors that nobody told of is one.
    mock.set_garbage(&[removed(1), removed(2)].concat());
    mock.script(
        Endpoint::RepoGc,
        Script::ending(End::Trailer("encountered errors during gc run".to_owned())),
    );
    let items = collect_all(&kubo).await;
    assert!(matches!(items[..], [Ok(GcItem::Removed(_)), Err(IpfsError::Api { .. })]), "{items:?}");
}

#[tokio::test]
async fn a_collection_that_breaks_off_ends_with_an_error() {
    let mock = mock().await;
    let kubo = Kubo::new(KuboConfig { repogc_timeout: Duration::from_millis(500), ..config(&mock) }).unwrap();
    mock.set_garbage(&(0..10).map(removed).collect::<String>());
    let cases = [
        (End::HalfObject, 9..10),
        (End::Break, 5..6),
        (End::ErrorLine("disk is damaged".to_owned()), 5..6),
        (End::Error("gc is not permitted".to_owned()), 0..1),
        (End::Status(502, b"bad gateway".to_vec()), 0..1),
        (End::Garbage(b"{\"Key\":null}\n".to_vec()), 0..1),
        (End::Garbage(b"{\"Key\":{\"/\":\"nonsense\"}}\n".to_vec()), 0..1),
        (End::Garbage(b"{}\n".to_vec()), 0..1),
        (End::Endless(vec![b'x'; 65_536].into()), 0..1),
        (End::Endless(removed(1).into()), 1..usize::MAX),
        (End::Hang, 5..6),
    ];
    for (case, (end, count)) in cases.into_iter().enumerate() {
        mock.script(Endpoint::RepoGc, Script::ending(end));
        let mut items = collect_all(&kubo).await;
        let last = items.pop().unwrap();
        assert!(last.is_err(), "case {case}: {last:?}");
        assert!(count.contains(&items.len()), "case {case}: {}", items.len());
        assert!(items.iter().all(Result::is_ok), "case {case}");
        assert!(mock.wait_until(LIMIT, |m| m.open_calls(Endpoint::RepoGc) == 0).await, "case {case} goes on");
    }
}

#[tokio::test]
async fn a_long_collection_delays_nothing_and_is_the_only_one() {
    let mock = mock().await;
    let kubo = Kubo::new(KuboConfig { max_connections: 8, ..config(&mock) }).unwrap();
    mock.seed([cid(1)], PinnedAs::Recursive);
    mock.script(Endpoint::RepoGc, Script::ending(End::Endless(removed(1).into())));
    let mut first = kubo.collect_garbage();
    first.next().await.unwrap().unwrap();
    let mut second = kubo.collect_garbage();
    assert!(futures_util::poll!(second.next()).is_pending());
    pin(&kubo, cid(2)).await.unwrap();
    kubo.unpin(cid(2)).await.unwrap();
    kubo.id().await.unwrap();
    assert_eq!(kubo.pin_ls(cluster_core::ports::ipfs_connector::IpfsPinStatus::Recursive).count().await, 1);
    assert!(futures_util::poll!(second.next()).is_pending());
    assert_eq!(mock.calls(Endpoint::RepoGc), 1);
    // Dropped, it ends, and the next one has its turn.
    drop(first);
    second.next().await.unwrap().unwrap();
    assert_eq!(mock.calls(Endpoint::RepoGc), 2);
    drop(second);
    assert!(mock.wait_until(LIMIT, |m| m.open_calls(Endpoint::RepoGc) == 0).await);
}
