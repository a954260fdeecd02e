//! A real peer: the built `cluster-service` in a fresh folder on free loopback ports.

use crate::ports::{free_ports, loopback};
use anyhow::{Context, Result, bail, ensure};
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How long a peer may take to answer after its start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long an orderly stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Age before which a daemon of the Go suite is not stopped.
const YOUNG: Duration = Duration::from_secs(2);

const REST_VARIABLE: &str = "CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS";
const SWARM_VARIABLE: &str = "CLUSTER_LISTENMULTIADDRESS";

/// Lines of a peer's log that are kept for error messages, those of requests left out.
const LOG_LINES: usize = 200;

/// The programs of the suite, built in the profile of the caller.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `cluster-service`.
    pub service: PathBuf,
    /// `cluster-ctl`.
    pub ctl: PathBuf,
    /// `cluster-follow`.
    pub follow: PathBuf,
}

impl Programs {
    /// Builds the programs beside the running one, once a process, and returns where they are.
    ///
    /// # Errors
    /// When the build fails.
    pub fn build() -> Result<Self> {
        static BUILT: OnceLock<std::result::Result<Programs, String>> = OnceLock::new();
        BUILT
            .get_or_init(|| Self::build_now().map_err(|e| format!("{e:#}")))
            .clone()
            .map_err(anyhow::Error::msg)
    }

    fn build_now() -> Result<Self> {
        let exe = std::env::current_exe()?;
        // target/<profile>/program or target/<profile>/deps/test
        let mut folder = exe.parent().context("the program has no folder")?;
        if folder.file_name() == Some(OsStr::new("deps"))
            || folder.file_name() == Some(OsStr::new("examples"))
        {
            folder = folder.parent().context("the program has no folder")?;
        }
        let target = folder.parent().context("the program is not in a target folder")?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build
            .args([
                "build",
                "--quiet",
                "--package",
                "cluster-service",
                "--package",
                "cluster-ctl",
                "--package",
                "cluster-follow",
                "--target-dir",
            ])
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        if folder.file_name() == Some(OsStr::new("release")) {
            build.arg("--release");
        }
        // What cargo says to a test about its own package would make build scripts of dependencies run again, here
        // and at the next build outside.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PKG_")
                || name.to_string_lossy().starts_with("CARGO_MANIFEST_")
            {
                build.env_remove(name);
            }
        }
        ensure!(build.status().context("cannot run cargo")?.success(), "building the programs failed");
        let program = |name| folder.join(name);
        Ok(Self {
            service: program("cluster-service"),
            ctl: program("cluster-ctl"),
            follow: program("cluster-follow"),
        })
    }
}

/// A peer's folder and, while it runs, its process.
#[derive(Debug)]
pub struct Service {
    program: PathBuf,
    base: PathBuf,
    environment: Vec<(String, String)>,
    rest: String,
    /// Where other peers reach it, with its peer ID.
    swarm: String,
    /// Whom it joins at its next starts.
    joined: Vec<String>,
    /// The command before the program's own; often none.
    launcher: Vec<String>,
    /// Further arguments of `daemon`.
    arguments: Vec<String>,
    child: Option<Child>,
    /// When the process was started.
    started: Instant,
    /// Reads the log to its end, which comes with the process's.
    reader: Option<JoinHandle<()>>,
    log: Arc<Mutex<Vec<String>>>,
    /// Where all of the log goes as well.
    log_file: Option<PathBuf>,
}

impl Service {
    /// Makes a folder with `init` for a peer beside the IPFS daemon at `ipfs` (a multiaddress), listening on free
    /// loopback ports. `environment` holds further variables for `init` and every start. It looks for nobody by
    /// multicast: other tests run on this machine.
    ///
    /// The program may also be that of the Go suite: folder, variables and commands are the same.
    ///
    /// # Errors
    /// When `init` fails.
    pub fn init(program: &Path, base: &Path, ipfs: &str, environment: &[(&str, &str)]) -> Result<Self> {
        Self::init_agreeing(program, "crdt", base, ipfs, environment)
    }

