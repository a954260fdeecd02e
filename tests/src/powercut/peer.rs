//! Peers on folders that were rebuilt, cut or killed.

use crate::http::{Connection, Response};
use anyhow::{Context as _, Result, bail, ensure};
use cluster_testkit::{
    ports::{free_ports, loopback},
    powercut::State,
    service::Programs,
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long a peer may take from its start to its first answer.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How the peer is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// As `init` leaves it.
    Default,
    /// With `batching`.
    Batching,
}

/// Which engine the peer's store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// The default.
    Fjall,
    /// The other one.
    Sled,
}

impl Engine {
    /// Returns the name as `init` takes it.
    fn name(self) -> &'static str {
        match self {
            Self::Fjall => "fjall",
            Self::Sled => "sled",
        }
    }
}

/// `cluster-service`, and how it is to be run.
#[derive(Debug, Clone)]
pub struct PeerProgram {
    program: PathBuf,
    variant: Variant,
    engine: Engine,
}

impl PeerProgram {
    /// Takes the program that `CLUSTER_SERVICE_BIN` names; without it, builds the one of this workspace.
    ///
    /// # Errors
    /// When the build fails.
    pub fn find(variant: Variant, engine: Engine) -> Result<Self> {
        let program = match std::env::var_os("CLUSTER_SERVICE_BIN") {
            Some(path) => PathBuf::from(path),
            None => Programs::build()?.service,
        };
        Ok(Self { program: program.canonicalize().context("cluster-service")?, variant, engine })
    }

    /// Names the variant in reports.
    pub fn name(&self) -> String {
        let variant = match self.variant {
            Variant::Default => "",
            Variant::Batching => " with batching",
        };
        format!("cluster-service on {}{variant}", self.engine.name())
    }

    /// Makes a new peer's folder.
    pub(super) fn init(&self, root: &Path) -> Result<()> {
        let [port] = free_ports()?;
        let output = self.command(root, port)?.args(["init", "--datastore", self.engine.name()]).output()?;
        ensure!(output.status.success(), "init failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// The command of the peer, without a verb; its API will be at `port`.
    fn command(&self, root: &Path, port: u16) -> Result<Command> {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(root).stdin(Stdio::null());
        let [swarm] = free_ports()?;
        command.env("CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS", loopback(port));
        command.env("CLUSTER_LISTENMULTIADDRESS", loopback(swarm));
        // Nobody listens there: what Kubo does must not matter here.
        command.env("CLUSTER_IPFSHTTP_NODEMULTIADDRESS", "/ip4/127.0.0.1/tcp/1");
        command.env("IPFS_CLUSTER_LOG_LEVEL", "warn");
        if self.variant == Variant::Batching {
            command.env("CLUSTER_CRDT_BATCHING_MAXBATCHSIZE", "100");
            command.env("CLUSTER_CRDT_BATCHING_MAXBATCHAGE", "150ms");
        }
        Ok(command)
    }

    /// The command of the running peer.
    pub(super) fn daemon(&self, root: &Path, port: u16) -> Result<Command> {
        let mut command = self.command(root, port)?;
        command.arg("daemon");
        Ok(command)
    }

    /// Starts a peer on `root` and waits for its first answer.
    pub(super) fn start(&self, root: &Path) -> Result<Peer> {
        let [port] = free_ports()?;
        let log = tempfile::NamedTempFile::new()?;
        let mut command = self.daemon(root, port)?;
        command.stdout(Stdio::null()).stderr(File::create(log.path())?);
        let child = command.spawn().context("cluster-service does not start")?;
        let mut peer = Peer { child, port, log };
        let deadline = Instant::now() + START_LIMIT;
        while let Err(error) = peer.id() {
            if let Some(status) = peer.child.try_wait()? {
                bail!("the peer ended with {status}: {}", peer.errors());
            }
            ensure!(Instant::now() < deadline, "the peer does not answer: {error:#}: {}", peer.errors());
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(peer)
    }

    /// Recounts everything derived in the folder of a peer that does not run.
    pub(super) fn check(&self, root: &Path) -> Result<()> {
        let [port] = free_ports()?;
        let output = self.command(root, port)?.args(["state", "check"]).output()?;
        let said = [output.stdout, output.stderr].concat();
        ensure!(output.status.success(), "state check: {}", String::from_utf8_lossy(&said));
        Ok(())
    }

    /// Recounts, starts a peer, and reads all pins. `recount_first` says which of the two opens the store first.
    pub(super) fn read_back(&self, root: &Path, recount_first: bool) -> Result<State> {
        if recount_first {
            self.check(root)?;
        }
        let mut peer = self.start(root)?;
        let state = peer.pins();
        peer.kill()?;
        if !recount_first {
            self.check(root)?;
        }
        state
    }
}

/// A peer that runs; it is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Peer {
    child: Child,
    port: u16,
    log: tempfile::NamedTempFile,
}

impl Peer {
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    fn id(&self) -> Result<()> {
        let status = Connection::open(self.port)?.ask("GET", "/version")?.status;
        ensure!(status == 200, "status {status}");
        Ok(())
    }

    /// Reads all pins: CID and name.
    pub(super) fn pins(&self) -> Result<State> {
        pins_of(&Connection::open(self.port)?.ask("GET", "/allocations")?)
    }

    /// Ends it with `kill -9`.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// The last lines it logged.
    pub(super) fn errors(&self) -> String {
        let text = fs::read_to_string(self.log.path()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

/// Reads the pins of an answer: CID and name.
pub(super) fn pins_of(response: &Response) -> Result<State> {
    ensure!(matches!(response.status, 200 | 204), "GET /allocations: status {}", response.status);
    if let Some(error) = &response.stream_error {
        bail!("GET /allocations broke off: {error}");
    }
    let mut state = State::new();
    for pin in serde_json::Deserializer::from_slice(&response.body).into_iter::<serde_json::Value>() {
        let pin = pin?;
        let text = |field: &str| pin[field].as_str().map(str::to_owned);
        let (Some(cid), Some(name)) = (text("cid"), text("name")) else { bail!("not a pin: {pin}") };
        ensure!(state.insert(cid, name).is_none(), "listed twice: {pin}");
    }
    Ok(state)
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
