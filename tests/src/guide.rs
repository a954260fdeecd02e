//! Guides whose commands are run as they stand there: the fenced blocks of a Markdown file, and a machine to run them
//! on.

use anyhow::{Context, Result, bail, ensure};
use std::{
    collections::VecDeque,
    ffi::OsString,
    fs::{self, File},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// How long anything may take that only has to happen at some time.
const LIMIT: Duration = Duration::from_secs(120);

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Commands that stand together in a fence of the language `sh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Whether they need the programs of the Go suite (the word `go` behind the language).
    pub needs_go: bool,
    /// Whether it is one command that runs on (the word `daemon`).
    pub is_daemon: bool,
    /// The commands.
    pub text: String,
}

/// The blocks of one section of a guide, taken from the first to the last.
#[derive(Debug)]
pub struct Section {
    title: String,
    blocks: VecDeque<Block>,
}

impl Section {
    /// Reads the section of a guide under a heading of the second level.
    ///
    /// # Errors
    /// When there is no such section, or a fence in it that is no `sh`.
    pub fn read(guide: &str, title: &str) -> Result<Self> {
        let heading = format!("## {title}");
        let mut lines = guide.lines().skip_while(|line| *line != heading).skip(1).peekable();
        ensure!(lines.peek().is_some(), "no section {title:?}");
        let mut blocks = VecDeque::new();
        let mut open: Option<Block> = None;
        for line in lines {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(language)) => {
                    let mut words = language.split_whitespace();
                    ensure!(words.next() == Some("sh"), "{title:?}: a fence of {language:?}");
                    let words: Vec<&str> = words.collect();
                    ensure!(
                        words.iter().all(|word| ["go", "daemon"].contains(word)),
                        "{title:?}: {language:?}"
                    );
                    open = Some(Block {
                        needs_go: words.contains(&"go"),
                        is_daemon: words.contains(&"daemon"),
                        text: String::new(),
                    });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(block), None) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, None) if line.starts_with("## ") => break,
                (None, None) => {}
            }
        }
        Ok(Self { title: title.to_owned(), blocks })
    }

    /// Takes the next block, which is expected to hold `part`.
    ///
    /// # Errors
    /// When there is none, or another one: the guide and whoever runs it have drifted apart.
    pub fn next(&mut self, part: &str) -> Result<Block> {
        let block =
            self.blocks.pop_front().with_context(|| format!("{:?} ends before {part:?}", self.title))?;
        ensure!(
            block.text.contains(part),
            "{:?} has {:?} where {part:?} was expected",
            self.title,
            block.text
        );
        Ok(block)
    }

    /// Ends the section.
    ///
    /// # Errors
    /// When a block was not taken.
    pub fn end(self) -> Result<()> {
        ensure!(self.blocks.is_empty(), "{:?} has more to run: {:?}", self.title, self.blocks);
        Ok(())
    }
}

/// Puts the programs a guide speaks of in a folder: `cluster-ctl` asks the peer at the variable `REST`.
///
/// # Errors
/// When the folder cannot be written.
pub fn lay_out_programs(folder: &Path, service: &Path, ctl: &Path, go_service: Option<&Path>) -> Result<()> {
    use std::os::unix::fs::{PermissionsExt, symlink};
    symlink(service, folder.join("cluster-service"))?;
    if let Some(go) = go_service {
        symlink(go, folder.join("ipfs-cluster-service"))?;
    }
    let wrapper = folder.join("cluster-ctl");
    fs::write(&wrapper, format!("#!/bin/sh\nexec '{}' --host \"$REST\" \"$@\"\n", ctl.display()))?;
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// A machine of a guide: a folder to work in, variables, and at most one peer that runs.
#[derive(Debug)]
pub struct Machine {
    folder: PathBuf,
    path: OsString,
    variables: Vec<(String, String)>,
    rest: String,
    daemon: Option<Child>,
}

impl Machine {
    /// Makes a machine whose commands are run in `folder` with the programs in `programs`; its peer answers at the
    /// multiaddress `rest`.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(folder: &Path, programs: &Path, rest: &str) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let mut path = programs.as_os_str().to_owned();
        path.push(":/usr/local/bin:/usr/bin:/bin");
        let mut parts = rest.split('/').skip(2);
        let (host, port) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
        let variables = vec![("REST".to_owned(), rest.to_owned())];
        Ok(Self { folder: folder.to_owned(), path, variables, rest: format!("{host}:{port}"), daemon: None })
    }

    /// Sets a variable that commands may use.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.retain(|(other, _)| other != name);
        self.variables.push((name.to_owned(), value.into()));
    }

    /// Returns the path of a file in the folder commands are run in.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn shell(&self, text: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-euc", text]).current_dir(&self.folder).env_clear().env("PATH", &self.path);
        shell.envs(self.variables.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        shell
    }

    /// Runs commands and returns whether they succeeded, and what they printed.
    ///
    /// # Errors
    /// When there is no shell.
    pub fn try_run(&self, text: &str) -> Result<(ExitStatus, String)> {
        let output = self.shell(text).output().context("cannot run sh")?;
        let printed = [&output.stdout[..], &output.stderr].concat();
        Ok((output.status, String::from_utf8_lossy(&printed).into_owned()))
    }

    /// Runs a block and returns what it printed.
    ///
    /// # Errors
    /// When it fails; what it printed is in the error.
    pub fn run(&self, block: &Block) -> Result<String> {
        ensure!(!block.is_daemon, "{:?} runs on", block.text);
        let (status, printed) = self.try_run(&block.text)?;
        ensure!(status.success(), "{}\n{printed}\n{}", block.text, self.log());
        Ok(printed)
    }

    /// Runs a block again and again until it succeeds.
    ///
    /// # Errors
    /// When it does not in time; what it printed last is in the error.
    pub fn run_until(&self, block: &Block) -> Result<String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.run(block) {
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => std::thread::sleep(POLL),
                printed => return printed,
            }
        }
    }

    /// Starts the peer of a block and waits until its API answers. `PID` is its process from then on.
    ///
    /// # Errors
    /// When another one runs, or it ends or does not answer; its log is in the error.
    pub fn start(&mut self, block: &Block) -> Result<()> {
        ensure!(self.daemon.is_none(), "a peer runs already");
        ensure!(block.is_daemon && block.text.lines().count() == 1, "{:?} is no peer", block.text);
        let log = File::create(self.file("log"))?;
        let mut shell = self.shell(&format!("exec {}", block.text));
        let mut child = shell.stdout(log.try_clone()?).stderr(log).spawn()?;
        let deadline = Instant::now() + LIMIT;
        while TcpStream::connect(&self.rest).is_err() {
            if let Some(status) = child.try_wait()? {
                bail!("{}ended with {status}:\n{}", block.text, self.log());
            }
            if Instant::now() > deadline {
                child.kill()?;
                bail!("{}does not answer:\n{}", block.text, self.log());
            }
            std::thread::sleep(POLL);
        }
        self.set("PID", child.id().to_string());
        self.daemon = Some(child);
        Ok(())
    }

    /// Waits for the end of the peer, which was told to stop.
    ///
    /// # Errors
    /// When it does not end in time, or not orderly.
    pub fn wait(&mut self) -> Result<()> {
        let mut child = self.daemon.take().context("no peer runs")?;
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = child.try_wait()? {
                ensure!(status.success(), "the peer ended with {status}:\n{}", self.log());
                return Ok(());
            }
            if Instant::now() > deadline {
                child.kill()?;
                child.wait()?;
                bail!("the peer does not stop:\n{}", self.log());
            }
            std::thread::sleep(POLL);
        }
    }

    /// Returns what the peer logged since its last start.
    pub fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut child) = self.daemon.take() {
            // Nothing can be done about a process that the system will not end.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_taken_in_turn_and_none_is_left_over() {
        let guide = "# T\n## A\n```sh\none\n```\ntext\n```sh go daemon\ntwo\n```\n## B\n```sh\nthree\n```\n";
        let mut section = Section::read(guide, "A").unwrap();
        let one = Block { needs_go: false, is_daemon: false, text: "one\n".to_owned() };
        assert_eq!(section.next("on").unwrap(), one);
        let two = section.next("two").unwrap();
        assert!(two.needs_go && two.is_daemon);
        section.end().unwrap();
        assert!(Section::read(guide, "A").unwrap().end().is_err());
        assert!(Section::read(guide, "B").unwrap().next("four").is_err());
        assert!(Section::read(guide, "C").is_err());
        assert!(Section::read("## A\n```python\n```\n", "A").is_err());
    }
}
