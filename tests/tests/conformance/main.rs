//! What the reference promises, row by row: the cases are data in `tests/conformance`, and every row has one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use anyhow::{Context, Result, bail, ensure};
use cluster_testkit::service::{Programs, Service};
use cluster_tests::{
    http::Connection,
    world::{World, made_up_cid},
};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// The endpoints of api §3.5. Row 6, `POST /add`, is not built yet.
const REST: [&str; 23] = [
    "1 GET /id",
    "2 GET /version",
    "3 GET /peers",
    "4 POST /peers",
    "5 DELETE /peers/{peer}",
    "7 GET /allocations",
    "8 GET /allocations/{hash}",
    "9 GET /pins",
    "10 POST /pins/{hash}/recover",
    "11 POST /pins/recover",
    "12 GET /pins/{hash}",
    "13 POST /pins/{hash}",
    "14 POST /pins/{ipfs|ipns|ipld}/{path…}",
    "15 DELETE /pins/{hash}",
    "16 DELETE /pins/{ipfs|ipns|ipld}/{path…}",
    "17 POST /ipfs/gc",
    "18 GET /health/graph",
    "19 GET /health/alerts",
    "20 GET /health/bandwidth",
    "21 GET /monitor/metrics/{name}",
    "22 GET /monitor/metrics",
    "23 POST /token",
    "24 GET /health",
];

/// The commands of api §4.6, but `add`.
const CTL: [&str; 16] = [
    "id",
    "peers ls",
    "peers rm",
    "pin add",
    "pin rm",
    "pin update",
    "pin ls",
    "status",
    "recover",
    "version",
    "health graph",
    "health metrics",
    "health alerts",
    "health bandwidth",
    "ipfs gc",
    "commands (hidden)",
];

/// The commands of api §5.4.
const SERVICE: [&str; 7] = [
    "state crdt info",
    "state crdt dot",
    "state crdt mark-dirty",
    "state crdt mark-clean",
    "state export",
    "state import [file]",
    "state cleanup",
];

/// How long a step with `until` may take.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The row it proves.
    row: String,
    steps: Vec<Step>,
}

/// A request, or a command of one of the programs, and what comes of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Method and path.
    request: Option<String>,
    body: Option<String>,
    status: Option<u16>,
    /// Arguments of `cluster-ctl`.
    ctl: Option<Vec<String>>,
    /// Arguments of `cluster-service`.
    service: Option<Vec<String>>,
    /// Standard input of the program.
    input: Option<String>,
    exit: Option<i32>,
    /// The whole output; of an answer without the last line break.
    equals: Option<String>,
    /// Parts of the output.
    #[serde(default)]
    contains: Vec<String>,
    /// Parts of what a program says on standard error.
    #[serde(default)]
    errors: Vec<String>,
    /// How many lines the output has.
    lines: Option<usize>,
    /// Values in the output's first line, or whole output, which is JSON; "null" is null.
    #[serde(default)]
    json: BTreeMap<String, toml::Value>,
    /// Do it again until all of this holds.
    #[serde(default)]
    until: bool,
}

/// What came of a step.
struct Outcome {
    code: i64,
    output: String,
    errors: String,
}

struct Stage<'a> {
    names: BTreeMap<&'static str, String>,
    port: u16,
    rest: &'a str,
    service: Option<&'a Service>,
}

fn cases(file: &str, rows: &[&str]) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance").join(file);
    let cases: Cases = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let named: BTreeSet<&str> = cases.case.iter().map(|case| case.row.as_str()).collect();
    let known: BTreeSet<&str> = rows.iter().copied().collect();
    assert_eq!(named, known, "rows with a case, and rows that there are");
    cases.case
}

