//! Connections are bounded, and stuck calls delay nobody else.

use super::*;
use cluster_testkit::mock_kubo::{End, Endpoint, PinnedAs, Script};
use futures_util::{StreamExt, future::join_all};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stuck_pins_and_unpins_starve_neither_queries_nor_each_other() {
    let mock = mock().await;
    let kubo = Arc::new(Kubo::new(KuboConfig { max_connections: 16, ..config(&mock) }).unwrap());
    mock.seed([cid(1), cid(2)], PinnedAs::Recursive);
    mock.script(Endpoint::PinAdd, Script::ending(End::Hang));
    let pins: Vec<_> = (100..200)
        .map(|number| {
            let kubo = kubo.clone();
            tokio::spawn(async move { pin(&kubo, cid(number)).await })
        })
        .collect();
    assert!(mock.wait_until(LIMIT, |m| m.open_calls(Endpoint::PinAdd) >= 8).await);
    kubo.unpin(cid(1)).await.unwrap();
    mock.script(Endpoint::PinRm, Script::ending(End::Hang));
    let unpins: Vec<_> = (0..20)
        .map(|_| {
            let kubo = kubo.clone();
            tokio::spawn(async move { kubo.unpin(cid(2)).await })
        })
        .collect();
    assert!(mock.wait_until(LIMIT, |m| m.open_calls(Endpoint::PinRm) >= 1).await);
    kubo.id().await.unwrap();
    kubo.pin_status(cid(2), PinDepth::RECURSIVE).await.unwrap();
    assert_eq!(kubo.pin_ls(cluster_core::ports::ipfs_connector::IpfsPinStatus::Recursive).count().await, 1);
    let total = mock.open_calls(Endpoint::PinAdd) + mock.open_calls(Endpoint::PinRm);
    assert!(total <= 16, "{total} calls at once");
    for task in pins.into_iter().chain(unpins) {
        task.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_at_once_stay_within_their_budget() {
    let mock = mock().await;
    let kubo = Kubo::new(KuboConfig { max_connections: 16, ..config(&mock) }).unwrap();
    mock.script(Endpoint::PinAdd, Script::after(Duration::from_millis(10)));
    let outcomes = join_all((0..200).map(|number| pin(&kubo, cid(number)))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let peak = mock.peak_calls(Endpoint::PinAdd);
    assert!((4..=16).contains(&peak), "{peak}");
    assert_eq!(mock.calls(Endpoint::PinAdd), 200);
}

#[tokio::test]
async fn waiting_for_a_turn_counts_towards_the_deadline() {
    let mock = mock().await;
    let ipfs_request_timeout = Duration::from_millis(300);
    let kubo = Kubo::new(KuboConfig { max_connections: 8, ipfs_request_timeout, ..config(&mock) }).unwrap();
    mock.script(Endpoint::RepoStat, Script::ending(End::Hang));
    let started = std::time::Instant::now();
    let outcomes = join_all((0..50).map(|_| kubo.repo_stat())).await;
    assert!(outcomes.iter().all(|o| matches!(o, Err(IpfsError::Timeout { .. }))), "{outcomes:?}");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(mock.peak_calls(Endpoint::RepoStat) <= 8);
    mock.behave();
    kubo.repo_stat().await.unwrap();
}

#[tokio::test]
async fn slow_answers_are_waited_for() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    mock.script(Endpoint::PinAdd, Script::after(Duration::from_secs(2)));
    mock.script(Endpoint::Id, Script::after(Duration::from_secs(2)));
    let (pinned, id) = tokio::join!(pin(&kubo, cid(1)), kubo.id());
    pinned.unwrap();
    id.unwrap();
}

#[tokio::test]
async fn a_daemon_that_dies_and_comes_back_is_used_again() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    mock.script(Endpoint::PinAdd, Script::ending(End::Hang));
    kubo.id().await.unwrap();
    let (first, ()) = tokio::join!(pin(&kubo, cid(1)), async {
        assert!(mock.wait_until(LIMIT, |m| m.open_calls(Endpoint::PinAdd) == 1).await);
        mock.shut();
    });
    let error = first.unwrap_err();
    assert!(matches!(error, IpfsError::Unreachable { .. }), "{error:?}");
    let error = kubo.id().await.unwrap_err();
    let IpfsError::Unreachable { node, path, cause } = error else { panic!("{error:?}") };
    assert_eq!((node, path.as_str()), (mock.api(), "id"));
    assert!(cause.to_lowercase().contains("refused"), "{cause}");
    mock.behave();
    mock.reopen().await.unwrap();
    pin(&kubo, cid(1)).await.unwrap();
}

#[tokio::test]
async fn settings_that_can_never_work_are_refused() {
    let mock = mock().await;
    let refused = |config: KuboConfig| Kubo::new(config).unwrap_err().to_string();
    let zero = KuboConfig { pin_timeout: Duration::ZERO, ..config(&mock) };
    assert_eq!(refused(zero), "pin_timeout must be longer than zero");
    let few = KuboConfig { max_connections: 7, ..config(&mock) };
    assert_eq!(refused(few), "max_connections is 7, but at least 8 are needed");
    let zero = KuboConfig { repogc_timeout: Duration::ZERO, ..config(&mock) };
    assert_eq!(refused(zero), "repogc_timeout must be longer than zero");
    let udp = KuboConfig::new("/ip4/127.0.0.1/udp/5001".parse().unwrap());
    assert!(refused(udp).contains("it has no TCP port after the host"));
    // As good as no limit at all.
    let forever = KuboConfig { ipfs_request_timeout: Duration::MAX, ..config(&mock) };
    Kubo::new(forever).unwrap().id().await.unwrap();
}
