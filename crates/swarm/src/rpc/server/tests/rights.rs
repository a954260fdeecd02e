//! Who gets an answer from which method, and that no answer holds what ends a Go daemon.

use super::*;

/// Returns an argument that a method of the network takes; `None` for one without any.
fn good_argument(method: Method) -> Option<&'static str> {
    match method {
        Method::ClusterIdStream
        | Method::ClusterPeers
        | Method::ClusterRecoverAllLocal
        | Method::IpfsBlockStream => None,
        Method::TrackerStatusAll => Some("00"),
        Method::TrackerStatusAllAfter => Some("82a16600a161da0024<C1>"),
        Method::ClusterPeerAdd
        | Method::ClusterPeerRemove
        | Method::ConsensusAddPeer
        | Method::ConsensusRmPeer => Some("da0026<B>"),
        Method::ClusterRecoverLocal | Method::TrackerRecover | Method::TrackerStatus => Some("da0024<C1>"),
        Method::ConsensusLogPin | Method::ConsensusLogUnpin => Some("82a163da0024<C1>a17402"),
        Method::CrdtExchangeHeads => Some("a3010203"),
        // Nothing is wanted, or nobody gets as far as an argument.
        _ => Some("80"),
    }
}

/// Checks that an answer is a good one: pairs of a header without an error and a value that is not nil.
fn assert_good(answer: &[u8], method: Method) {
    let all = Plain::read_all_of(answer);
    match method.kind() {
        MethodKind::Unary => assert_eq!(all.len(), 2, "{method:?}"),
        MethodKind::Streaming => assert_eq!(all.len() % 2, 0, "{method:?}"),
    }
    for pair in all.chunks(2) {
        assert_eq!((pair[0].field("Error"), pair[0].field("ErrType")), (None, None), "{method:?}");
        assert_ne!(pair[1], Plain::Nil, "{method:?} sends nil, which ends a Go daemon");
    }
}

#[tokio::test(start_paused = true)]
async fn only_who_may_is_answered_and_whoever_may_is() {
    let mut answered = Vec::new();
    for (follower, trusted) in [(false, false), (false, true), (true, false), (true, true)] {
        let peer = Arc::new(FakePeer::new());
        let server = RpcServer::new(peer.clone(), Arc::new(move |_| trusted), follower);
        let mut count = 0;
        for method in Method::ALL.iter().filter(|method| !method.is_own()) {
            let argument = good_argument(*method).unwrap_or_default();
            let answer = ask(&server, method.full_name(), argument).await;
            let allowed = match method.policy(follower) {
                Policy::Open => true,
                Policy::Trusted => trusted,
                Policy::Closed => false,
            };
            if allowed {
                assert_good(&answer, *method);
                count += 1;
            } else {
                let text = format!("client does not have permissions to call {}", method.full_name());
                assert_eq!(error_of(&answer), (text, 3), "{method:?}");
            }
        }
        answered.push(count);
        assert_eq!(peer.logged.lock().unwrap().len(), if trusted { 2 } else { 0 });
    }
    // Open: 4; trusted: 15, one of them closed on a follower.
    assert_eq!(answered, [4, 19, 4, 18]);
}

#[tokio::test(start_paused = true)]
async fn of_a_peer_that_is_not_trusted_not_even_an_argument_is_wanted() {
    let strangers = RpcServer::new(Arc::new(FakePeer::new()), Arc::new(|_| false), false);
    let text = "client does not have permissions to call Consensus.LogPin".to_owned();
    assert_eq!(error_of(&ask(&strangers, "Consensus.LogPin", "").await), (text, 3));
}

#[tokio::test(start_paused = true)]
async fn no_value_of_a_good_answer_is_nil_however_little_there_is_to_say() {
    let nobody = FakePeer {
        info: PeerInfo {
            addresses: vec![],
            cluster_peers: vec![],
            version: String::new(),
            rpc_protocol_version: String::new(),
            peername: String::new(),
            ipfs: Err(String::new()),
            ..crate::rpc::fake_peer::info()
        },
        peers: vec![],
        statuses: vec![],
        swarm: vec![],
        ..FakePeer::new()
    };
    let server = server(nobody);
    for method in Method::ALL.iter().filter(|method| method.policy(false) != Policy::Closed) {
        let call = call(method.full_name(), good_argument(*method).unwrap_or_default());
        let streaming = method.kind() == MethodKind::Streaming;
        assert_good(&exchange(&server, OUR_PROTOCOL, &call, streaming).await, *method);
    }
}