    /// As [`Service::init`], with a consensus by its name.
    ///
    /// # Errors
    /// As there.
    pub fn init_agreeing(
        program: &Path,
        consensus: &str,
        base: &Path,
        ipfs: &str,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let [rest, swarm, pinning, proxy] = free_ports()?.map(loopback);
        let mut variables: Vec<(String, String)> =
            environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let defaults = [
            ("CLUSTER_IPFSHTTP_NODEMULTIADDRESS", ipfs),
            ("CLUSTER_MDNSINTERVAL", "0s"),
            (REST_VARIABLE, &rest),
            (SWARM_VARIABLE, &swarm),
            ("CLUSTER_PINSVCAPI_HTTPLISTENMULTIADDRESS", &pinning),
            ("CLUSTER_IPFSPROXY_LISTENMULTIADDRESS", &proxy),
        ];
        for (name, value) in defaults {
            if variables.iter().all(|(given, _)| given != name) {
                variables.push((name.to_owned(), value.to_owned()));
            }
        }
        let output = Command::new(program)
            .arg("--config")
            .arg(base)
            .args(["init", "--consensus", consensus])
            .envs(variables.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {}", program.display()))?;
        ensure!(output.status.success(), "init failed: {}", String::from_utf8_lossy(&output.stderr));
        let value = |name| {
            let found = variables.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone());
            found.context("a listener has no address")
        };
        let rest = value(REST_VARIABLE)?;
        let identity: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(base.join("identity.json"))?)?;
        let id = identity["id"].as_str().context("the identity has no ID")?;
        let swarm = format!("{}/p2p/{id}", value(SWARM_VARIABLE)?);
        Ok(Self {
            program: program.to_owned(),
            base: base.to_owned(),
            environment: variables,
            rest,
            swarm,
            joined: Vec::new(),
            launcher: Vec::new(),
            arguments: Vec::new(),
            child: None,
            started: Instant::now(),
            reader: None,
            log: Arc::default(),
            log_file: None,
        })
    }

    /// Starts the peer and waits until its API answers.
    ///
    /// # Errors
    /// When it ends or does not answer in time; its last log lines are in the error.
    pub fn start(&mut self) -> Result<()> {
        self.launch()?;
        self.until_it_answers()
    }

    /// Waits until the API of the started peer answers.
    ///
    /// # Errors
    /// As [`Service::start`].
    pub fn until_it_answers(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        let address = self.socket()?;
        loop {
            self.check_running()?;
            if std::net::TcpStream::connect(&address).is_ok() {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the peer does not answer at {address}:\n{}", self.log_text());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Checks that the process has not ended of itself since it was started.
    ///
    /// # Errors
    /// When it has; its last log lines are in the error.
    pub fn check_running(&mut self) -> Result<()> {
        let ended = self.child.as_mut().and_then(|child| child.try_wait().transpose()).transpose()?;
        if let Some(status) = ended {
            self.child = None;
            self.read_log_to_its_end();
            bail!("the peer ended with {status}:\n{}", self.log_text());
        }
        Ok(())
    }

    /// Starts the peer and waits for nothing.
    ///
    /// # Errors
    /// When it runs already, or the program cannot be run.
    pub fn launch(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "the peer runs already");
        let mut command = match self.launcher.split_first() {
            Some((launcher, arguments)) => {
                let mut command = Command::new(launcher);
                command.args(arguments).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        let mut child = command
            .arg("--config")
            .arg(&self.base)
            .arg("daemon")
            .args(&self.arguments)
            .args(self.joined.iter().flat_map(|address| ["--bootstrap", address]))
            .envs(self.environment.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        if let Some(stderr) = child.stderr.take() {
            let log = self.log.clone();
            let open = |path: &PathBuf| File::options().create(true).append(true).open(path);
            let mut copy = self.log_file.as_ref().map(open).transpose().context("the file for the log")?;
            self.reader = Some(std::thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(std::result::Result::ok) {
                    // A test that polls would push everything else out.
                    if line.contains(" restapilog: ") {
                        continue;
                    }
                    if let Some(copy) = &mut copy {
                        // The log is there without it as well.
                        let _ = writeln!(copy, "{line}");
                    }
                    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                    if log.len() == LOG_LINES {
                        log.remove(0);
                    }
                    log.push(line);
                }
            }));
        }
        self.child = Some(child);
        self.started = Instant::now();
        Ok(())
    }

    /// Returns the base folder.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Returns the REST API's multiaddress.
    pub fn rest(&self) -> &str {
        &self.rest
    }

    /// Returns the multiaddress at which other peers reach this one; it ends in `/p2p/<peer ID>`.
    pub fn swarm_address(&self) -> &str {
        &self.swarm
    }

    /// Returns the peer ID.
    pub fn id(&self) -> &str {
        self.swarm.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the variables of its environment, for who runs the peer in another way.
    pub fn variables(&self) -> &[(String, String)] {
        &self.environment
    }

    /// Gives the peer another identity: the content of its `identity.json`.
    ///
    /// # Errors
    /// When it names no peer, or the file cannot be written.
    pub fn set_identity(&mut self, identity: &serde_json::Value) -> Result<()> {
        let id = identity["id"].as_str().context("the identity has no ID")?;
        let address = self.swarm.rsplit_once('/').context("the address has no ID")?.0;
        self.swarm = format!("{address}/{id}");
        Ok(fs::write(self.base.join("identity.json"), serde_json::to_vec(identity)?)?)
    }

    /// Makes the peer join others (`--bootstrap`) at its next starts.
    pub fn join(&mut self, addresses: &[&str]) {
        self.joined = addresses.iter().map(|address| (*address).to_owned()).collect();
    }

    /// Starts the peer by another command from now on, which must become the peer, as `ip netns exec` does.
    pub fn launch_by(&mut self, launcher: &[String]) {
        self.launcher = launcher.to_vec();
    }

    /// Gives `daemon` further arguments at its next starts.
    pub fn set_arguments(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    }

    /// Appends the log of the next starts, without lines of requests, to a file.
    pub fn keep_log(&mut self, file: &Path) {
        self.log_file = Some(file.to_owned());
    }

    /// Sets a variable for the next starts.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.environment.retain(|(key, _)| key != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Returns the REST API's host and port.
    ///
    /// # Errors
    /// When the address is not one of IPv4 and TCP.
    pub fn socket(&self) -> Result<String> {
        let mut parts = self.rest.split('/').skip(2);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(host), Some("tcp"), Some(port)) => Ok(format!("{host}:{port}")),
            _ => bail!("{} is not an address of IPv4 and TCP", self.rest),
        }
    }

    /// Returns the process's number, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Returns the last lines of the log, without those of requests.
    pub fn log_text(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Ends the peer with `kill -9`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
            self.read_log_to_its_end();
        }
        Ok(())
    }

    /// Waits for the last lines of a process that has ended.
    fn read_log_to_its_end(&mut self) {
        if let Some(reader) = self.reader.take() {
            // A reader that panicked leaves a shorter log.
            let _ = reader.join();
        }
    }

    /// Stops the peer orderly (SIGTERM) and waits for its end.
    ///
    /// # Errors
    /// When it does not end in time or not with status 0.
    pub fn stop(&mut self) -> Result<()> {
        let Some(child) = self.child.take() else { return Ok(()) };
        if self.program.file_name() == Some(OsStr::new("ipfs-cluster-service")) {
            // A daemon of Go 1.1.6 that is stopped right after its start may wait for itself for ever.
            std::thread::sleep(YOUNG.saturating_sub(self.started.elapsed()));
        }
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        self.until_ended(child)
    }

    /// Waits until the peer ends of itself.
    ///
    /// # Errors
    /// When it does not end in time or not with status 0.
    pub fn until_it_ends(&mut self) -> Result<()> {
        let child = self.child.take().context("the peer does not run")?;
        self.until_ended(child)
    }

    fn until_ended(&mut self, mut child: Child) -> Result<()> {
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            if let Some(status) = child.try_wait()? {
                self.read_log_to_its_end();
                ensure!(status.success(), "the peer stopped with {status}:\n{}", self.log_text());
                return Ok(());
            }
            if Instant::now() > deadline {
                child.kill()?;
                child.wait()?;
                bail!("the peer did not stop in time:\n{}", self.log_text());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Runs `cluster-service` with arguments on this peer's folder.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn command(&self, arguments: &[&str]) -> Result<std::process::Output> {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(&self.base).args(arguments).stdin(Stdio::null());
        Ok(command.envs(self.environment.iter().map(|(k, v)| (k, v))).output()?)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Nothing can be done about a process that the system will not end.
        let _ = self.kill();
    }
}
