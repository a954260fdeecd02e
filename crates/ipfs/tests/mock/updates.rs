//! Pins that are updates of others.

use super::*;
use cluster_testkit::mock_kubo::{End, Endpoint, PinnedAs, Script};

const OLD: u64 = 1;
const NEW: u64 = 2;

async fn update(kubo: &Kubo, depth: PinDepth) -> Result<(), IpfsError> {
    kubo.pin(PinRequest { update_from: Some(cid(OLD)), ..request(cid(NEW), depth) }, ignore()).await
}

fn endpoints(mock: &MockKubo) -> Vec<Endpoint> {
    mock.log().into_iter().map(|(endpoint, _)| endpoint).collect()
}

#[tokio::test]
async fn a_recursive_pin_is_updated_and_stays() {
    for depth in [PinDepth::RECURSIVE, PinDepth(3)] {
        let mock = mock().await;
        let kubo = Kubo::new(config(&mock)).unwrap();
        mock.seed([cid(OLD)], PinnedAs::Recursive);
        update(&kubo, depth).await.unwrap();
        let asked = (Endpoint::PinUpdate, format!("{} {}", cid(OLD), cid(NEW)));
        assert_eq!(mock.log(), [(Endpoint::PinLs, cid(OLD).to_string()), asked]);
        assert_eq!(mock.pinned(&cid(OLD)), Some(PinnedAs::Recursive));
        assert_eq!(mock.pinned(&cid(NEW)), Some(PinnedAs::Recursive));
    }
}

#[tokio::test]
async fn there_is_no_update_without_a_recursive_pin_to_start_from() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    update(&kubo, PinDepth::RECURSIVE).await.unwrap();
    mock.seed([cid(OLD)], PinnedAs::Direct);
    update(&kubo, PinDepth::RECURSIVE).await.unwrap();
    let once = [Endpoint::PinLs, Endpoint::PinAdd];
    assert_eq!(endpoints(&mock), [once, once].concat());
    assert_eq!(mock.pinned(&cid(NEW)), Some(PinnedAs::Recursive));
}

#[tokio::test]
async fn a_direct_pin_is_never_an_update() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    mock.seed([cid(OLD)], PinnedAs::Recursive);
    update(&kubo, PinDepth::DIRECT).await.unwrap();
    assert_eq!(endpoints(&mock), [Endpoint::PinAdd]);
    assert_eq!(mock.pinned(&cid(NEW)), Some(PinnedAs::Direct));
}

#[tokio::test]
async fn what_fails_on_the_way_to_an_update_is_pinned_anew() {
    let other = format!("{{\"Pins\":[\"{}\",\"{}\"]}}\n", cid(OLD), cid(3));
    for (endpoint, end) in [
        (Endpoint::PinLs, End::Error("pinner is busy".to_owned())),
        (Endpoint::PinUpdate, End::Error("merkledag: not found".to_owned())),
        (Endpoint::PinUpdate, End::Garbage(other.into())),
        (Endpoint::PinUpdate, End::Garbage(Vec::new())),
        (Endpoint::PinUpdate, End::Break),
        (Endpoint::PinUpdate, End::Endless("{\"Pins\":[]} ".into())),
        (Endpoint::PinUpdate, End::Hang),
    ] {
        let mock = mock().await;
        // An update that hangs is given up after five of these.
        let kubo =
            Kubo::new(KuboConfig { pin_timeout: Duration::from_millis(300), ..config(&mock) }).unwrap();
        mock.seed([cid(OLD)], PinnedAs::Recursive);
        mock.script(endpoint, Script::ending(end.clone()));
        update(&kubo, PinDepth::RECURSIVE).await.unwrap_or_else(|e| panic!("{end:?}: {e}"));
        assert_eq!(mock.calls(Endpoint::PinAdd), 1, "{end:?}");
        assert_eq!(mock.pinned(&cid(NEW)), Some(PinnedAs::Recursive), "{end:?}");
        assert!(mock.wait_until(LIMIT, |m| m.open_calls(Endpoint::PinUpdate) == 0).await, "{end:?}");
    }
}

#[tokio::test]
async fn an_update_that_takes_longer_than_a_stall_is_waited_for() {
    let mock = mock().await;
    let kubo = Kubo::new(KuboConfig { pin_timeout: Duration::from_secs(1), ..config(&mock) }).unwrap();
    mock.seed([cid(OLD)], PinnedAs::Recursive);
    mock.script(Endpoint::PinUpdate, Script::after(Duration::from_millis(1_500)));
    update(&kubo, PinDepth::RECURSIVE).await.unwrap();
    assert_eq!(mock.calls(Endpoint::PinAdd), 0);
}

#[tokio::test]
async fn the_error_of_the_pin_made_anew_is_the_one_that_counts() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    mock.seed([cid(OLD)], PinnedAs::Recursive);
    mock.script(Endpoint::PinUpdate, Script::ending(End::Error("update".to_owned())));
    mock.script(Endpoint::PinAdd, Script::ending(End::Error("add".to_owned())));
    let error = update(&kubo, PinDepth::RECURSIVE).await.unwrap_err().to_string();
    let path = format!("pin/add?arg={}&recursive=true&progress=true", cid(NEW));
    assert_eq!(error, format!("IPFS error ({path}). Code: 500. Message: add"));
}

#[tokio::test]
async fn dropping_an_update_ends_its_call_and_pins_nothing() {
    let mock = mock().await;
    let kubo = Arc::new(Kubo::new(config(&mock)).unwrap());
    mock.seed([cid(OLD)], PinnedAs::Recursive);
    mock.script(Endpoint::PinUpdate, Script::ending(End::Hang));
    let task = tokio::spawn({
        let kubo = kubo.clone();
        async move { update(&kubo, PinDepth::RECURSIVE).await }
    });
    assert!(mock.wait_until(LIMIT, |m| m.open_calls(Endpoint::PinUpdate) == 1).await);
    task.abort();
    assert!(mock.wait_until(LIMIT, |m| m.open_calls(Endpoint::PinUpdate) == 0).await);
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(mock.calls(Endpoint::PinAdd), 0);
}
