//! What a case looks like, and how its steps are taken.

use anyhow::{Context, Result, ensure};
use cluster_testkit::{
    mock_kubo::MockKubo,
    service::{Programs, Service},
};
use cluster_tests::http::Connection;
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How long a step with `until` may take, and how long bytes of `raw` may go without the end of the connection.
const LIMIT: Duration = Duration::from_secs(30);

/// How often a condition is looked at that must come to hold, or must go on holding.
const POLL: Duration = Duration::from_millis(50);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// The row it proves.
    pub(crate) row: String,
    /// How the peer is set up, where each case has one of its own.
    #[serde(default)]
    pub(crate) peer: Settings,
    /// A second peer of the same cluster, which joins the first one.
    pub(crate) other: Option<Settings>,
    /// Tests that prove the row, each `file::function`, where a case cannot.
    #[serde(default)]
    pub(crate) proved_by: Vec<String>,
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
}

/// How a peer is set up.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Values by dotted path, written into its `service.toml`.
    #[serde(default)]
    pub(crate) set: BTreeMap<String, toml::Value>,
    /// Its consensus, crdt unless it says otherwise.
    pub(crate) consensus: Option<String>,
    /// Variables of its environment.
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, String>,
    /// Further arguments of `daemon`.
    #[serde(default)]
    pub(crate) arguments: Vec<String>,
    /// It is not started: a step does that.
    #[serde(default)]
    pub(crate) stopped: bool,
    /// The second peer does not join the first one.
    #[serde(default)]
    pub(crate) alone: bool,
    /// The peer ID of its IPFS daemon.
    pub(crate) ipfs_id: Option<String>,
    /// Calls that its IPFS daemon never answers.
    #[serde(default)]
    pub(crate) mute: Vec<String>,
    /// Calls that its IPFS daemon fails.
    #[serde(default)]
    pub(crate) broken: Vec<String>,
    /// Parts of what it says when it does not start; then there are no steps.
    #[serde(default)]
    pub(crate) refused: Vec<String>,
}

/// A request, or a command of one of the programs, and what comes of it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// Method and path.
    request: Option<String>,
    body: Option<String>,
    /// Headers that are sent.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Headers of the answer, names in lower case.
    #[serde(default)]
    reply: BTreeMap<String, String>,
    /// Headers that the answer has not.
    #[serde(default)]
    reply_lacks: Vec<String>,
    status: Option<u16>,
    /// Bytes sent on a connection of their own; what comes until its end is the output.
    raw: Option<String>,
    /// The connection of `raw` must still be open after so many seconds.
    held: Option<u64>,
    /// The port of a request or of `raw`, if it is not that of the REST API.
    port: Option<String>,
    /// Arguments of `cluster-ctl`.
    ctl: Option<Vec<String>>,
    /// Arguments of `cluster-service`; the peer must not run.
    service: Option<Vec<String>>,
    /// Arguments of `cluster-follow`.
    follow: Option<Vec<String>>,
    /// Standard input of the program.
    input: Option<String>,
    exit: Option<i32>,
    /// Reads a file of the peer's folder.
    file: Option<String>,
    /// A file or folder that is there in the peer's folder.
    exists: Option<String>,
    /// Reads the peer's log.
    #[serde(default)]
    log: bool,
    /// Counts a call of the IPFS daemon.
    calls: Option<String>,
    /// How many calls there are at least.
    at_least: Option<u64>,
    /// Starts or stops the peer.
    #[serde(default)]
    start: bool,
    #[serde(default)]
    stop: bool,
    /// It is the second peer that is meant.
    #[serde(default)]
    other: bool,
    /// The whole output; of an answer without the last line break.
    equals: Option<String>,
    /// Parts of the output.
    #[serde(default)]
    contains: Vec<String>,
    /// What is no part of the output.
    #[serde(default)]
    lacks: Vec<String>,
    /// Parts of what a program says on standard error.
    #[serde(default)]
    errors: Vec<String>,
    /// How many lines the output has.
    lines: Option<usize>,
    /// Values in the output's first line, or whole output, which is JSON; "null" is null.
    #[serde(default)]
    json: BTreeMap<String, toml::Value>,
    /// Moments in nanoseconds, and how many seconds from now they are at most.
    #[serde(default)]
    within: BTreeMap<String, u64>,
    /// Do it again until all of this holds.
    #[serde(default)]
    until: bool,
    /// Do it again for so many seconds: it must hold all the time.
    steady: Option<u64>,
}

