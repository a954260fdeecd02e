use super::*;

/// The table of the reference, written out on its own: name, streaming, policy.
const TABLE: &str = "
Cluster.Alerts U C
Cluster.BandwidthByProtocol U C
Cluster.BlockAllocate U C
Cluster.ConnectGraph U C
Cluster.ID U O
Cluster.IDStream S O
Cluster.IPFSID U C
Cluster.Join U C
Cluster.PeerAdd U O
Cluster.PeerRemove U T
Cluster.Peers S T
Cluster.PeersWithFilter S C
Cluster.Pin U C
Cluster.PinGet U C
Cluster.PinPath U C
Cluster.Pins S C
Cluster.Recover U C
Cluster.RecoverAll S C
Cluster.RecoverAllLocal S T
Cluster.RecoverLocal U T
Cluster.RepoGC U C
Cluster.RepoGCLocal U T
Cluster.SendInformerMetrics U C
Cluster.SendInformersMetrics U C
Cluster.Status U C
Cluster.StatusAll S C
Cluster.StatusAllLocal S C
Cluster.StatusLocal U C
Cluster.Unpin U C
Cluster.UnpinPath U C
Cluster.Version U O
PinTracker.PinQueueSize U C
PinTracker.Recover U T
PinTracker.RecoverAll S C
PinTracker.Status U T
PinTracker.StatusAll S T
PinTracker.Track U C
PinTracker.Untrack U C
IPFSConnector.BlockGet U C
IPFSConnector.BlockStream S T
IPFSConnector.ConfigKey U C
IPFSConnector.Pin U C
IPFSConnector.PinLs S C
IPFSConnector.PinLsCid U C
IPFSConnector.RepoStat U T
IPFSConnector.Resolve U C
IPFSConnector.SwarmPeers U T
IPFSConnector.Unpin U C
Consensus.AddPeer U T
Consensus.LogPin U T
Consensus.LogUnpin U T
Consensus.Peers U C
Consensus.RmPeer U T
PeerMonitor.LatestMetrics U C
PeerMonitor.MetricNames U C
";

fn id(name: &str) -> ServiceId<'_> {
    let (name, method) = name.split_once('.').unwrap();
    ServiceId { name: name.into(), method: method.into() }
}

#[test]
fn kinds_and_policies_are_those_of_the_reference() {
    let rows: Vec<&str> = TABLE.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(rows.len(), 55);
    for row in &rows {
        let [name, kind, policy] = row.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let method = Method::find(&id(name), false).unwrap();
        assert_eq!(method.full_name(), name);
        assert_eq!(method.service_id(), id(name));
        assert_eq!(if method.kind() == MethodKind::Unary { "U" } else { "S" }, kind, "{name}");
        let shown = |follower| match method.policy(follower) {
            Policy::Open => "O",
            Policy::Trusted => "T",
            Policy::Closed => "C",
        };
        assert_eq!(shown(false), policy, "{name}");
        assert_eq!(shown(true), if name == "Cluster.RepoGCLocal" { "C" } else { policy }, "{name}");
    }
    let unlisted: Vec<_> = Method::ALL
        .iter()
        .filter(|method| !rows.iter().any(|row| row.starts_with(method.full_name())))
        .collect();
    assert_eq!(unlisted, [&Method::TrackerStatusAllAfter, &Method::CrdtExchangeHeads]);
    assert!(unlisted.iter().all(|method| method.is_own()));
}

#[test]
fn unknown_names_have_the_texts_of_go() {
    assert_eq!(Method::find(&id("Nope.X"), true).unwrap_err(), "rpc: can't find service Nope");
    assert_eq!(Method::find(&id("Cluster.Nope"), true).unwrap_err(), "rpc: can't find method Nope");
    assert_eq!(Method::find(&id("Cluster.Status"), true), Ok(Method::ClusterStatus));
    assert_eq!(Method::find(&id("PinTracker.Status"), true), Ok(Method::TrackerStatus));
}

#[test]
fn our_own_methods_exist_on_our_own_protocol_only() {
    let statuses = id("PinTracker.StatusAllAfter");
    assert_eq!(Method::find(&statuses, true), Ok(Method::TrackerStatusAllAfter));
    assert_eq!(Method::find(&statuses, false).unwrap_err(), "rpc: can't find method StatusAllAfter");
    assert_eq!(Method::TrackerStatusAllAfter.policy(true), Policy::Trusted);
    let heads = id("Crdt.ExchangeHeads");
    assert_eq!(Method::find(&heads, true), Ok(Method::CrdtExchangeHeads));
    assert_eq!(Method::find(&heads, false).unwrap_err(), "rpc: can't find service Crdt");
    assert_eq!(Method::CrdtExchangeHeads.policy(false), Policy::Open);
}
