//! `cluster-follow` as a person or a script runs it, beside an IPFS daemon of its own.

use crate::world::{LIMIT, World};
use anyhow::{Context, Result, bail, ensure};
use cluster_testkit::{
    kubo::Kubo,
    mock_kubo::MockKubo,
    ports::{free_ports, loopback},
    service::Programs,
};
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// Name that the followers have for their cluster.
pub const NAME: &str = "friends";

/// Columns of the terminal of [`Follower::start_on_terminal`].
pub const COLUMNS: u16 = 100;

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(50);

/// The program with its folder and IPFS daemon (a [`Kubo`] or a [`MockKubo`]).
#[derive(Debug)]
pub struct Follower<D> {
    /// The program.
    pub program: PathBuf,
    /// The IPFS daemon.
    pub ipfs: D,
    variables: Vec<(String, String)>,
    folder: tempfile::TempDir,
}

impl Follower<MockKubo> {
    /// Starts a stand-in beside a program that was not run yet.
    ///
    /// # Errors
    /// When one of them is not to be had.
    pub async fn beside_mock() -> Result<Self> {
        let mock = MockKubo::start().await?;
        let api = mock.api();
        Self::beside(mock, &api)
    }
}

impl Follower<Kubo> {
    /// Takes a daemon beside a program that was not run yet.
    ///
    /// # Errors
    /// When the program is not to be had.
    pub fn beside_kubo(kubo: Kubo) -> Result<Self> {
        let api = kubo.api().to_owned();
        Self::beside(kubo, &api)
    }
}

impl<D> Follower<D> {
    fn beside(ipfs: D, api: &str) -> Result<Self> {
        let [swarm] = free_ports()?.map(loopback);
        let folder = tempfile::tempdir()?;
        let mut follower = Self { program: Programs::build()?.follow, ipfs, variables: Vec::new(), folder };
        follower.set_variable("CLUSTER_IPFSHTTP_NODEMULTIADDRESS", api);
        follower.set_variable("CLUSTER_LISTENMULTIADDRESS", &swarm);
        follower.set_variable("CLUSTER_MDNSINTERVAL", "0s");
        Ok(follower)
    }

    /// Sets a variable for the commands that come.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.retain(|(other, _)| other != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Returns a folder that goes away with this.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the folder of the one follower.
    pub fn base(&self) -> PathBuf {
        self.folder().join("all").join(NAME)
    }

    /// Returns where its API listens.
    pub fn socket(&self) -> PathBuf {
        self.base().join("api-socket")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .arg("-c")
            .arg(self.folder().join("all"))
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn run(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.command(arguments);
        Ok(tokio::task::spawn_blocking(move || command.output()).await??)
    }

    /// Runs a command to its end and returns what it printed.
    ///
    /// # Errors
    /// When it fails.
    pub async fn said(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run(arguments).await?;
        ensure!(output.status.success(), "{arguments:?}: {output:?}");
        Ok(text(&output.stdout))
    }

    /// Runs a command that fails and returns what it complained of.
    ///
    /// # Errors
    /// When it does not fail.
    pub async fn refused(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run(arguments).await?;
        ensure!(output.status.code() == Some(1), "{arguments:?}: {output:?}");
        Ok(text(&output.stderr))
    }

    /// Starts a command whose output goes to a file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, arguments: &[&str]) -> Result<Running> {
        let log = self.folder().join("log");
        let file = File::create(&log)?;
        let child = self.command(arguments).stdout(file.try_clone()?).stderr(file).spawn()?;
        Ok(Running { child, log })
    }

    /// Starts a command on a terminal of its own, as a person does.
    ///
    /// # Errors
    /// When the system has no terminal, or it cannot be started.
    pub fn start_on_terminal(&self, arguments: &[&str]) -> Result<Running> {
        let watcher = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&watcher)?;
        unlockpt(&watcher)?;
        let name = ptsname(&watcher, Vec::new())?.into_string()?;
        let terminal = OpenOptions::new().read(true).write(true).open(name)?;
        tcsetwinsize(&terminal, Winsize { ws_row: 24, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 })?;
        let log = self.folder().join("log");
        let mut shown = File::create(&log)?;
        let mut command = self.command(arguments);
        command.env("TERM", "xterm").stdout(terminal.try_clone()?).stderr(terminal);
        let child = command.spawn()?;
        // It ends with an error when the last process has closed the terminal.
        std::thread::spawn(move || io::copy(&mut File::from(watcher), &mut shown));
        Ok(Running { child, log })
    }

    /// Waits until the list of pins is as wanted; the peer must run.
    ///
    /// # Errors
    /// When it ends, or the list is not so in time.
    pub async fn until_listed(
        &self,
        running: &mut Running,
        what: &str,
        holds: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let output = self.run(&[NAME, "list"]).await?;
            if output.status.success() && holds(&text(&output.stdout)) {
                return Ok(());
            }
            running.check_runs()?;
            if Instant::now() > deadline {
                bail!("not in time: {what}: {output:?}\n{}", running.log()?);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// A follower that runs; it is killed when dropped.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub child: Child,
    log: PathBuf,
}

impl Running {
    /// Returns what it printed.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn log(&self) -> Result<String> {
        Ok(text(&fs::read(&self.log)?))
    }

    /// Waits until it has printed something.
    ///
    /// # Errors
    /// When it ends, or does not print that in time.
    pub async fn until_logged(&mut self, wanted: &str) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !self.log()?.contains(wanted) {
            self.check_runs()?;
            ensure!(Instant::now() < deadline, "not in time: {wanted}\n{}", self.log()?);
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Waits for its end and returns the exit code.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn until_ended(&mut self) -> Result<Option<i32>> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code());
            }
            ensure!(Instant::now() < deadline, "it does not end:\n{}", self.log()?);
            tokio::time::sleep(POLL).await;
        }
    }

    fn check_runs(&mut self) -> Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "it ended:\n{}", self.log()?);
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads what a process printed.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the operators of a cluster publish: the configuration of a trusted peer, made one for followers by hand.
///
/// # Errors
/// When it cannot be read, or has no place for what a follower must know.
pub fn published<D>(trusted: &World<D>) -> Result<String> {
    let file = fs::read_to_string(trusted.peer.base().join("service.toml"))?;
    let key = |name: &str, value: &str| format!("\n{name} = [\"{value}\"] #");
    let trusted_peers = key("trusted_peers", trusted.peer.id());
    ensure!(file.contains("\ntrusted_peers = "), "no trusted_peers in {file}");
    let text = file.replacen("\ntrusted_peers = ", &trusted_peers, 1);
    let known = key("peer_addresses", trusted.peer.swarm_address());
    if text.contains("\npeer_addresses = ") {
        return Ok(text.replacen("\npeer_addresses = ", &known, 1));
    }
    ensure!(text.contains("[cluster]\n"), "no cluster in {text}");
    Ok(text.replacen("[cluster]\n", &format!("[cluster]{}\n", known.trim_end_matches(" #")), 1))
}

/// Makes of such a configuration the `service.json` that the Go suite's operators publish, with a section of one of its
/// datastores.
///
/// # Errors
/// When the peer cannot convert it.
pub fn published_by_go<D>(trusted: &World<D>) -> Result<String> {
    let file = trusted.path("published.toml");
    fs::write(&file, published(trusted)?)?;
    let file = file.to_str().context("the path is not UTF-8")?;
    let output = trusted.peer.command(&["config", "convert", "--datastore", "pebble", file])?;
    ensure!(output.status.success(), "{output:?}");
    Ok(text(&output.stdout))
}