/// What came of a step.
struct Outcome {
    code: i64,
    output: String,
    errors: String,
    headers: Vec<(String, String)>,
}

impl Outcome {
    fn of_text(output: String) -> Self {
        Self { code: 0, output, errors: String::new(), headers: Vec::new() }
    }
}

/// A peer that steps speak to, with its IPFS daemon if that is a stand-in.
pub(crate) struct Player<'a> {
    pub(crate) service: &'a mut Service,
    pub(crate) mock: Option<&'a MockKubo>,
}

/// Where the steps of a case are taken.
#[derive(Default)]
pub(crate) struct Stage<'a> {
    /// What stands for `{name}`.
    pub(crate) names: BTreeMap<String, String>,
    pub(crate) peer: Option<Player<'a>>,
    pub(crate) other: Option<Player<'a>>,
}

/// Reads cases; each of `rows` must have one, and there are no others.
pub(crate) fn cases(file: &str, rows: &[&str]) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance").join(file);
    let cases: Cases = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let named: BTreeSet<&str> = cases.case.iter().map(|case| case.row.as_str()).collect();
    let known: BTreeSet<&str> = rows.iter().copied().collect();
    let (missing, foreign): (Vec<_>, Vec<_>) =
        (known.difference(&named).collect(), named.difference(&known).collect());
    assert!(
        missing.is_empty() && foreign.is_empty(),
        "rows without a case: {missing:?}; unknown: {foreign:?}"
    );
    cases.case
}

/// Says whether a test is there that proves a row.
pub(crate) fn is_there(test: &str) -> bool {
    let Some((file, function)) = test.split_once("::") else { return false };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(file)).is_ok_and(|text| text.contains(&format!("fn {function}(")))
}

