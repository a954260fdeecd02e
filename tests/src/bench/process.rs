//! Child processes that never outlive this program: each is killed by its id when its owner is dropped, and the
//! program drops everything on success, error, panic, and on the usual signals.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, PipeReader, Read};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// What a daemon of Go 1.1.6 ends with that is stopped while it reads: it closes its store first, and everything in it is
/// written.
const GO_READS_ON: &str = "panic: pebble: closed";

/// How much of a child's output is kept for error messages.
const TAIL: usize = 8 * 1024;
/// Longest wait for the rest of an ended child's output: a process it left behind may hold the pipe open.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);

/// Waits for something, at most for `limit`; the error says what it waited for.
pub(crate) async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(limit, future)
        .await
        .with_context(|| format!("waited {} s in vain: {what}", limit.as_secs_f64()))
}

/// A running child.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    id: u32,
    name: String,
    tail: Arc<Mutex<VecDeque<u8>>>,
    drain: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts a child in a process group of its own, so that Ctrl-C in a terminal reaches this program alone; its
    /// output is drained and the end of it kept.
    pub(crate) fn start(mut command: Command, name: &str) -> Result<Self> {
        let (reader, writer) = std::io::pipe().context("creating a pipe")?;
        command
            .stdin(Stdio::null())
            .stdout(writer.try_clone().context("sharing a pipe")?)
            .stderr(writer)
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        let id = child.id().with_context(|| format!("{name} ended at once"))?;
        let tail = Arc::<Mutex<VecDeque<u8>>>::default();
        let kept = Arc::clone(&tail);
        // A thread and not a task: a child that logs much must not wait until the generator's thread has time.
        let drain = std::thread::spawn(move || drain(reader, &kept));
        Ok(Self { child, id, name: name.to_owned(), tail, drain: Some(drain) })
    }

    /// Starts one of this program's own servers, which ends with its standard input, and returns the first line it
    /// prints.
    pub(crate) fn start_server(mut command: Command, name: &str) -> Result<(Self, String)> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("starting {name}"))?;
        let id = child.id().with_context(|| format!("{name} ended at once"))?;
        let output = child.stdout.take().with_context(|| format!("{name} has no output"))?;
        let mut line = String::new();
        let output = output.into_owned_fd().context("taking the output")?;
        BufReader::new(std::fs::File::from(output)).read_line(&mut line).context("reading its first line")?;
        Ok((
            Self { child, id, name: name.to_owned(), tail: Arc::default(), drain: None },
            line.trim().to_owned(),
        ))
    }

    /// Returns its process id.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Fails, with the end of its output, when the child has ended.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        match self.child.try_wait().context("looking after a child")? {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}); its last words:\n{}", self.name, self.last_words()),
        }
    }

    /// Waits for its end.
    pub(crate) async fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        within(limit, &what, self.child.wait()).await?.context("waiting for a child")
    }

    /// Waits for its end and fails unless it succeeded.
    pub(crate) async fn wait_success(&mut self, limit: Duration) -> Result<()> {
        let status = self.wait(limit).await?;
        if !status.success() {
            bail!("{} failed ({status}); its last words:\n{}", self.name, self.last_words());
        }
        Ok(())
    }

    /// Asks it to stop in order and waits for its end.
    pub(crate) async fn stop(mut self, limit: Duration) -> Result<()> {
        self.signal(Signal::TERM)?;
        let status = self.wait(limit).await?;
        if status.success() {
            return Ok(());
        }
        let words = self.last_words();
        if words.contains(GO_READS_ON) {
            return Ok(());
        }
        bail!("{} did not stop in order ({status}); its last words:\n{words}", self.name)
    }

    /// Kills it with -9 and waits until it is gone.
    pub(crate) async fn kill(mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.wait(Duration::from_secs(60)).await?;
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.id).ok().and_then(Pid::from_raw).context("process id")?;
        kill_process(pid, signal).with_context(|| format!("signalling {}", self.name))
    }

    /// Returns the end of the output of a child that has ended.
    fn last_words(&self) -> String {
        let patience = Instant::now() + DRAIN_LIMIT;
        while self.drain.as_ref().is_some_and(|drain| !drain.is_finished()) && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(tail.make_contiguous()).into_owned()
    }
}

fn drain(mut reader: PipeReader, kept: &Mutex<VecDeque<u8>>) {
    let mut buffer = vec![0; 64 * 1024];
    // An error means the pipe is gone, like its end.
    while let Ok(read @ 1..) = reader.read(&mut buffer) {
        let mut tail = kept.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend(&buffer[read.saturating_sub(TAIL)..read]);
        let surplus = tail.len().saturating_sub(TAIL);
        tail.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::Process;
    use std::time::Duration;
    use tokio::process::Command;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn a_failure_quotes_the_end_of_the_output() {
        let mut child = Process::start(shell("echo first; echo out of luck >&2; exit 3"), "child").unwrap();
        let error = child.wait_success(Duration::from_secs(20)).await.unwrap_err().to_string();
        assert!(error.contains("child failed"), "{error}");
        assert!(error.ends_with("first\nout of luck\n"), "{error}");
    }

    #[tokio::test]
    async fn a_dropped_child_is_gone() {
        let child = Process::start(shell("exec sleep 600"), "child").unwrap();
        let status = format!("/proc/{}/stat", child.id());
        assert!(std::fs::exists(&status).unwrap());
        drop(child);
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        // Killed at once; until it is reaped it is a zombie.
        while std::fs::read_to_string(&status).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(std::time::Instant::now() < deadline, "the child still runs");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_wait_in_vain_says_for_what() {
        let mut child = Process::start(shell("exec sleep 600"), "the sleeper").unwrap();
        let error = child.wait(Duration::from_millis(20)).await.unwrap_err().to_string();
        assert_eq!(error, "waited 0.02 s in vain: the end of the sleeper");
        child.kill().await.unwrap();
    }
}
