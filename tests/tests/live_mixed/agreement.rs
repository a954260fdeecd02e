//! Pins with every option, from each side: what is stored, what is exported, and what both command lines show.

use crate::settled::until_settled;
use cluster_client::{
    Cid, PinMode, TrackerStatus,
    api_types::{AddrText, CidText, PeerText, Pin, PinOptions, Timestamp},
};
use cluster_tests::mixed::{
    Family, LIMIT, MixedCluster, MixedPeer, Plan, identity_cid, same_json, same_text,
};
use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

/// Characters of each command's output that are shown.
const SHOWN: usize = 1500;

#[tokio::test]
async fn two_and_two_agree() {
    agree(2, 2).await;
}

#[tokio::test]
async fn one_go_peer_and_four_agree() {
    agree(1, 4).await;
}

#[tokio::test]
async fn four_go_peers_and_one_agree() {
    agree(4, 1).await;
}

async fn agree(go: usize, ours: usize) {
    let Some(mut cluster) = MixedCluster::start(&Plan::new(go, ours)).await.unwrap() else { return };
    until_metrics(&cluster).await;
    let mut entries = 0;
    for number in 0..cluster.peers.len() {
        entries += options_round_trip(&cluster, number).await;
    }
    entries += pinned_by_command(&cluster);
    entries += real_content(&cluster).await;
    cluster.until_equal(LIMIT, |pins| pins.len() == entries).await.unwrap();
    until_settled(&cluster).await.unwrap();
    commands_agree(&cluster);
    unpinned_by_the_others(&cluster).await;
    assert!(cluster.stop_and_compare().unwrap() > 0);
}

/// Waits until every peer can be chosen by every other.
async fn until_metrics(cluster: &MixedCluster) {
    let count = cluster.peers.len();
    for metric in ["ping", "freespace", "tag:group"] {
        let look = async |peer: &MixedPeer| Ok(peer.client.metrics(metric).await?.len());
        let what = format!("all see every {metric}");
        cluster.converge(&what, LIMIT, look, |seen| seen.iter().all(|n| *n == count)).await.unwrap();
    }
}