impl Stage<'_> {
    pub(crate) fn fill(&self, text: &str) -> String {
        self.names
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    pub(crate) fn fill_value(&self, value: &toml::Value) -> toml::Value {
        match value {
            toml::Value::String(text) => toml::Value::String(self.fill(text)),
            toml::Value::Array(items) => {
                toml::Value::Array(items.iter().map(|item| self.fill_value(item)).collect())
            }
            other => other.clone(),
        }
    }

    pub(crate) fn run(&mut self, case: &Case) {
        for (number, step) in case.steps.iter().enumerate() {
            let began = Instant::now();
            loop {
                match (self.step(step), step.steady) {
                    (Ok(()), Some(seconds)) if began.elapsed() < Duration::from_secs(seconds) => {}
                    (Ok(()), _) => break,
                    (Err(_), _) if step.until && began.elapsed() < LIMIT => {}
                    (Err(error), _) => panic!("row \"{}\", step {}: {error:#}", case.row, number + 1),
                }
                std::thread::sleep(POLL);
            }
        }
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        let Outcome { code, output, errors, headers } = self.outcome(step)?;
        let said = || format!("{code}\n{headers:?}\n{output}\n{errors}");
        let wanted = step.status.map(i64::from).or(step.exit.map(i64::from)).unwrap_or(0);
        ensure!(code == wanted, "{wanted} is wanted: {}", said());
        if let Some(equals) = &step.equals {
            ensure!(output == self.fill(equals), "it is not {equals:?}: {}", said());
        }
        for part in &step.contains {
            ensure!(output.contains(&self.fill(part)), "{part:?} is missing: {}", said());
        }
        for part in &step.lacks {
            ensure!(!output.contains(&self.fill(part)), "{part:?} is there: {}", said());
        }
        for part in &step.errors {
            ensure!(errors.contains(&self.fill(part)), "{part:?} is missing: {}", said());
        }
        for (name, wanted) in &step.reply {
            let found: Vec<&str> =
                headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect();
            let wanted = self.fill(wanted);
            ensure!(found.contains(&wanted.as_str()), "{name} is {found:?}: {}", said());
        }
        for name in &step.reply_lacks {
            ensure!(headers.iter().all(|(found, _)| found != name), "{name} is there: {}", said());
        }
        if let Some(lines) = step.lines {
            ensure!(output.lines().count() == lines, "{lines} lines are wanted: {}", said());
        }
        if let Some(least) = step.at_least {
            ensure!(output.parse::<u64>()? >= least, "{least} are wanted: {}", said());
        }
        if step.json.is_empty() && step.within.is_empty() {
            return Ok(());
        }
        let mut values = serde_json::Deserializer::from_str(&output).into_iter::<Value>();
        let value = values.next().context("no JSON")?.with_context(said)?;
        let at = |pointer: &str| {
            let pointer = self.fill(pointer);
            value.pointer(&pointer).with_context(|| format!("no {pointer}: {}", said()))
        };
        for (pointer, wanted) in &step.json {
            let wanted = match self.fill_value(wanted) {
                toml::Value::String(text) if text == "null" => Value::Null,
                other => serde_json::to_value(other)?,
            };
            ensure!(*at(pointer)? == wanted, "{pointer} is not {wanted}: {}", said());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        for (pointer, seconds) in &step.within {
            let moment = at(pointer)?.as_u64().with_context(said)?;
            let limit = now + Duration::from_secs(*seconds);
            ensure!(
                u128::from(moment) <= limit.as_nanos(),
                "{pointer} is later than {seconds} s: {}",
                said()
            );
        }
        Ok(())
    }

    fn outcome(&mut self, step: &Step) -> Result<Outcome> {
        let player = if step.other { &mut self.other } else { &mut self.peer };
        let player = player.as_mut().context("a step speaks to a peer that is not there")?;
        if step.start {
            player.service.start()?;
            return Ok(Outcome::of_text(String::new()));
        }
        if step.stop {
            player.service.stop()?;
            return Ok(Outcome::of_text(String::new()));
        }
        if step.log {
            return Ok(Outcome::of_text(player.service.log_text()));
        }
        if let Some(name) = &step.file {
            return Ok(Outcome::of_text(fs::read_to_string(player.service.base().join(name))?));
        }
        if let Some(name) = &step.exists {
            ensure!(player.service.base().join(name).exists(), "there is no {name}");
            return Ok(Outcome::of_text(String::new()));
        }
        if let Some(path) = &step.calls {
            let mock = player.mock.context("the IPFS daemon is a real one")?;
            return Ok(Outcome::of_text(mock.calls(super::settings::endpoint(path)).to_string()));
        }
        let player = if step.other { &self.other } else { &self.peer };
        let service = &*player.as_ref().context("no peer")?.service;
        let address = match &step.port {
            Some(port) => format!("127.0.0.1:{}", self.fill(port)),
            None => service.socket()?,
        };
        if let Some(bytes) = &step.raw {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(step.held.map_or(LIMIT, Duration::from_secs)))?;
            stream.write_all(self.fill(bytes).as_bytes())?;
            let mut output = Vec::new();
            let ended = stream.read_to_end(&mut output);
            ensure!(ended.is_ok() == step.held.is_none(), "the end of the connection: {ended:?}");
            return Ok(Outcome::of_text(String::from_utf8(output)?));
        }
        if let Some(request) = &step.request {
            let request = self.fill(request);
            let (method, path) = request.split_once(' ').context("no path")?;
            let body = step.body.as_ref().map(|body| self.fill(body)).unwrap_or_default();
            let headers: Vec<(&str, String)> =
                step.headers.iter().map(|(name, value)| (name.as_str(), self.fill(value))).collect();
            let response = Connection::open_to(address)?.ask_as(method, path, &headers, body.as_bytes())?;
            let output = String::from_utf8(response.body)?;
            let output = output.strip_suffix('\n').unwrap_or(&output).to_owned();
            let code = response.status.into();
            return Ok(Outcome { code, output, errors: String::new(), headers: response.headers });
        }
        self.run_program(step, service)
    }

    fn run_program(&self, step: &Step, service: &Service) -> Result<Outcome> {
        let programs = Programs::build()?;
        let (mut command, words) = if let Some(words) = &step.ctl {
            let mut command = Command::new(programs.ctl);
            command.args(["--host", service.rest()]);
            (command, words)
        } else if let Some(words) = &step.service {
            let mut command = Command::new(programs.service);
            command.arg("--config").arg(service.base());
            command.envs(service.variables().iter().map(|(name, value)| (name, value)));
            (command, words)
        } else {
            let mut command = Command::new(programs.follow);
            command.arg("--config").arg(service.base().join("followers"));
            (command, step.follow.as_ref().context("a step without anything to do")?)
        };
        command.args(words.iter().map(|word| self.fill(word)));
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), &step.input) {
            stdin.write_all(self.fill(input).as_bytes())?;
        }
        let output = child.wait_with_output()?;
        Ok(Outcome {
            code: output.status.code().unwrap_or(-1).into(),
            output: String::from_utf8(output.stdout)?,
            errors: String::from_utf8(output.stderr)?,
            headers: Vec::new(),
        })
    }
}
