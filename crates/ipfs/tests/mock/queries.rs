//! Short calls and listings.

use super::*;
use cluster_core::ports::ipfs_connector::{IpfsPinStatus, RepoStat};
use cluster_testkit::mock_kubo::{End, Endpoint, PinnedAs, Script};
use futures_util::{StreamExt, TryStreamExt};

#[tokio::test]
async fn identity_version_space_and_settings_are_read() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    let id = kubo.id().await.unwrap();
    assert_eq!(id.addresses, [format!("/ip4/127.0.0.1/tcp/4001/p2p/{}", id.id).parse().unwrap()]);
    assert_eq!(kubo.version().await.unwrap(), "0.43.0");
    let space = RepoStat { repo_size: 1_048_576, storage_max: 10_000_000_000 };
    assert_eq!(kubo.repo_stat().await.unwrap(), space);
    mock.set_config(r#"{"Datastore":{"StorageMax":"10GB","Spec":{"mounts":[1,2]}},"a":null}"#);
    let value = async |name: &str| kubo.config_value(name.to_owned()).await.unwrap();
    assert_eq!(value("Datastore.StorageMax").await.unwrap(), "\"10GB\"");
    assert_eq!(value("Datastore.Spec.mounts").await.unwrap(), "[1,2]");
    assert_eq!(value("Datastore.StorageMin").await, None);
    assert_eq!(value("Datastore.StorageMax.deeper").await, None);
    assert_eq!(value("a").await.unwrap(), "null");
}

