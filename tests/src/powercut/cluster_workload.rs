//! Three peers that agree by Raft, whose power fails at one moment.
//!
//! One recording follows all of them: each works in a folder of its own below the root, so that a disk that is rebuilt from it is
//! that of all three, cut at one place of what they did.

use super::{
    load::{Clock, put_load},
    talk,
};
use crate::{
    cluster::random_secret,
    http::{Connection, Response},
};
use anyhow::{Context as _, Result, bail, ensure};
use cluster_testkit::{
    ports::{free_ports, loopback},
    powercut::{Operation, Recording, Running, State, Workload},
    service::Programs,
};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

const PEERS: usize = 3;

/// How long traced peers may take until all of them can be read, and peers on rebuilt disks.
const START_LIMIT: Duration = Duration::from_secs(180);

/// How long peers may take to end when they are killed.
const END_LIMIT: Duration = Duration::from_secs(20);

/// Starts all peers and ends with them. The first word is the program, the others are the folders.
const LAUNCHER: &str = r#"
program=$1; shift
trap 'kill $children' TERM
for folder; do
    . "$folder.sh"
    "$program" --config "$folder" daemon &
    children="$children $!"
done
wait
wait $children
"#;

/// Three peers under connections of mixed pins and unpins to each.
#[derive(Debug)]
pub struct ClusterWorkload {
    program: PathBuf,
    /// Requests in one recording.
    requests: usize,
    ports: Mutex<[u16; PEERS]>,
}

impl ClusterWorkload {
    /// Makes a workload of `requests` requests a recording.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn new(requests: usize) -> Result<Self> {
        let program = match std::env::var_os("CLUSTER_SERVICE_BIN") {
            Some(path) => PathBuf::from(path),
            None => Programs::build()?.service,
        };
        let program = program.canonicalize().context("cluster-service")?;
        Ok(Self { program, requests, ports: Mutex::default() })
    }

    fn folder(root: &Path, number: usize) -> PathBuf {
        root.join(format!("peer-{number}"))
    }

    fn ports(&self) -> [u16; PEERS] {
        *self.ports.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Makes the command that starts all peers of a root, on ports that are free now.
    fn launch(&self, root: &Path) -> Result<Command> {
        let ids = (0..PEERS).map(|number| id_of(&Self::folder(root, number))).collect::<Result<Vec<_>>>()?;
        let swarm: [u16; PEERS] = free_ports()?;
        let rest: [u16; PEERS] = free_ports()?;
        let address = |number: usize| format!("{}/p2p/{}", loopback(swarm[number]), ids[number]);
        let mut command = Command::new("sh");
        command.args(["-c", LAUNCHER, "peers"]).arg(&self.program).stdin(Stdio::null());
        for number in 0..PEERS {
            let others = (0..PEERS).filter(|other| *other != number).map(address).collect::<Vec<_>>();
            let variables = [
                ("CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS", loopback(rest[number])),
                ("CLUSTER_LISTENMULTIADDRESS", loopback(swarm[number])),
                ("CLUSTER_PEERADDRESSES", others.join(",")),
                ("CLUSTER_RAFT_INITPEERSET", ids.join(",")),
                // Nobody listens there: what Kubo does must not matter here.
                ("CLUSTER_IPFSHTTP_NODEMULTIADDRESS", "/ip4/127.0.0.1/tcp/1".to_owned()),
                ("CLUSTER_MDNSINTERVAL", "0s".to_owned()),
                // A snapshot is noted now and then, and the log cut.
                ("CLUSTER_RAFT_SNAPSHOTTHRESHOLD", "200".to_owned()),
                ("CLUSTER_RAFT_TRAILINGLOGS", "100".to_owned()),
                ("IPFS_CLUSTER_LOG_LEVEL", "warn".to_owned()),
            ];
            let folder = Self::folder(root, number);
            let lines: String =
                variables.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect();
            fs::write(variables_file(&folder), lines)?;
            command.arg(&folder);
        }
        *self.ports.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = rest;
        Ok(command)
    }

    /// Reads the pinset of each peer of a root, all of which must be the same, and recounts what is derived.
    fn read_all(&self, root: &Path) -> Result<State> {
        let mut peers = Peers::start(self.launch(root)?)?;
        let states = (|| {
            peers.until_readable(self.ports())?;
            self.ports().into_iter().map(pins).collect::<Result<Vec<State>>>()
        })();
        peers.kill()?;
        let mut states = states?;
        for number in 0..PEERS {
            let mut command = Command::new(&self.program);
            command.arg("--config").arg(Self::folder(root, number)).args(["state", "check"]);
            let output = command.stdin(Stdio::null()).output()?;
            let said = [output.stdout, output.stderr].concat();
            ensure!(output.status.success(), "state check of {number}: {}", String::from_utf8_lossy(&said));
        }
        let first = states.swap_remove(0);
        for (number, other) in states.iter().enumerate() {
            ensure!(*other == first, "the first peer and one other ({number}) have different pinsets");
        }
        Ok(first)
    }
}

