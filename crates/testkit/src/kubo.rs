//! Real Kubo daemons: found or built once, each in a fresh folder on free loopback ports, without public peers.

use anyhow::{Context, Result, bail, ensure};
use std::{
    ffi::OsStr,
    fs::{self, File},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// How long a daemon may take to offer its API.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long a daemon may take to stop orderly.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Folder of the module that pins Kubo's version.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/kubo");

/// Package of Kubo's program.
const PACKAGE: &str = "github.com/ipfs/kubo/cmd/ipfs";

/// The `ipfs` program.
#[derive(Debug, Clone)]
pub struct KuboBinary(PathBuf);

impl KuboBinary {
    /// Takes the program given, else the one named by `IPFS_BIN`, else the pinned version, built once into the
    /// target folder by the ordinary Go client.
    ///
    /// # Errors
    /// When there is neither a program nor Go; the text says how to get one.
    pub fn find_or_build(given: Option<&Path>) -> Result<Self> {
        let named = std::env::var_os("IPFS_BIN").map(PathBuf::from);
        if let Some(path) = given.map(Path::to_owned).or(named) {
            ensure!(path.is_file(), "{} is not a program", path.display());
            return Ok(Self(path));
        }
        Self::build()
    }

    /// As [`KuboBinary::find_or_build`], but an `ipfs` on the path comes before building one.
    ///
    /// # Errors
    /// As there.
    pub fn find_anywhere(given: Option<&Path>) -> Result<Self> {
        if given.is_none() && std::env::var_os("IPFS_BIN").is_none() {
            let path = std::env::var_os("PATH").unwrap_or_default();
            if let Some(found) = std::env::split_paths(&path).map(|p| p.join("ipfs")).find(|p| p.is_file()) {
                return Ok(Self(found));
            }
        }
        Self::find_or_build(given)
    }

    fn build() -> Result<Self> {
        let folder = target_folder()?.join("kubo");
        fs::create_dir_all(&folder)?;
        // Suites run side by side: one of them builds, the others wait.
        let lock = File::create(folder.join("lock"))?;
        lock.lock()?;
        let program = folder.join("ipfs");
        let sum =
            fs::read(Path::new(MODULE).join("go.sum")).context("the pinned module of Kubo is missing")?;
        let stamp = folder.join("built-from");
        if program.is_file() && fs::read(&stamp).is_ok_and(|old| old == sum) {
            return Ok(Self(program));
        }
        ensure!(
            Command::new("go").arg("version").stdout(Stdio::null()).status().is_ok_and(|s| s.success()),
            "there is no IPFS daemon: install Kubo (https://docs.ipfs.tech/install/) so that `ipfs` is on the path, \
             name it with --ipfs, or install Go so that the pinned version can be built"
        );
        eprintln!("building Kubo once, this takes a few minutes …");
        let status = Command::new("go")
            .args(["build", "-trimpath", "-o"])
            .arg(&program)
            .arg(PACKAGE)
            .current_dir(MODULE)
            .status()
            .context("cannot run go")?;
        ensure!(status.success(), "building Kubo failed");
        fs::write(&stamp, sum)?;
        Ok(Self(program))
    }

    /// Returns where the program is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// An identity of the RSA kind, which no program of the suite makes itself.
///
/// # Errors
/// When the `ipfs` program fails.
pub fn rsa_identity(binary: &KuboBinary) -> Result<serde_json::Value> {
    let folder = tempfile::tempdir()?;
    let output = Command::new(&binary.0)
        .args(["init", "--profile=test", "--algorithm=rsa", "--bits=2048"])
        .env("IPFS_PATH", folder.path())
        .env("IPFS_TELEMETRY", "off")
        .output()?;
    ensure!(output.status.success(), "ipfs init: {}", String::from_utf8_lossy(&output.stderr));
    let config: serde_json::Value = serde_json::from_str(&fs::read_to_string(folder.path().join("config"))?)?;
    let identity = &config["Identity"];
    Ok(serde_json::json!({ "id": identity["PeerID"], "private_key": identity["PrivKey"] }))
}

/// Returns the target folder of the running program.
fn target_folder() -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let mut folder = exe.parent();
    while let Some(path) = folder {
        if path.file_name() == Some(OsStr::new("debug")) || path.file_name() == Some(OsStr::new("release")) {
            return Ok(path.parent().unwrap_or(path).to_owned());
        }
        folder = path.parent();
    }
    bail!("{} is not in a target folder", exe.display())
}

/// One daemon with its folder.
#[derive(Debug)]
pub struct Kubo {
    program: PathBuf,
    folder: tempfile::TempDir,
    /// The command before the daemon's own; often none.
    launcher: Vec<String>,
    child: Option<Child>,
    api: String,
}

impl Kubo {
    /// Makes a fresh repository and starts a daemon on it.
    ///
    /// # Errors
    /// When the daemon does not start in time.
    pub fn start(binary: &KuboBinary) -> Result<Self> {
        let mut kubo = Self::init(binary, &[])?;
        kubo.run()?;
        // Later starts keep the port, as a peer's configuration names it.
        let api = kubo.api.clone();
        kubo.ipfs(&["config", "Addresses.API", &api])?;
        Ok(kubo)
    }

    /// As [`Kubo::start`], by another command, which must become the daemon, as `ip netns exec` does; the RPC and the
    /// swarm listen on the addresses given, on the usual ports.
    ///
    /// # Errors
    /// When the daemon does not start in time.
    pub fn start_by(
        binary: &KuboBinary,
        launcher: &[String],
        api: Ipv4Addr,
        swarm: Ipv4Addr,
    ) -> Result<Self> {
        let mut kubo = Self::init(binary, launcher)?;
        kubo.ipfs(&["config", "Addresses.API", &format!("/ip4/{api}/tcp/5001")])?;
        let swarm = format!("[\"/ip4/{swarm}/tcp/4001\"]");
        kubo.ipfs(&["config", "--json", "Addresses.Swarm", &swarm])?;
        kubo.run()?;
        Ok(kubo)
    }

    /// Makes a fresh repository without public peers.
    fn init(binary: &KuboBinary, launcher: &[String]) -> Result<Self> {
        let kubo = Self {
            program: binary.0.clone(),
            folder: tempfile::tempdir()?,
            launcher: launcher.to_vec(),
            child: None,
            api: String::new(),
        };
        kubo.ipfs(&["init", "--profile=test"])?;
        kubo.ipfs(&["bootstrap", "rm", "--all"])?;
        kubo.ipfs(&["config", "--json", "Discovery.MDNS.Enabled", "false"])?;
        kubo.ipfs(&["config", "Addresses.Gateway", "/ip4/127.0.0.1/tcp/0"])?;
        Ok(kubo)
    }

    fn command(&self) -> Command {
        self.with_repo(Command::new(&self.program))
    }

    fn with_repo(&self, mut command: Command) -> Command {
        command.env("IPFS_PATH", self.repo_path()).env("IPFS_TELEMETRY", "off").stdin(Stdio::null());
        command
    }

    fn daemon(&self) -> Command {
        let mut command = match self.launcher.split_first() {
            Some((launcher, arguments)) => {
                let mut command = Command::new(launcher);
                command.args(arguments).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        command.args(["daemon", "--migrate=true"]);
        self.with_repo(command)
    }

    /// Returns the folder of the repository.
    pub fn repo_path(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    /// Starts the daemon on the repository it has.
    ///
    /// # Errors
    /// When it does not start in time.
    pub fn run(&mut self) -> Result<()> {
        let file = self.folder.path().join("repo/api");
        // A daemon that was killed leaves the file of its address behind.
        let _ = fs::remove_file(&file);
        let log = File::create(self.folder.path().join("log"))?;
        let child = self.daemon().stdout(log.try_clone()?).stderr(log).spawn();
        self.child = Some(child.with_context(|| format!("cannot run {}", self.program.display()))?);
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Ok(api) = fs::read_to_string(&file)
                && answers(api.trim())
            {
                self.api = api.trim().to_owned();
                return Ok(());
            }
            let ended = self.child.as_mut().map(Child::try_wait).transpose()?.flatten();
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                bail!("Kubo does not start:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns the multiaddress of the RPC.
    pub fn api(&self) -> &str {
        &self.api
    }

    /// Returns the URL of the gateway, on a port that every start chooses anew.
    ///
    /// # Errors
    /// When the daemon has none.
    pub fn gateway(&self) -> Result<String> {
        let file = self.repo_path().join("gateway");
        let url = fs::read_to_string(&file).with_context(|| format!("no {}", file.display()))?;
        Ok(url.trim().trim_end_matches('/').to_owned())
    }

    /// Runs the `ipfs` program on this repository and returns what it printed.
    ///
    /// # Errors
    /// When it fails.
    pub fn ipfs(&self, arguments: &[&str]) -> Result<String> {
        let output: Output = self.command().args(arguments).output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "ipfs {}: {error}", arguments.join(" "));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Adds a file without pinning it and returns its CID.
    ///
    /// # Errors
    /// When the daemon fails.
    pub fn add(&self, file: &Path) -> Result<String> {
        let file = file.to_str().context("the path is not UTF-8")?;
        self.ipfs(&["add", "--quieter", "--pin=false", file])
    }

    /// Reads content that is here, without asking any other daemon for it.
    ///
    /// # Errors
    /// When a part of it is not here.
    pub fn read_offline(&self, cid: &str) -> Result<Vec<u8>> {
        let output = self.command().args(["--offline", "cat", cid]).output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "ipfs cat {cid}: {error}");
        Ok(output.stdout)
    }

    /// Lists the CIDs that are pinned in one way (`recursive`, `direct`).
    ///
    /// # Errors
    /// When the daemon fails.
    pub fn pins(&self, kind: &str) -> Result<Vec<String>> {
        let text = self.ipfs(&["pin", "ls", "--quiet", &format!("--type={kind}")])?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Connects this daemon to another, so that it finds the other's content.
    ///
    /// # Errors
    /// When one of them fails.
    pub fn connect(&self, other: &Self) -> Result<()> {
        let addresses = other.ipfs(&["id", "--format=<addrs>"])?;
        let address = addresses.lines().next().context("the other daemon listens nowhere")?;
        self.ipfs(&["swarm", "connect", address]).map(|_| ())
    }

    /// Stops the daemon orderly; kills it when that takes too long.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn stop(&mut self) -> Result<()> {
        self.signal(rustix::process::Signal::TERM)?;
        let deadline = Instant::now() + STOP_LIMIT;
        while let Some(child) = &mut self.child {
            if child.try_wait()?.is_some() {
                self.child = None;
            } else if Instant::now() > deadline {
                self.kill()?;
            } else {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        Ok(())
    }

    /// Kills the daemon if it runs, and starts it again on the same repository and port.
    ///
    /// # Errors
    /// When it does not start in time.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.run()
    }

    /// Ends the daemon at once.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Stops the daemon's process where it is, as if it hung; every thread of it rests when this returns.
    ///
    /// # Errors
    /// When the system refuses, or a thread does not rest in time.
    pub fn pause(&self) -> Result<()> {
        self.signal(rustix::process::Signal::STOP)?;
        let threads = format!("/proc/{}/task", self.child.as_ref().map_or(0, Child::id));
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            let mut rest = true;
            for thread in std::fs::read_dir(&threads)? {
                // One that has just ended rests as well.
                let stat = std::fs::read_to_string(thread?.path().join("stat")).unwrap_or_default();
                rest &=
                    stat.is_empty() || stat.rsplit(')').next().is_some_and(|state| state.starts_with(" T"));
            }
            if rest {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the daemon does not rest");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets a paused daemon go on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn resume(&self) -> Result<()> {
        self.signal(rustix::process::Signal::CONT)
    }

    fn signal(&self, signal: rustix::process::Signal) -> Result<()> {
        let child = self.child.as_ref().context("the daemon does not run")?;
        Ok(rustix::process::kill_process(rustix::process::Pid::from_child(child), signal)?)
    }
}

impl Drop for Kubo {
    fn drop(&mut self) {
        // Nothing can be done about a process that the system will not end.
        let _ = self.kill();
    }
}

fn answers(api: &str) -> bool {
    let mut parts = api.split('/').skip(2);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(host), Some("tcp"), Some(port)) => {
            std::net::TcpStream::connect(format!("{host}:{port}")).is_ok()
        }
        _ => false,
    }
}