#[tokio::test]
async fn addresses_of_an_identity_that_cannot_be_read_are_left_out() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    let id = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X";
    let body = format!(r#"{{"ID":"{id}","Addresses":["nonsense","/ip4/10.0.0.1/tcp/1","/new-thing/1"]}}"#);
    mock.script(Endpoint::Id, Script::ending(End::Garbage(body.into())));
    let found = kubo.id().await.unwrap();
    assert_eq!(found.addresses, [format!("/ip4/10.0.0.1/tcp/1/p2p/{id}").parse().unwrap()]);
    mock.script(
        Endpoint::Id,
        Script::ending(End::Garbage(format!(r#"{{"ID":"{id}","Addresses":null}}"#).into())),
    );
    assert_eq!(kubo.id().await.unwrap().addresses, []);
}

#[tokio::test]
async fn one_status_is_one_call_of_one_type() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    mock.seed([cid(1)], PinnedAs::Recursive);
    mock.seed([cid(2)], PinnedAs::Direct);
    for (number, depth, expected) in [
        (1, PinDepth::RECURSIVE, IpfsPinStatus::Recursive),
        (1, PinDepth(2), IpfsPinStatus::Recursive),
        (1, PinDepth::DIRECT, IpfsPinStatus::Unpinned),
        (2, PinDepth::DIRECT, IpfsPinStatus::Direct),
        (2, PinDepth::RECURSIVE, IpfsPinStatus::Unpinned),
        (3, PinDepth::RECURSIVE, IpfsPinStatus::Unpinned),
    ] {
        assert_eq!(kubo.pin_status(cid(number), depth).await.unwrap(), expected, "{number} {depth:?}");
    }
    assert_eq!(mock.calls(Endpoint::PinLs), 6);
}

#[tokio::test]
async fn a_status_that_cannot_be_known_is_an_error() {
    let mock = mock().await;
    let kubo =
        Kubo::new(KuboConfig { ipfs_request_timeout: Duration::from_millis(200), ..config(&mock) }).unwrap();
    let other = format!("{{\"Cid\":\"{}\",\"Type\":\"recursive\"}}\n", cid(2));
    let odd = format!("{{\"Cid\":\"{}\",\"Type\":\"odd\"}}\n", cid(1));
    for end in [
        End::Garbage(Vec::new()),
        End::Garbage(other.into()),
        End::Garbage(odd.into()),
        End::Garbage(b"{}".to_vec()),
        End::Error("context deadline exceeded".to_owned()),
        End::Status(500, Vec::new()),
        End::Hang,
        End::Break,
        End::Trailer("pinner is busy".to_owned()),
    ] {
        mock.script(Endpoint::PinLs, Script::ending(end.clone()));
        let answer = kubo.pin_status(cid(1), PinDepth::RECURSIVE).await;
        assert!(answer.is_err(), "{end:?}: {answer:?}");
    }
    let indirect = format!("{{\"Cid\":\"{}\",\"Type\":\"indirect through {}\"}}\n", cid(1), cid(2));
    mock.script(Endpoint::PinLs, Script::ending(End::Garbage(indirect.into())));
    assert_eq!(kubo.pin_status(cid(1), PinDepth::RECURSIVE).await.unwrap(), IpfsPinStatus::Unpinned);
    mock.script(Endpoint::PinLs, Script::ending(End::Trailer("path 'x' is not pinned".to_owned())));
    assert_eq!(kubo.pin_status(cid(1), PinDepth::RECURSIVE).await.unwrap(), IpfsPinStatus::Unpinned);
}

#[tokio::test]
async fn both_kinds_of_pins_are_listed() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    mock.seed((0..3_000).map(cid), PinnedAs::Recursive);
    mock.seed((3_000..3_010).map(cid), PinnedAs::Direct);
    for (kind, count) in [(IpfsPinStatus::Recursive, 3_000), (IpfsPinStatus::Direct, 10)] {
        let pins: Vec<_> = kubo.pin_ls(kind).try_collect().await.unwrap();
        assert_eq!(pins.len(), count);
        assert!(pins.iter().all(|pin| pin.status == kind));
    }
    assert_eq!(kubo.pin_ls(IpfsPinStatus::Unpinned).count().await, 0);
    assert_eq!(mock.calls(Endpoint::PinLsAll), 2);
}

#[tokio::test]
async fn a_list_that_breaks_off_ends_with_an_error() {
    let mock = mock().await;
    let kubo =
        Kubo::new(KuboConfig { ipfs_request_timeout: Duration::from_millis(300), ..config(&mock) }).unwrap();
    mock.seed((0..100).map(cid), PinnedAs::Recursive);
    for end in [
        End::HalfObject,
        End::Break,
        End::Hang,
        End::Trailer("pin store is damaged".to_owned()),
        End::ErrorLine("pin store is damaged".to_owned()),
    ] {
        mock.script(Endpoint::PinLsAll, Script::ending(end.clone()));
        let mut pins: Vec<_> = kubo.pin_ls(IpfsPinStatus::Recursive).collect().await;
        let last = pins.pop().unwrap();
        assert!(last.is_err(), "{end:?}: {last:?}");
        assert!((49..100).contains(&pins.len()), "{end:?}: {}", pins.len());
        assert!(pins.iter().all(Result::is_ok));
    }
    mock.behave();
    assert_eq!(kubo.pin_ls(IpfsPinStatus::Recursive).count().await, 100);
}

#[tokio::test]
async fn a_path_resolves_to_the_cid_it_ends_at() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    let odd = format!("/ipfs/{}/a b&c=d/é%", cid(1));
    mock.resolve_to(&odd, &format!("/ipfs/{}", cid(2)));
    mock.resolve_to("/ipns/example.org", &format!("/ipld/{}/rest/of/it", cid(3)));
    mock.resolve_to("/ipns/a", "/ipns/b");
    mock.resolve_to("/ipns/c", "/ipfs/nonsense");
    mock.resolve_to("/ipns/d", "");
    assert_eq!(kubo.resolve(odd).await.unwrap(), cid(2));
    assert_eq!(kubo.resolve("/ipns/example.org".to_owned()).await.unwrap(), cid(3));
    for path in ["/ipns/a", "/ipns/c", "/ipns/d"] {
        let error = kubo.resolve(path.to_owned()).await.unwrap_err();
        assert!(matches!(error, IpfsError::BadAnswer { .. }), "{error:?}");
    }
    let error = kubo.resolve("/ipns/unknown".to_owned()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "IPFS error (resolve?arg=/ipns/unknown). Code: 500. Message: no link for /ipns/unknown"
    );
}

#[tokio::test]
async fn answers_without_end_are_refused() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    mock.script(Endpoint::ConfigShow, Script::ending(End::Garbage(vec![b' '; 2 << 20])));
    let error = kubo.config_value("a".to_owned()).await.unwrap_err().to_string();
    assert!(error.ends_with("it is longer than 1048576 bytes"), "{error}");
    mock.script(Endpoint::RepoStat, Script::ending(End::Status(502, vec![b'x'; 2 << 20])));
    let IpfsError::Http { status: 502, body, .. } = kubo.repo_stat().await.unwrap_err() else { panic!() };
    assert_eq!(body.len(), 4096);
}

#[tokio::test]
async fn a_config_that_is_no_object_is_refused() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    mock.set_config("[]");
    assert!(matches!(kubo.config_value("a".to_owned()).await, Err(IpfsError::BadAnswer { .. })));
}