impl Stage<'_> {
    fn fill(&self, text: &str) -> String {
        self.names
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    fn run(&self, case: &Case) {
        for (number, step) in case.steps.iter().enumerate() {
            let deadline = Instant::now() + LIMIT;
            loop {
                match self.step(step) {
                    Ok(()) => break,
                    Err(_) if step.until && Instant::now() < deadline => {
                        std::thread::sleep(Duration::from_millis(50));
                    }
                    Err(error) => panic!("row \"{}\", step {}: {error:#}", case.row, number + 1),
                }
            }
        }
    }

    fn step(&self, step: &Step) -> Result<()> {
        let Outcome { code, output, errors } = self.outcome(step)?;
        let said = || format!("{code}\n{output}\n{errors}");
        let wanted =
            step.status.map(i64::from).or(step.exit.map(i64::from)).context("no status and no exit")?;
        ensure!(code == wanted, "{wanted} is wanted: {}", said());
        if let Some(equals) = &step.equals {
            ensure!(output == self.fill(equals), "it is not {equals:?}: {}", said());
        }
        for part in &step.contains {
            ensure!(output.contains(&self.fill(part)), "{part:?} is missing: {}", said());
        }
        for part in &step.errors {
            ensure!(errors.contains(&self.fill(part)), "{part:?} is missing: {}", said());
        }
        if let Some(lines) = step.lines {
            ensure!(output.lines().count() == lines, "{lines} lines are wanted: {}", said());
        }
        if step.json.is_empty() {
            return Ok(());
        }
        let mut values = serde_json::Deserializer::from_str(&output).into_iter::<Value>();
        let value = values.next().context("no JSON")?.with_context(said)?;
        for (pointer, wanted) in &step.json {
            let pointer = self.fill(pointer);
            let found = value.pointer(&pointer).with_context(|| format!("no {pointer}: {}", said()))?;
            let wanted = match wanted {
                toml::Value::String(text) if text == "null" => Value::Null,
                toml::Value::String(text) => Value::String(self.fill(text)),
                other => serde_json::to_value(other)?,
            };
            ensure!(*found == wanted, "{pointer} is not {wanted}: {}", said());
        }
        Ok(())
    }

    fn outcome(&self, step: &Step) -> Result<Outcome> {
        let filled = |words: &[String]| words.iter().map(|word| self.fill(word)).collect::<Vec<_>>();
        if let Some(request) = &step.request {
            let request = self.fill(request);
            let (method, path) = request.split_once(' ').context("no path")?;
            let body = step.body.as_ref().map(|body| self.fill(body)).unwrap_or_default();
            let response = Connection::open(self.port)?.ask_with(method, path, body.as_bytes())?;
            let output = String::from_utf8(response.body)?;
            let output = output.strip_suffix('\n').unwrap_or(&output).to_owned();
            return Ok(Outcome { code: response.status.into(), output, errors: String::new() });
        }
        let mut command = match (&step.ctl, &step.service, self.service) {
            (Some(words), None, _) => {
                let mut command = Command::new(Programs::build()?.ctl);
                command.args(["--host", self.rest]).args(filled(words));
                command
            }
            (None, Some(words), Some(service)) => {
                let mut command = Command::new(Programs::build()?.service);
                command.arg("--config").arg(service.base()).args(filled(words));
                command.envs(service.variables().iter().map(|(name, value)| (name, value)));
                command
            }
            _ => bail!("a step is a request, a command of ctl, or one of service on a stopped peer"),
        };
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
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_commands_of_ctl() {
    let world = World::with_kubo(&[("CLUSTER_PEERNAME", "conforming")]).await.unwrap();
    let content = world.add(200_000).unwrap().to_string();
    let published = ["name", "publish", "--allow-offline", "--quieter", &format!("/ipfs/{content}")];
    let ipns = world.ipfs.ipfs(&published).unwrap().trim().to_owned();
    let names = BTreeMap::from([
        ("peer", world.peer.id().to_owned()),
        ("name", "conforming".to_owned()),
        ("cid", made_up_cid(1).unwrap().to_string()),
        ("content", content),
        ("ipns", ipns),
    ]);
    let port = world.peer.socket().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    let stage = Stage { names, port, rest: world.peer.rest(), service: None };
    let mut cases = cases("rest.toml", &REST);
    cases.extend(self::cases("ctl.toml", &CTL));
    // What collects garbage takes the content away that the others pin.
    cases.sort_by_key(|case| case.row.contains("gc"));
    tokio::task::block_in_place(|| cases.iter().for_each(|case| stage.run(case)));
}

#[test]
fn commands_on_the_state_of_a_stopped_peer() {
    let folder = tempfile::tempdir().unwrap();
    let program = Programs::build().unwrap().service;
    let peer = Service::init(&program, &folder.path().join("peer"), "/ip4/127.0.0.1/tcp/1", &[]).unwrap();
    let names = BTreeMap::from([("cid", made_up_cid(1).unwrap().to_string())]);
    let stage = Stage { names, port: 0, rest: "", service: Some(&peer) };
    cases("service.toml", &SERVICE).iter().for_each(|case| stage.run(case));
}
