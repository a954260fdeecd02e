//! The peers, each on a machine of its own where network namespaces are permitted.

use super::{doors::Doors, storm::StormOptions};
use crate::cluster::random_secret;
use anyhow::{Context as _, Result, ensure};
use cluster_testkit::{
    mock_kubo::MockKubo,
    service::{Programs, Service},
    two_sides::TwoSides,
};
use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

/// Peers, each with a stand-in of an IPFS daemon. Fields are dropped in order: the machines last.
pub(super) struct Cluster {
    pub(super) peers: Vec<Service>,
    /// Which peers stand apart, while some do.
    is_right: Option<Vec<bool>>,
    _mocks: Vec<MockKubo>,
    runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
    machines: Option<TwoSides>,
}

impl Cluster {
    /// Starts the peers: the first one is a cluster of its own, which the others join.
    pub(super) fn start(options: &StormOptions) -> Result<Self> {
        let program = match std::env::var_os("CLUSTER_SERVICE_BIN") {
            Some(path) => PathBuf::from(path).canonicalize().context("cluster-service")?,
            None => Programs::build()?.service,
        };
        let machines = match options.partitions {
            0 => None,
            _ => TwoSides::build(u8::try_from(options.peers)?, 0)?,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let mut made = Self {
            peers: Vec::new(),
            is_right: None,
            _mocks: Vec::new(),
            runtime,
            folder: tempfile::tempdir()?,
            machines,
        };
        let secret = random_secret()?;
        for number in 0..options.peers {
            made.add(&program, &secret, options.election_timeout, number)?;
        }
        Ok(made)
    }

    fn add(&mut self, program: &Path, secret: &str, timeout: Duration, number: usize) -> Result<()> {
        let timeout = format!("{}ms", timeout.as_millis());
        let mut variables = vec![
            ("CLUSTER_SECRET", secret.to_owned()),
            ("CLUSTER_RAFT_HEARTBEATTIMEOUT", timeout.clone()),
            ("CLUSTER_RAFT_ELECTIONTIMEOUT", timeout),
            ("CLUSTER_RAFT_WAITFORLEADERTIMEOUT", "3s".to_owned()),
            ("CLUSTER_RAFT_NETWORKTIMEOUT", "2s".to_owned()),
            // Often enough that a peer that was started knows soon who may hold what.
            ("CLUSTER_MONITORPINGINTERVAL", "1s".to_owned()),
            ("CLUSTER_DISK_METRICTTL", "5s".to_owned()),
            // Only clients change pins: what they know of them stays true.
            ("CLUSTER_DISABLEREPINNING", "true".to_owned()),
        ];
        let mut address = Ipv4Addr::LOCALHOST;
        let machine = u8::try_from(number)?;
        if let Some(machines) = &self.machines {
            address = machines.host_address();
            variables.extend([
                (
                    "CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS",
                    format!("/ip4/{}/tcp/9094", machines.control_address(machine)),
                ),
                ("CLUSTER_LISTENMULTIADDRESS", format!("/ip4/{}/tcp/9096", machines.address(machine))),
            ]);
        }
        let mock = self.runtime.block_on(MockKubo::bind((address, 0).into()))?;
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let base = self.folder.path().join(format!("peer-{number}"));
        let mut peer = Service::init_agreeing(program, "raft", &base, &mock.api(), &variables)?;
        peer.keep_log(&self.folder.path().join(format!("peer-{number}.log")));
        if let Some(machines) = &self.machines {
            peer.launch_by(&machines.launcher(machine));
            peer.set_arguments(&["--allow-open-api"]);
        }
        if let Some(first) = self.peers.first() {
            peer.join(&[first.swarm_address()]);
        }
        peer.start()?;
        self.peers.push(peer);
        self._mocks.push(mock);
        Ok(())
    }

    /// Returns where the peers' REST APIs are.
    pub(super) fn doors(&self) -> Result<Doors> {
        Ok(Doors::new(self.peers.iter().map(Service::socket).collect::<Result<_>>()?))
    }

    /// Returns the number of a peer.
    pub(super) fn number_of(&self, id: &str) -> Option<usize> {
        self.peers.iter().position(|peer| peer.id() == id)
    }

    pub(super) fn runs(&self, peer: usize) -> bool {
        self.peers[peer].pid().is_some()
    }

    /// Lists the peers that run and reach a peer, itself included if it runs.
    pub(super) fn around(&self, peer: usize) -> Vec<usize> {
        let side = |peer: usize| self.is_right.as_ref().map(|is_right| is_right[peer]);
        (0..self.peers.len()).filter(|other| self.runs(*other) && side(*other) == side(peer)).collect()
    }

    pub(super) fn has_machines(&self) -> bool {
        self.machines.is_some()
    }

    pub(super) fn is_parted(&self) -> bool {
        self.is_right.is_some()
    }

    /// Parts the machines: packets between the sides vanish from now on.
    pub(super) fn part(&mut self, is_right: Vec<bool>) -> Result<()> {
        let machines = self.machines.as_ref().context("there are no machines")?;
        machines.part(&is_right)?;
        self.is_right = Some(is_right);
        Ok(())
    }

    pub(super) fn heal(&mut self) -> Result<()> {
        if self.is_right.take().is_some() {
            self.machines.as_ref().context("there are no machines")?.heal()?;
        }
        Ok(())
    }

    /// Checks that no peer ended of itself.
    pub(super) fn check_running(&mut self) -> Result<()> {
        for (number, peer) in self.peers.iter_mut().enumerate() {
            peer.check_running().with_context(|| format!("peer {number}"))?;
        }
        Ok(())
    }

    /// Runs a command of a stopped peer, which must go well, and returns what it said.
    pub(super) fn command(&self, peer: usize, arguments: &[&str]) -> Result<Vec<u8>> {
        let output = self.peers[peer].command(arguments)?;
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        ensure!(output.status.success(), "{arguments:?} of peer {peer}: {}", String::from_utf8_lossy(&said));
        Ok(output.stdout)
    }

    /// Keeps the peers' folders and logs, and returns where they are.
    pub(super) fn keep(&mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }
}
