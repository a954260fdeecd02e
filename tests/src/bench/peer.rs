//! One peer of a suite: a temporary folder made by its `init`, and the daemon running on it.

use super::cids::{self, CidText};
use super::connection::{Connection, get};
use super::process::{Process, within};
use super::settings::Settings;
use super::suite::{Side, Suite};
use anyhow::{Context, Result, bail};
use cluster_testkit::ports::{free_ports, loopback};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::Command;

/// Age before which a daemon of Go 1.1.6 that is told to stop may wait for itself for ever.
const YOUNG: Duration = Duration::from_secs(2);

const INIT_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(300);
/// Longest wait for a daemon's first correct answer.
const START_LIMIT: Duration = Duration::from_secs(600);
/// Pause between two tries of a daemon that does not listen yet.
const TRY_PAUSE: Duration = Duration::from_micros(300);

/// A peer's folder and settings.
#[derive(Debug)]
pub(crate) struct Peer {
    suite: Suite,
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
    api: SocketAddr,
    swarm: u16,
    /// Whom it joins at its starts.
    joined: Vec<String>,
}

impl Peer {
    /// Makes a folder with the suite's `init`, all ports free and on the loopback, and returns the time `init` took.
    /// `environment` comes last: it overrides what the settings say.
    pub(crate) async fn create(
        suite: &Suite,
        daemon: SocketAddr,
        settings: &Settings,
        environment: &[(&'static str, String)],
    ) -> Result<(Self, Duration)> {
        let given = environment;
        let mut builder = tempfile::Builder::new();
        builder.prefix("cluster-bench-");
        let folder = match &settings.dir {
            Some(dir) => builder.tempdir_in(dir),
            None => builder.tempdir(),
        };
        let folder = folder.context("making a temporary folder")?;
        let [api, proxy, swarm, pinning] = free_ports()?;
        let mut environment = vec![
            ("IPFS_CLUSTER_PATH", folder.path().join("peer").display().to_string()),
            ("HOME", folder.path().display().to_string()),
            ("CLUSTER_LISTENMULTIADDRESS", loopback(swarm)),
            ("CLUSTER_MDNSINTERVAL", "0s".to_owned()),
            ("CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS", loopback(api)),
            ("CLUSTER_PINSVCAPI_HTTPLISTENMULTIADDRESS", loopback(pinning)),
            ("CLUSTER_IPFSPROXY_LISTENMULTIADDRESS", loopback(proxy)),
            ("CLUSTER_IPFSPROXY_NODEMULTIADDRESS", loopback(daemon.port())),
            ("CLUSTER_IPFSHTTP_NODEMULTIADDRESS", loopback(daemon.port())),
        ];
        if let Some(batching) = &settings.batching {
            let (size, age) = batching.split_once(',').context("--batching wants SIZE,AGE")?;
            environment.push(("CLUSTER_CRDT_BATCHING_MAXBATCHSIZE", size.to_owned()));
            environment.push(("CLUSTER_CRDT_BATCHING_MAXBATCHAGE", age.to_owned()));
        }
        environment.extend_from_slice(given);
        let api = SocketAddr::from(([127, 0, 0, 1], api));
        let peer = Self { suite: suite.clone(), folder, environment, api, swarm, joined: Vec::new() };
        let began = Instant::now();
        peer.run(&["init", "--consensus", settings.consensus.name()], INIT_LIMIT).await?;
        Ok((peer, began.elapsed()))
    }

    /// Returns whose program it runs.
    pub(crate) fn side(&self) -> Side {
        self.suite.side
    }

    /// Returns where its REST API listens.
    pub(crate) fn api(&self) -> SocketAddr {
        self.api
    }

    /// Returns the multiaddress at which other peers reach it.
    pub(crate) fn swarm_address(&self) -> Result<String> {
        let file = self.data().join("identity.json");
        let identity: serde_json::Value =
            serde_json::from_slice(&std::fs::read(file).context("reading the peer's identity")?)?;
        let id = identity["id"].as_str().context("an identity without an ID")?;
        Ok(format!("/ip4/127.0.0.1/tcp/{}/p2p/{id}", self.swarm))
    }

    /// Makes it join these multiaddresses (`--bootstrap`) at its starts.
    pub(crate) fn join(&mut self, addresses: Vec<String>) {
        self.joined = addresses;
    }

    /// Sets a variable for its next starts.
    pub(crate) fn set(&mut self, name: &'static str, value: String) {
        self.environment.push((name, value));
    }

    /// Returns the folder its data lies in.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("peer")
    }

    /// Returns a file name in its temporary folder, beside its data.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a subcommand of the service to its successful end.
    pub(crate) async fn run(&self, arguments: &[&str], limit: Duration) -> Result<()> {
        let mut command = self.command(&self.suite.service);
        command.args(arguments);
        let name = format!("{} service {}", self.suite.side.title(), arguments.join(" "));
        Process::start(command, &name)?.wait_success(limit).await
    }

    /// Runs the client against this peer to its successful end.
    pub(crate) async fn ctl(&self, arguments: &[&str]) -> Result<()> {
        let mut command = self.command(&self.suite.ctl);
        command.arg("--host").arg(format!("/ip4/127.0.0.1/tcp/{}", self.api.port())).args(arguments);
        let name = format!("{} ctl {}", self.suite.side.title(), arguments.join(" "));
        Process::start(command, &name)?.wait_success(INIT_LIMIT).await
    }

    /// Starts the daemon.
    pub(crate) fn start(&self) -> Result<Daemon> {
        let mut command = self.command(&self.suite.service);
        command.arg("daemon").args(self.joined.iter().flat_map(|address| ["--bootstrap", address]));
        let began = Instant::now();
        let process = Process::start(command, &format!("{} daemon", self.suite.side.title()))?;
        Ok(Daemon { process, api: self.api, began })
    }

    /// Starts the daemon and waits until it answers a read of its pinset.
    pub(crate) async fn start_and_wait(&self) -> Result<Daemon> {
        let mut daemon = self.start()?;
        daemon.first_answer(&cids::text(u64::MAX, 0), 404).await?;
        Ok(daemon)
    }

    fn command(&self, program: &PathBuf) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            // A setting of the caller's must not reach the peer unseen.
            if name.to_string_lossy().starts_with("CLUSTER_") {
                command.env_remove(name);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.folder.path());
        command
    }
}