/// The file with the variables of a peer's next start.
fn variables_file(folder: &Path) -> PathBuf {
    folder.with_extension("sh")
}

fn id_of(folder: &Path) -> Result<String> {
    let text = fs::read(folder.join("identity.json")).context("reading a peer's identity")?;
    let identity: serde_json::Value = serde_json::from_slice(&text)?;
    Ok(identity["id"].as_str().context("an identity without an ID")?.to_owned())
}

impl Workload for ClusterWorkload {
    fn name(&self) -> String {
        "three peers with Raft".to_owned()
    }

    /// Every second recording begins on folders that were in use and killed, so that the recovery is recorded too.
    fn prepare(&self, root: &Path, round: usize, seed: u64) -> Result<State> {
        let secret = random_secret()?;
        for number in 0..PEERS {
            let mut command = Command::new(&self.program);
            command.arg("--config").arg(Self::folder(root, number)).args(["init", "--consensus", "raft"]);
            let output = command.env("CLUSTER_SECRET", &secret).stdin(Stdio::null()).output()?;
            ensure!(output.status.success(), "init failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        if round.is_multiple_of(2) {
            return Ok(State::new());
        }
        let mut peers = Peers::start(self.launch(root)?)?;
        peers.until_readable(self.ports())?;
        put_load(&self.ports(), self.requests / 2, seed ^ 0x5eed, &Clock::default())?;
        peers.kill()?;
        self.read_all(root)
    }

    fn command(&self, root: &Path) -> Result<Command> {
        self.launch(root)
    }

    fn drive(&self, program: &mut Running, seed: u64) -> Result<()> {
        until_readable(self.ports(), || {
            ensure!(!program.has_ended()?, "the peers ended");
            Ok(())
        })?;
        let clock = Clock::default();
        put_load(&self.ports(), self.requests, seed, &clock)?;
        ensure!(clock.acknowledged() > self.requests / 2, "most requests were refused");
        Ok(())
    }

    fn operations(&self, recording: &Recording) -> Result<Vec<Operation>> {
        talk::operations(recording)
    }

    fn read_back(&self, root: &Path) -> Result<State> {
        self.read_all(root)
    }
}

/// The peers of one root; they are killed when this is dropped.
struct Peers(Child);

impl Peers {
    fn start(mut command: Command) -> Result<Self> {
        // All of them can be ended at once, and nobody else with them.
        command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(command.spawn().context("the peers do not start")?))
    }

    fn until_readable(&mut self, ports: [u16; PEERS]) -> Result<()> {
        until_readable(ports, || match self.0.try_wait()? {
            Some(status) => bail!("the peers ended with {status}"),
            None => Ok(()),
        })
    }

    fn kill(&mut self) -> Result<()> {
        let group = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).context("no process group")?;
        // They may have ended.
        let _ = kill_process_group(group, Signal::KILL);
        self.0.wait()?;
        // The peers are not ours to wait for: they are gone when the group is.
        let deadline = Instant::now() + END_LIMIT;
        while test_kill_process_group(group).is_ok() {
            ensure!(Instant::now() < deadline, "peers that were killed do not end");
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // Nothing can be done about an error here.
        let _ = self.kill();
    }
}

/// Waits until each peer answers reads of its pinset.
fn until_readable(ports: [u16; PEERS], mut alive: impl FnMut() -> Result<()>) -> Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    for port in ports {
        loop {
            alive()?;
            let answer = Connection::open(port)
                .and_then(|mut connection| connection.ask("GET", "/allocations?consistency=strong"));
            match answer {
                Ok(Response { status: 200 | 204, .. }) => break,
                Ok(Response { status: 503, .. }) | Err(_) => {}
                Ok(Response { status, .. }) => bail!("GET /allocations: status {status}"),
            }
            ensure!(Instant::now() < deadline, "a peer cannot be read");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(())
}

/// Reads all pins of a peer: CID and name.
fn pins(port: u16) -> Result<State> {
    super::peer::pins_of(&Connection::open(port)?.ask("GET", "/allocations?consistency=strong")?)
}
