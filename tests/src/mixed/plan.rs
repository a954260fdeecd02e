//! What a mixed cluster consists of.

use std::path::PathBuf;

/// Variables of every peer: what is told again at intervals is told often, so that a test need not wait for it.
const INTERVALS: [(&str, &str); 7] = [
    ("CLUSTER_CRDT_REBROADCASTINTERVAL", "5s"),
    ("CLUSTER_MONITORPINGINTERVAL", "3s"),
    ("CLUSTER_PUBSUBMON_CHECKINTERVAL", "2s"),
    ("CLUSTER_PEERWATCHINTERVAL", "1s"),
    ("CLUSTER_STATESYNCINTERVAL", "10s"),
    ("CLUSTER_PINRECOVERINTERVAL", "10s"),
    ("CLUSTER_IPFSHTTP_CONNECTSWARMSDELAY", "1s"),
];

/// The first bytes of the machines' addresses, private ones and others.
const PRIVATE: [u8; 3] = [10, 77, 0];
const PUBLIC: [u8; 3] = [5, 5, 5];

/// The programs of Go IPFS Cluster 1.1.6.
#[derive(Debug, Clone)]
pub struct GoPrograms {
    /// `ipfs-cluster-service`.
    pub service: PathBuf,
    /// `ipfs-cluster-ctl`.
    pub ctl: PathBuf,
    /// `ipfs-cluster-follow`.
    pub follow: PathBuf,
}

impl GoPrograms {
    /// Takes them from the folder that `CLUSTER_GO_BIN` names; `None`, and a line that says "skipped", when it names
    /// none.
    pub fn given() -> Option<Self> {
        let folder = std::env::var_os("CLUSTER_GO_BIN").map(PathBuf::from).filter(|folder| folder.is_dir());
        let Some(folder) = folder else {
            println!("skipped: CLUSTER_GO_BIN names no folder");
            return None;
        };
        let program = |name: &str| folder.join(format!("ipfs-cluster-{name}"));
        Some(Self { service: program("service"), ctl: program("ctl"), follow: program("follow") })
    }
}

/// Which peers there are, and what is special about them. Peers of the two families take turns as long as there are
/// both; each joins the one before it, so that each family joins the other.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) go: usize,
    pub(super) ours: usize,
    pub(super) kubos: usize,
    pub(super) variables: Vec<(String, String)>,
    pub(super) rsa: Vec<usize>,
    pub(super) websocket: Vec<usize>,
    pub(super) joins: bool,
    pub(super) reached: Vec<usize>,
    pub(super) spare: usize,
    pub(super) network: [u8; 3],
}

impl Plan {
    /// Plans `go` peers of the Go suite and `ours` of ours, each with a Kubo of its own.
    pub fn new(go: usize, ours: usize) -> Self {
        let variables = INTERVALS.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Self {
            go,
            ours,
            kubos: go + ours,
            variables,
            rsa: vec![],
            websocket: vec![],
            joins: true,
            reached: vec![],
            spare: 0,
            network: PRIVATE,
        }
    }

    /// Lets the peers share so many Kubos.
    #[must_use]
    pub fn kubos(mut self, count: usize) -> Self {
        self.kubos = count;
        self
    }

    /// Leaves all intervals as `init` sets them.
    #[must_use]
    pub fn usual_intervals(mut self) -> Self {
        self.variables.clear();
        self
    }

    /// Sets a variable for every peer.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(given, _)| given != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives RSA keys to some peers.
    #[must_use]
    pub fn rsa(mut self, peers: &[usize]) -> Self {
        self.rsa = peers.to_vec();
        self
    }

    /// Lets some peers listen for WebSockets, and for nothing else.
    #[must_use]
    pub fn websocket(mut self, peers: &[usize]) -> Self {
        self.websocket = peers.to_vec();
        self
    }

    /// Lets a peer listen where it is reached from this machine too.
    #[must_use]
    pub fn reached_from_here(mut self, peer: usize) -> Self {
        self.reached.push(peer);
        self
    }

    /// Adds a machine with a Kubo and without a peer.
    #[must_use]
    pub fn spare(mut self) -> Self {
        self.spare += 1;
        self.kubos += 1;
        self
    }

    /// Gives the machines addresses that look like those of the internet.
    #[must_use]
    pub fn public(mut self) -> Self {
        self.network = PUBLIC;
        self
    }

    /// Lets the peers find each other by multicast only.
    #[must_use]
    pub fn by_multicast(mut self) -> Self {
        self.joins = false;
        self.variable("CLUSTER_MDNSINTERVAL", "10s")
    }
}