/// A running daemon.
#[derive(Debug)]
pub(crate) struct Daemon {
    process: Process,
    api: SocketAddr,
    began: Instant,
}

impl Daemon {
    /// Returns its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns the time since its process was started.
    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits until `GET /allocations/{cid}` is answered with `status` (and names the CID, when that is 200) and
    /// returns the time since the daemon's start.
    pub(crate) async fn first_answer(&mut self, cid: &CidText, status: u16) -> Result<Duration> {
        let cid = cids::as_str(cid);
        let request = get(&format!("/allocations/{cid}"));
        let mut last = "no connection".to_owned();
        while self.began.elapsed() < START_LIMIT {
            self.process.check_alive()?;
            let left = START_LIMIT.saturating_sub(self.began.elapsed());
            let answer = tokio::time::timeout(left, try_once(self.api, &request)).await;
            match answer {
                Ok(Ok((found, body))) => {
                    let right = found == status
                        && (status != 200 || memchr::memmem::find(&body, cid.as_bytes()).is_some());
                    if right {
                        return Ok(self.began.elapsed());
                    }
                    last = format!("status {found}: {}", String::from_utf8_lossy(&body));
                }
                Ok(Err(error)) => last = error.to_string(),
                Err(_) => break,
            }
            // The plain sleep is finer than the runtime's timer, and nothing else runs meanwhile.
            std::thread::sleep(TRY_PAUSE);
        }
        bail!("no correct answer to /allocations/{cid} in {} s; the last: {last}", START_LIMIT.as_secs())
    }

    /// Fails when the daemon has ended by itself.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        self.process.check_alive()
    }

    /// Stops it in order, once it is [`YOUNG`] no more.
    pub(crate) async fn stop(self) -> Result<()> {
        tokio::time::sleep(YOUNG.saturating_sub(self.began.elapsed())).await;
        self.process.stop(STOP_LIMIT).await
    }

    /// Kills it with -9.
    pub(crate) async fn kill(self) -> Result<()> {
        self.process.kill().await
    }

    /// Sends one GET on a connection of its own.
    pub(crate) async fn fetch(&self, path: &str, limit: Duration) -> Result<(u16, Vec<u8>)> {
        within(limit, &format!("the answer to GET {path}"), try_once(self.api, &get(path))).await?
    }
}

async fn try_once(api: SocketAddr, request: &[u8]) -> Result<(u16, Vec<u8>)> {
    Connection::open(api, 16 * 1024).await?.fetch(request).await
}
