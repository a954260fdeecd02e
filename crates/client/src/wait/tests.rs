use super::*;
use TrackerStatus as S;
use cluster_api_types::PinInfoShort;

fn info(statuses: &[S]) -> GlobalPinInfo {
    let short = |status| PinInfoShort {
        peername: String::new(),
        ipfs_peer_id: None,
        ipfs_peer_addresses: None,
        status,
        timestamp: Default::default(),
        error: "boom".into(),
        attempt_count: 0,
        priority_pin: false,
    };
    let peers = statuses.iter().enumerate().map(|(n, s)| (format!("p{n}").into(), short(*s))).collect();
    GlobalPinInfo { peer_map: Some(peers), ..GlobalPinInfo::default() }
}

fn wait(target: S, limit: usize) -> WaitFor {
    WaitFor { limit, ..WaitFor::new("bafkqaaa".parse().unwrap(), target) }
}

#[test]
fn limits_and_remote_peers() {
    assert!(wait(S::Pinned, 0).look(&info(&[S::Pinned, S::Remote])).is_enough());
    assert!(!wait(S::Pinned, 0).look(&info(&[S::Pinned, S::Pinning])).is_enough());
    assert!(wait(S::Pinned, 1).look(&info(&[S::Pinned, S::PinError])).is_enough());
    assert!(!wait(S::Pinned, 2).look(&info(&[S::Pinned, S::PinError])).is_enough());
    assert!(wait(S::Pinned, 9).look(&info(&[S::Pinned, S::Pinned])).is_enough());
    assert!(!wait(S::Unpinned, 0).look(&info(&[S::Unpinned, S::Remote])).is_enough());
    assert!(!wait(S::Pinned, 0).look(&info(&[])).is_enough());
    // More than shall pin it would never come.
    assert!(wait(S::Pinned, 3).look(&info(&[S::Pinned, S::Remote, S::Pinned])).is_enough());
    assert!(!wait(S::Pinned, 3).look(&info(&[S::Pinned, S::Remote, S::Pinning])).is_enough());
    assert!(!wait(S::Unpinned, 2).look(&info(&[S::Unpinned, S::Remote])).is_enough());
}

#[test]
fn errors_end_the_wait_only_when_they_last() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let wait = wait(S::Pinned, 0);
    let mut errors = Errors::default();
    assert!(errors.on_poll(&wait, &info(&[S::PinError]), at(0)).is_none());
    assert!(errors.on_poll(&wait, &info(&[S::PinError]), at(9)).is_none());
    assert!(errors.on_poll(&wait, &info(&[S::Pinning]), at(9)).is_none());
    assert!(errors.on_poll(&wait, &info(&[S::PinError]), at(10)).is_none());
    let failure = errors.on_poll(&wait, &info(&[S::PinError]), at(20)).unwrap();
    assert_eq!(
        failure.to_string(),
        "error has occurred while attempting to reach status: pinned (p0: pin_error: boom)"
    );
}

#[test]
fn with_a_limit_errors_end_the_wait_only_when_too_few_others_are_left() {
    let start = Instant::now();
    let fails = |limit, statuses: &[S]| {
        let wait = wait(S::Pinned, limit);
        let mut errors = Errors::default();
        assert!(errors.on_poll(&wait, &info(statuses), start).is_none());
        errors.on_poll(&wait, &info(statuses), start + wait.patience).is_some()
    };
    assert!(!fails(2, &[S::Pinned, S::Pinning, S::ClusterError, S::Remote]));
    assert!(!fails(1, &[S::Pinning, S::PinError, S::ClusterError]));
    assert!(fails(2, &[S::Pinned, S::PinError, S::ClusterError, S::Remote]));
    assert!(fails(3, &[S::Pinned, S::Pinning, S::ClusterError, S::Remote]));
    assert!(fails(9, &[S::Pinned, S::Pinning, S::ClusterError]));
    assert!(fails(0, &[S::Pinned, S::Pinning, S::ClusterError]));
}

#[test]
fn no_state_that_stays_is_waited_on_for_ever() {
    let start = Instant::now();
    for statuses in [&[S::UnexpectedlyUnpinned][..], &[S::Undefined], &[S::ClusterError], &[]] {
        let wait = wait(S::Pinned, 0);
        let mut errors = Errors::default();
        assert!(errors.on_poll(&wait, &info(statuses), start).is_none());
        assert!(errors.on_poll(&wait, &info(statuses), start + wait.patience).is_some(), "{statuses:?}");
    }
}

#[test]
fn without_patience_the_first_error_counts() {
    let wait = WaitFor { patience: Duration::ZERO, ..wait(S::Pinned, 0) };
    assert!(Errors::default().on_poll(&wait, &info(&[S::Pinned, S::PinError]), Instant::now()).is_some());
}
