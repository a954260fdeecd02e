//! A session of a Go peer, recorded: what it publishes, what it answers, and what it tells its own users. Replayed to a
//! peer of ours at once, and by every test run from the file that `CLUSTER_RECORD` (a folder) makes of it.

use crate::{agreement::matrix, settled::until_settled};
use cluster_client::api_types::{PinOptions, Timestamp};
use cluster_testkit::{
    hostile::{Call, Heard, RawPeer, Session},
    stored::StoredState,
};
use cluster_tests::{
    calls::METHODS,
    mixed::{LIMIT, MixedCluster, Plan, identity_cid},
    replay::{recorded, replay, status_path},
};
use data_encoding::HEXLOWER;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

const POLL: Duration = Duration::from_millis(300);

/// Metrics of every peer: ping, free space, queue, group.
const METRICS: usize = 4;

/// CIDs that all peers pin at the same time, each with a name of its own.
const CONTESTED: usize = 12;

/// The end of 2199, in seconds: a session outlives what would expire.
const FAR: i64 = 7_258_118_399;

/// What every peer may ask another one, besides the status of a CID.
const ASKED: [&str; 6] = [
    "Cluster.ID",
    "Cluster.IDStream",
    "Cluster.Version",
    "PinTracker.StatusAll",
    "IPFSConnector.SwarmPeers",
    "IPFSConnector.RepoStat",
];

// Several threads: questions wait for their answers on the test's own.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_recorded_and_replayed() {
    // The Go peer is reached from here too, and known to the recorder alone by that address.
    let Some(mut cluster) = MixedCluster::start(&Plan::new(2, 1).reached_from_here(0)).await.unwrap() else {
        return;
    };
    let secret = cluster.secret().to_owned();
    let played = &cluster.peers[0];
    let recorder = RawPeer::meet(&secret, &cluster.address_from_here(0)).await.unwrap();

    let expires = Timestamp::from_unix(FAR, 0);
    let mut pinned = 0;
    for peer in &cluster.peers {
        for (index, options) in matrix(&cluster, expires).into_iter().enumerate() {
            let cid = identity_cid(&format!("{} pins option {index}", peer.name)).unwrap();
            peer.pin(&cid, &options).await.unwrap();
            pinned += 1;
        }
    }
    for number in 0..CONTESTED {
        let cid = identity_cid(&format!("contested {number}")).unwrap();
        let pins = cluster.peers.iter().map(|peer| async move {
            let options = PinOptions { name: format!("as {} wants", peer.name), ..PinOptions::default() };
            peer.pin(&cid, &options).await.unwrap();
            // Half of them are taken back by one while others go on.
            if number % 2 == 1 && peer.kubo == number % 3 {
                peer.unpin(&cid).await.unwrap();
            }
        });
        futures_util::future::join_all(pins).await;
    }
    let content = cluster.add(1, 1 << 16).unwrap();
    played.pin(&content, &PinOptions::default()).await.unwrap();
    pinned += 1;
    cluster.until_equal(LIMIT, |pins| pins.len() >= pinned + CONTESTED / 2).await.unwrap();
    until_settled(&cluster).await.unwrap();

    let mut told = BTreeMap::new();
    let mut tell = |path: String| {
        let body = String::from_utf8(played.ask(&path).unwrap().body).unwrap();
        told.insert(path, body);
    };
    let pinset = played.pinset().unwrap();
    ["/allocations", "/pins?local=true", "/id"].into_iter().for_each(|path| tell(path.to_owned()));
    pinset.keys().for_each(|cid| tell(status_path(cid)));

    let mut calls = Vec::new();
    for name in ASKED {
        calls.push(ask(&recorder, name, &content).await);
    }
    for cid in pinset.keys() {
        calls.push(ask(&recorder, "PinTracker.Status", &cid.parse().unwrap()).await);
    }
    let deadline = Instant::now() + LIMIT;
    let metrics = loop {
        let metrics = metrics_of(&recorder, played.service.id());
        if metrics.len() >= METRICS {
            break metrics;
        }
        assert!(Instant::now() < deadline, "{} metrics were told", metrics.len());
        tokio::time::sleep(POLL).await;
    };
    let heads = recorder.heard().into_iter().filter_map(|(_, what)| match what {
        Heard::Heads(bytes) => Some(HEXLOWER.encode(&bytes)),
        Heard::Metric(_) => None,
    });
    let heads = heads.collect();
    drop(recorder);
    cluster.stop_and_compare().unwrap();

    let key = std::fs::read(cluster.peers[0].service.base().join("identity.json")).unwrap();
    let identity: serde_json::Value = serde_json::from_slice(&key).unwrap();
    let ours = cluster.peers.iter().find(|peer| peer.name.starts_with("ours")).unwrap();
    let session = Session {
        about: "What a Go peer said in a cluster of two Go peers and one of this suite.".to_owned(),
        secret,
        key: identity["private_key"].as_str().unwrap().to_owned(),
        heads,
        metrics: metrics.into_values().collect(),
        blocks: StoredState::read(ours.service.base())
            .unwrap()
            .blocks()
            .iter()
            .map(|block| HEXLOWER.encode(block))
            .collect(),
        calls,
        told,
        export: cluster.peers[0].export().unwrap(),
    };
    println!(
        "recorded: {} broadcasts of heads, {} metrics, {} blocks, {} calls, {} entries",
        session.heads.len(),
        session.metrics.len(),
        session.blocks.len(),
        session.calls.len(),
        session.export.len()
    );
    let asked = replay(&session).await.unwrap();
    println!("replayed: {asked:?}");
    if let Some(folder) = std::env::var_os("CLUSTER_RECORD").map(PathBuf::from) {
        session.write(&folder.join(recorded().file_name().unwrap())).unwrap();
    }
}

/// Returns the last one of each metric that a peer told, by what is written before whose it is: the name.
fn metrics_of(recorder: &RawPeer, peer: &str) -> BTreeMap<Vec<u8>, String> {
    let told = recorder.heard().into_iter().filter_map(|(author, what)| match what {
        Heard::Metric(bytes) if author.to_string() == peer => {
            let name = bytes.windows(3).position(|window| window == b"\xa1p\xda").unwrap();
            Some((bytes[..name].to_vec(), HEXLOWER.encode(&bytes)))
        }
        _ => None,
    });
    told.collect()
}

/// Makes one call and takes down both sides of it.
async fn ask(recorder: &RawPeer, name: &str, cid: &cluster_client::Cid) -> Call {
    let method = METHODS.iter().find(|method| method.name == name).unwrap();
    let call = method.call(cid, &[]);
    let reply = recorder.call(RawPeer::CALLS, &call, method.streams).await.unwrap();
    Call { call: HEXLOWER.encode(&call), reply: HEXLOWER.encode(&reply) }
}
