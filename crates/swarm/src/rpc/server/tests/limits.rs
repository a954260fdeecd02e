//! How long the local peer may take.

use super::*;
use crate::rpc::fixtures::encoded;
use tokio::time::Instant;

/// Callers of single answers give up after this.
const CALLERS_WAIT: Duration = Duration::from_secs(15);

/// Blocks may be stored this slowly.
const BLOCKS_TAKE: Duration = Duration::from_secs(10 * 60);

fn late(method: Method, after: Duration) -> (String, i64) {
    let name = method.full_name();
    (format!("context deadline exceeded: no answer to {name} within {}s", after.as_secs()), 0)
}

#[tokio::test(start_paused = true)]
async fn a_local_peer_that_hangs_is_waited_for_shortly_and_the_caller_told() {
    let hanging = FakePeer { mood: Mood::Hangs, ..FakePeer::new() };
    let server = server(hanging);
    for (name, argument) in [
        ("Cluster.ID", "80"),
        ("Cluster.IDStream", ""),
        ("PinTracker.Status", "da0024<C1>"),
        ("PinTracker.Recover", "da0024<C1>"),
        ("PinTracker.StatusAll", "00"),
        ("Cluster.RecoverAllLocal", ""),
        ("Consensus.LogPin", "82a163da0024<C1>a17402"),
    ] {
        let start = Instant::now();
        let answer = ask(&server, name, argument).await;
        let method = *Method::ALL.iter().find(|method| method.full_name() == name).unwrap();
        assert_eq!(error_of(&answer), late(method, Duration::from_secs(14)));
        assert!(start.elapsed() < CALLERS_WAIT, "{name}");
    }
    // One that asks others first has a little more, and garbage as long as it takes.
    let answer = ask(&server, "Cluster.PeerAdd", "da0026<B>").await;
    assert_eq!(error_of(&answer), late(Method::ClusterPeerAdd, Duration::from_secs(20)));
    assert!(Method::ClusterRepoGcLocal.time_limit() >= Duration::from_secs(24 * 60 * 60));
}

#[tokio::test(start_paused = true)]
async fn a_caller_of_all_statuses_that_keeps_its_side_open_is_told_as_well() {
    let server = server(FakePeer { mood: Mood::Hangs, ..FakePeer::new() });
    let answer = exchange(&server, GO_PROTOCOL, &call("PinTracker.StatusAll", "00"), false).await;
    assert_eq!(error_of(&answer), late(Method::TrackerStatusAll, Duration::from_secs(14)));
}

#[tokio::test(start_paused = true)]
async fn all_statuses_that_stop_half_way_end_in_an_error() {
    for mood in [Mood::HangsAfterOnePage, Mood::FailsAfterOnePage] {
        let stalls = mood == Mood::HangsAfterOnePage;
        let server = server(FakePeer { mood, ..FakePeer::new() });
        let answer = ask(&server, "PinTracker.StatusAll", "00").await;
        // Three items, each after its header, then the error.
        let mut good = Encoder::default();
        for number in 0..3 {
            write_success(&mut good, &Method::TrackerStatusAll.service_id());
            good.encoded(&encoded(&status(number)));
        }
        let rest = answer.strip_prefix(good.bytes()).unwrap();
        let wanted = if stalls {
            late(Method::TrackerStatusAll, Duration::from_secs(14))
        } else {
            ("the store failed".to_owned(), 0)
        };
        assert_eq!(error_of(rest), wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn blocks_that_nobody_stores_are_not_waited_for_for_ever() {
    let server = server(FakePeer { mood: Mood::Hangs, ..FakePeer::new() });
    let start = Instant::now();
    let answer = exchange(&server, GO_PROTOCOL, &call("IPFSConnector.BlockStream", ""), true).await;
    assert_eq!(error_of(&answer), late(Method::IpfsBlockStream, BLOCKS_TAKE));
    assert!(start.elapsed() < BLOCKS_TAKE + CALLERS_WAIT);
}
