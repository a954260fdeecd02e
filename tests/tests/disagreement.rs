//! Peers whose settings do not fit together: the log of each says what is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use cluster_testkit::{
    mock_kubo::MockKubo,
    service::{Programs, Service},
};
use cluster_tests::cluster::random_secret;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const LIMIT: Duration = Duration::from_secs(90);

/// Words of the log lines.
const NOT_TRUSTED: &str = "this peer trusts a member that does not trust it";
const NOT_TAKEN: &str = "what this peer says of the pinset is not taken";
const OTHER_TOPIC: &str = "takes no part in our pinset";
const OTHER_SECRET: &str = "the cluster secret over there is another one than ours";
const START: &str = "settings that all peers of the cluster should share";

/// A peer with an IPFS daemon that answers and holds nothing.
struct Loner {
    peer: Service,
    _ipfs: MockKubo,
}

impl Loner {
    async fn start(
        program: &Path,
        base: PathBuf,
        secret: &str,
        more: &[(&str, &str)],
        joins: Option<&Self>,
    ) -> Self {
        let ipfs = MockKubo::start().await.unwrap();
        let mut variables = vec![
            ("CLUSTER_SECRET", secret),
            ("CLUSTER_PEERWATCHINTERVAL", "500ms"),
            ("CLUSTER_MONITORPINGINTERVAL", "1s"),
            ("CLUSTER_CRDT_REBROADCASTINTERVAL", "1s"),
        ];
        variables.extend(more);
        let mut peer = Service::init(program, &base, &ipfs.api(), &variables).unwrap();
        peer.join(&joins.map(|other| other.peer.swarm_address()).into_iter().collect::<Vec<_>>());
        peer.start().unwrap();
        Self { peer, _ipfs: ipfs }
    }

    /// Returns the lines of the log with these words.
    fn told(&self, words: &str) -> Vec<String> {
        self.peer.log_text().lines().filter(|line| line.contains(words)).map(str::to_owned).collect()
    }

    /// Waits for a line of the log with these words that names a peer; there is only one.
    async fn tells(&self, words: &str, of: &Self) {
        let deadline = Instant::now() + LIMIT;
        while self.told(words).is_empty() {
            assert!(Instant::now() < deadline, "{words:?} is not told\n{}", self.peer.log_text());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let told = self.told(words);
        println!("{told:?}");
        assert!(told.len() == 1 && told[0].contains(of.peer.id()), "{told:?}");
    }
}

/// Has peers of ours meet peers run by `program` whose settings are others.
async fn disagreements_with(program: &Path) {
    let ours = Programs::build().unwrap().service;
    let folder = tempfile::tempdir().unwrap();
    let base = |name: &str| folder.path().join(name);
    let secret = random_secret().unwrap();

    // Whoever has a list also trusts whom it joins: this one is joined.
    let nobody = [("CLUSTER_CRDT_TRUSTEDPEERS", "")];
    let alone = Loner::start(program, base("alone"), &secret, &nobody, None).await;
    let trusting = Loner::start(&ours, base("trusting"), &secret, &[], Some(&alone)).await;
    trusting.tells(NOT_TRUSTED, &alone).await;

    let named = [("CLUSTER_CRDT_CLUSTERNAME", "another")];
    let other = Loner::start(program, base("other"), &secret, &named, None).await;
    let joining = Loner::start(&ours, base("joining"), &secret, &[], Some(&other)).await;
    joining.tells(OTHER_TOPIC, &other).await;
    assert_eq!(joining.told(START).len(), 1);
    assert!(joining.told(START)[0].contains("cluster_name=\"ipfs-cluster\" trusted=everyone"));
    assert!(trusting.told(OTHER_TOPIC).is_empty() && joining.told(NOT_TRUSTED).is_empty());

    let stranger = Loner::start(program, base("stranger"), &random_secret().unwrap(), &[], None).await;
    let knocking = Loner::start(&ours, base("knocking"), &secret, &[], Some(&stranger)).await;
    let deadline = Instant::now() + LIMIT;
    while knocking.told("cluster.secret").is_empty() {
        assert!(Instant::now() < deadline, "the secret is not named\n{}", knocking.peer.log_text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn trust_topic_and_secret_are_told() {
    let program = Programs::build().unwrap().service;
    disagreements_with(&program).await;
}

#[tokio::test]
async fn trust_topic_and_secret_are_told_of_a_go_peer() {
    let Some(bin) = std::env::var_os("CLUSTER_GO_BIN").map(PathBuf::from) else {
        println!("skipped: CLUSTER_GO_BIN names no folder");
        return;
    };
    disagreements_with(&bin.join("ipfs-cluster-service")).await;
}

#[tokio::test]
async fn both_sides_of_one_sided_trust_and_of_another_secret_are_told() {
    let program = Programs::build().unwrap().service;
    let folder = tempfile::tempdir().unwrap();
    let base = |name: &str| folder.path().join(name);
    let secret = random_secret().unwrap();
    let nobody = [("CLUSTER_CRDT_TRUSTEDPEERS", "")];
    let distrusts = Loner::start(&program, base("distrusts"), &secret, &nobody, None).await;
    let trusts = Loner::start(&program, base("trusts"), &secret, &[], Some(&distrusts)).await;
    let cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    let ctl = std::process::Command::new(Programs::build().unwrap().ctl)
        .args(["--host", trusts.peer.rest(), "pin", "add", "--no-status", cid])
        .output()
        .unwrap();
    assert!(ctl.status.success(), "{ctl:?}");
    trusts.tells(NOT_TRUSTED, &distrusts).await;
    distrusts.tells(NOT_TAKEN, &trusts).await;
    assert!(distrusts.told(START)[0].contains("trusted=[]"));

    let stranger =
        Loner::start(&program, base("stranger"), &random_secret().unwrap(), &[], Some(&trusts)).await;
    let deadline = Instant::now() + LIMIT;
    while trusts.told(OTHER_SECRET).is_empty() || stranger.told("cluster.secret").is_empty() {
        assert!(Instant::now() < deadline, "{}\n{}", trusts.peer.log_text(), stranger.peer.log_text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