/// Options of every kind, and all of them at once; what expires does so then.
pub(crate) fn matrix(cluster: &MixedCluster, expire_at: Timestamp) -> Vec<PinOptions> {
    let peers = &cluster.peers;
    let chosen = |of: &[usize]| Some(of.iter().map(|n| PeerText::from(peers[*n].service.id())).collect());
    let origins = cluster.kubos[..2].iter().map(|kubo| {
        let addresses = kubo.ipfs(&["id", "--format=<addrs>"]).unwrap();
        AddrText::from(addresses.lines().next().unwrap())
    });
    let origins = Some(origins.collect());
    let metadata = [("colour", "blue & green=?#%25"), ("ключ", "значение"), ("nothing", "")];
    let metadata = Some(metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    let last = peers.len() - 1;
    let none = PinOptions::default;
    let factors =
        |min, max| PinOptions { replication_factor_min: min, replication_factor_max: max, ..none() };
    vec![
        none(),
        PinOptions { name: "näme \"of\" a/pin, with ☂ & <signs>".into(), ..none() },
        PinOptions { metadata: Clone::clone(&metadata), ..none() },
        PinOptions { expire_at, ..none() },
        PinOptions { origins: Clone::clone(&origins), ..none() },
        PinOptions { mode: PinMode::Direct, ..none() },
        factors(1, 3),
        factors(2, 2),
        factors(-1, -1),
        PinOptions { user_allocations: chosen(&[0, last]), ..factors(2, 2) },
        PinOptions { user_allocations: chosen(&[last]), ..factors(1, 1) },
        PinOptions {
            name: "everything".into(),
            mode: PinMode::Direct,
            user_allocations: chosen(&[1]),
            expire_at,
            metadata,
            origins,
            ..factors(1, 2)
        },
    ]
}

/// Pins through one peer with all options; everybody must tell the same bytes, and what was asked for. Returns the
/// number of pins made.
async fn options_round_trip(cluster: &MixedCluster, number: usize) -> usize {
    let peer = &cluster.peers[number];
    let mut asked: BTreeMap<String, (PinOptions, Pin)> = BTreeMap::new();
    let tomorrow = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 24 * 3600;
    let tomorrow = Timestamp::from_unix(i64::try_from(tomorrow).unwrap(), 0);
    for (index, options) in matrix(cluster, tomorrow).into_iter().enumerate() {
        let cid = identity_cid(&format!("option {index} by {number}")).unwrap();
        let stored = peer.pin(&cid, &options).await.unwrap();
        asked.insert(cid.to_string(), (options, stored));
    }
    // One that replaces another takes over what is not said again.
    let replaced = identity_cid(&format!("option 2 by {number}")).unwrap();
    let options = PinOptions {
        name: "the next".into(),
        pin_update: Some(CidText::from(&replaced)),
        ..PinOptions::default()
    };
    let cid = identity_cid(&format!("update by {number}")).unwrap();
    let stored = peer.pin(&cid, &options).await.unwrap();
    assert_eq!(stored.options.pin_update, options.pin_update, "{}", peer.name);
    assert_eq!(stored.options.metadata, asked[&replaced.to_string()].0.metadata, "{}", peer.name);
    asked.insert(cid.to_string(), (stored.options.clone(), stored));

    let pins =
        cluster.until_equal(LIMIT, |pins| asked.keys().all(|cid| pins.contains_key(cid))).await.unwrap();
    for (cid, (options, stored)) in &asked {
        let told: Pin = serde_json::from_str(&pins[cid]).unwrap();
        assert_eq!(told.allocations, stored.allocations, "{} about {cid}", peer.name);
        let mut wanted = Clone::clone(options);
        // Nothing given means the cluster's factors, by default everywhere; who was asked for is not stored.
        if wanted.replication_factor_min == 0 {
            (wanted.replication_factor_min, wanted.replication_factor_max) = (-1, -1);
        }
        let chosen = wanted.user_allocations.take();
        // No origins are told as an empty list.
        wanted.origins.get_or_insert_default();
        assert_eq!(told.options, wanted, "{} about {cid}", peer.name);
        let holders = told.allocations.unwrap_or_default();
        match usize::try_from(told.options.replication_factor_max) {
            Ok(most) => assert_eq!(holders.len(), most, "{cid}"),
            Err(_) => assert!(holders.is_empty(), "{cid}"),
        }
        for peer in chosen.unwrap_or_default() {
            assert!(holders.contains(&peer), "{peer} was asked for, {holders:?} hold {cid}");
        }
    }
    println!("{}: {} pins with all options are the same everywhere", peer.name, asked.len());
    asked.len()
}

/// Pins through each family by the other family's ctl, with its flags.
fn pinned_by_command(cluster: &MixedCluster) -> usize {
    let [go_ctl, our_ctl] = &cluster.ctls;
    let pairs = [(Family::Go, our_ctl), (Family::Ours, go_ctl)];
    for (number, (family, ctl)) in pairs.into_iter().enumerate() {
        let peer = &cluster.peers[cluster.of(family)[0]];
        let cid = identity_cid(&format!("by command {number}")).unwrap().to_string();
        let flags = ["--name", "by command", "--rmin", "1", "--rmax", "2", "--mode", "direct"];
        let more = ["--expire-in", "10h", "--metadata", "a=b", "--metadata", "c=d", "--allocations"];
        let arguments = [&["pin", "add"][..], &flags, &more, &[peer.service.id(), &cid]].concat();
        println!("{}", peer.ctl(ctl, &arguments).unwrap());
        let told: Pin =
            serde_json::from_slice(&peer.ask(&format!("/allocations/{cid}")).unwrap().body).unwrap();
        assert_eq!(told.options.name, "by command");
        assert_eq!((told.options.replication_factor_min, told.options.replication_factor_max), (1, 2));
        assert_eq!(told.options.metadata.as_ref().unwrap().len(), 2);
        assert_eq!(told.options.mode, PinMode::Direct);
        assert!(!told.options.expire_at.is_zero());
        assert!(told.allocations.as_ref().unwrap().contains(&PeerText::from(peer.service.id())));
        let next = identity_cid(&format!("updated by command {number}")).unwrap().to_string();
        println!("{}", peer.ctl(ctl, &["pin", "update", "--name", "the next", &cid, &next]).unwrap());
        let updated: Pin =
            serde_json::from_slice(&peer.ask(&format!("/allocations/{next}")).unwrap().body).unwrap();
        assert_eq!(updated.options.name, "the next");
        assert_eq!(updated.options.pin_update, Some(CidText::from(cid)));
        assert_eq!(updated.allocations, told.allocations);
    }
    2 * pairs.len()
}

/// Pins what only one Kubo has, through a peer of the other family.
async fn real_content(cluster: &MixedCluster) -> usize {
    let sides = [Family::Go, Family::Ours].map(|family| cluster.of(family)[0]);
    for (from, to) in [(sides[0], sides[1]), (sides[1], sides[0])] {
        let cid = cluster.add(to, 1 << 20).unwrap();
        cluster.peers[from].pin(&cid, &PinOptions::default()).await.unwrap();
        cluster.until_statuses(&cid, &vec![TrackerStatus::Pinned; cluster.peers.len()]).await.unwrap();
        for kubo in &cluster.kubos {
            assert_eq!(kubo.read_offline(&cid.to_string()).unwrap().len(), 1 << 20);
        }
    }
    2
}

/// Runs both command lines against all peers: all must say the same.
fn commands_agree(cluster: &MixedCluster) {
    let cid = identity_cid("option 7 by 0").unwrap().to_string();
    let texts: [&[&str]; 6] = [
        &["status"],
        &["status", &cid],
        &["peers", "ls"],
        &["pin", "ls"],
        &["pin", "ls", &cid],
        &["health", "metrics"],
    ];
    for arguments in texts {
        compare(cluster, arguments, same_text);
    }
    let objects: [&[&str]; 5] =
        [&["status"], &["status", &cid], &["peers", "ls"], &["pin", "ls"], &["pin", "ls", &cid]];
    for arguments in objects {
        let arguments = [&["--enc", "json"], arguments].concat();
        compare(cluster, &arguments, |text| same_json(text).unwrap());
    }
    // The drawing marks whom one asked: of one peer both draw the same, and all peers tell the same to draw.
    let mut graphs = Vec::new();
    for peer in &cluster.peers {
        let [go, ours] =
            cluster.ctls.each_ref().map(|ctl| same_text(&peer.ctl(ctl, &["health", "graph"]).unwrap()));
        assert_eq!(go, ours);
        assert!(go.iter().filter(|line| line.contains("->")).count() > cluster.peers.len(), "{go:#?}");
        let graph = String::from_utf8(peer.ask("/health/graph").unwrap().body).unwrap();
        graphs.push(same_json(&graph).unwrap());
    }
    assert!(graphs.iter().all(|graph| *graph == graphs[0]), "{graphs:#?}");
    println!("both ctls draw the same graph of all peers");
}

fn compare(cluster: &MixedCluster, arguments: &[&str], form: impl Fn(&str) -> Vec<String>) {
    let mut first: Option<Vec<String>> = None;
    for peer in &cluster.peers {
        for (ctl, whose) in cluster.ctls.iter().zip(["Go's", "our"]) {
            let text = peer.ctl(ctl, arguments).unwrap();
            let lines = form(&text);
            assert!(!lines.is_empty() && !text.contains("ERROR"), "{text}");
            let Some(first) = &first else {
                let start: String = text.chars().take(SHOWN).collect();
                println!("$ {whose} ctl {} ({})\n{start}", arguments.join(" "), peer.name);
                first = Some(lines);
                continue;
            };
            let differ: Vec<_> = lines
                .iter()
                .filter(|line| !first.contains(line))
                .chain(first.iter().filter(|line| !lines.contains(line)))
                .collect();
            assert!(
                lines == *first,
                "{whose} ctl {arguments:?} against {} says otherwise: {:#?}",
                peer.name,
                &differ[..differ.len().min(8)]
            );
        }
    }
    println!("both ctls say the same of all peers: {}", arguments.join(" "));
}

/// Unpins through each peer what another family's peer pinned.
async fn unpinned_by_the_others(cluster: &MixedCluster) {
    let mut gone = Vec::new();
    for (number, peer) in cluster.peers.iter().enumerate() {
        let family = if peer.family == Family::Go { Family::Ours } else { Family::Go };
        let other = &cluster.peers[cluster.of(family)[0]];
        for index in 0..6 {
            let cid: Cid = identity_cid(&format!("option {index} by {number}")).unwrap();
            other.unpin(&cid).await.unwrap();
            gone.push(cid);
        }
    }
    cluster
        .until_equal(LIMIT, |pins| gone.iter().all(|cid| !pins.contains_key(&cid.to_string())))
        .await
        .unwrap();
    for cid in [&gone[0], &gone[gone.len() - 1]] {
        cluster.until_statuses(cid, &vec![TrackerStatus::Unpinned; cluster.peers.len()]).await.unwrap();
    }
    until_settled(cluster).await.unwrap();
}
