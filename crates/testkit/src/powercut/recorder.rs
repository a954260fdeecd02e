//! Runs a program under `strace`.

use super::{decode::TRACED, error::PowercutError, recording::Recording};
use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

/// How long `strace` may take to start the program.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long an orderly stop may take under `strace`.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(5);

/// Says whether programs can be traced here: `strace` is installed and allowed to.
pub fn is_permitted() -> bool {
    let mut probe = Command::new("strace");
    probe.args(["-f", "--seccomp-bpf", "-e", "trace=close", "-o", "/dev/null", "true"]);
    probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// Starts programs under `strace`.
#[derive(Debug)]
pub struct Recorder;

impl Recorder {
    /// Copies `root` as it is and starts `program`, which works on it, with its input and output piped. The
    /// recording goes to `folder`.
    ///
    /// # Errors
    /// When `root` cannot be copied or `strace` does not start the program.
    pub fn start(folder: &Path, root: &Path, program: &Command) -> Result<Running> {
        Recording::begin(folder, root)?;
        let errors = folder.join("stderr");
        let mut strace = Command::new("strace");
        strace.args([
            "-f",
            "--seccomp-bpf",
            "-qq",
            "-s",
            "16777216",
            "-xx",
            "--decode-fds=path",
            "-e",
            "signal=none",
        ]);
        strace.arg("-e").arg(format!("trace={}", TRACED.replace(char::is_whitespace, "")));
        strace.arg("-o").arg(Recording::trace_path(folder)).arg("--").arg(program.get_program());
        strace.args(program.get_args()).current_dir(folder);
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => strace.env(name, value),
                None => strace.env_remove(name),
            };
        }
        strace.stdin(Stdio::piped()).stdout(Stdio::piped());
        strace.stderr(File::create(&errors).map_err(PowercutError::io("create", &errors))?);
        let mut child = strace.spawn().context("strace does not start")?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut running = Running { strace: child, errors, stdin, stdout };
        running.wait_for_program()?;
        Ok(running)
    }
}

/// A program under `strace`; it is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    strace: Child,
    errors: PathBuf,
    /// The program's standard input.
    pub stdin: Option<ChildStdin>,
    /// The program's standard output.
    pub stdout: Option<ChildStdout>,
}

impl Running {
    /// Returns the last lines of the program's standard error.
    pub fn errors(&self) -> String {
        let text = fs::read(&self.errors).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Says whether the program has ended.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.strace.try_wait()?.is_some())
    }

    /// Asks the program to stop, closes its input and waits for its end; kills it when it takes too long.
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn stop(mut self) -> Result<()> {
        self.stdin = None;
        self.send(Signal::TERM);
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline {
            if self.has_ended()? {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        bail!("the program did not stop within {STOP_LIMIT:?}: {}", self.errors())
    }

    fn send(&self, signal: Signal) {
        if let Some(program) = self.program() {
            // It may have ended by itself, which is what is wanted.
            let _ = kill_process(program, signal);
        }
    }

    /// Looks for the program among the children of `strace`, anew each time: at its start `strace` has short-lived
    /// ones that try out what the system can do.
    fn program(&self) -> Option<Pid> {
        let children = format!("/proc/{0}/task/{0}/children", self.strace.id());
        let text = fs::read_to_string(children).unwrap_or_default();
        text.split_whitespace().next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw)
    }

    fn wait_for_program(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline && !self.has_ended()? {
            if self.program().is_some() {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        Err(PowercutError::Strace { detail: self.errors() }.into())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.strace.try_wait(), Ok(None)) {
            self.send(Signal::KILL);
            // Without its program strace ends; should it not, it is only ours to end.
            let deadline = Instant::now() + Duration::from_secs(5);
            while Instant::now() < deadline && matches!(self.strace.try_wait(), Ok(None)) {
                std::thread::sleep(LOOK);
            }
            let _ = self.strace.kill();
            let _ = self.strace.wait();
        }
    }
}
