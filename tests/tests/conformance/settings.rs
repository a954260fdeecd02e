//! Cases that each have a peer of their own, set up as the case says.

use crate::case::{Case, Player, Settings, Stage, is_there};
use anyhow::{Context, Result, anyhow, ensure};
use cluster_testkit::{
    mock_kubo::{End, Endpoint, MockKubo, Script},
    ports::free_ports,
    service::{Programs, Service},
};
use cluster_tests::{cluster::random_secret, world::made_up_cid};
use std::{collections::BTreeMap, fs, path::Path, sync::Arc};
use tokio::{runtime::Handle, sync::Semaphore, task::JoinSet};

/// Cases that run at once.
const AT_ONCE: usize = 4;

/// Finds a call by its path.
pub(crate) fn endpoint(path: &str) -> Endpoint {
    match path {
        "id" => Endpoint::Id,
        "pin/add" => Endpoint::PinAdd,
        "pin/rm" => Endpoint::PinRm,
        "pin/ls" => Endpoint::PinLs,
        "repo/stat" => Endpoint::RepoStat,
        "repo/gc" => Endpoint::RepoGc,
        "swarm/connect" => Endpoint::SwarmConnect,
        "swarm/peers" => Endpoint::SwarmPeers,
        "resolve" => Endpoint::Resolve,
        other => panic!("no name for the call {other}"),
    }
}

/// Runs cases side by side.
pub(crate) async fn run_all(cases: Vec<Case>) {
    let (places, mut running) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for case in cases {
        let places = Arc::clone(&places);
        running.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            let row = case.row.clone();
            let handle = Handle::current();
            let done = tokio::task::spawn_blocking(move || run(&case, &handle)).await;
            match done {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(format!("row \"{row}\": {error:#}")),
                Err(panic) => Some(match panic.into_panic().downcast::<String>() {
                    Ok(text) => *text,
                    Err(_) => format!("row \"{row}\" panicked"),
                }),
            }
        });
    }
    let mut failed = Vec::new();
    while let Some(done) = running.join_next().await {
        failed.extend(done.unwrap());
    }
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n----\n"));
}

/// A peer and its IPFS daemon.
struct Made {
    service: Service,
    mock: MockKubo,
}

fn run(case: &Case, runtime: &Handle) -> Result<()> {
    for test in &case.proved_by {
        ensure!(is_there(test), "there is no test {test}");
    }
    let settings = [Some(&case.peer), case.other.as_ref()];
    if settings[0].is_none_or(|first| first.refused.is_empty()) && case.steps.is_empty() {
        return if case.proved_by.is_empty() { Err(anyhow!("it proves nothing")) } else { Ok(()) };
    }
    let folder = tempfile::tempdir()?;
    let secret = random_secret()?;
    let free: Vec<u16> = free_ports::<2>()?.into_iter().collect();
    let mut names = BTreeMap::from([
        ("free".to_owned(), free[0].to_string()),
        ("free2".to_owned(), free[1].to_string()),
        ("secret".to_owned(), secret.clone()),
    ]);
    for number in 1..=5 {
        names.insert(format!("cid{number}"), made_up_cid(number)?.to_string());
    }
    let mut stage = Stage { names, ..Stage::default() };
    let mut made = Vec::new();
    for (name, settings) in ["peer", "other"].into_iter().zip(settings) {
        let Some(settings) = settings else { continue };
        let one = make(settings, &folder.path().join(name), &secret, &stage, runtime)?;
        stage.names.insert(name.to_owned(), one.service.id().to_owned());
        stage.names.insert(format!("{name}_address"), one.service.swarm_address().to_owned());
        made.push(one);
    }
    let mut made = made.into_iter().zip([&case.peer, case.other.as_ref().unwrap_or(&case.peer)]);
    let (mut first, settings) = made.next().context("no peer")?;
    let mut second = made.next();
    apply(settings, first.service.base(), &stage)?;
    if !settings.refused.is_empty() {
        let error = first.service.start().err().context("it starts")?.to_string();
        for part in &settings.refused {
            let part = stage.fill(part);
            ensure!(error.contains(&part), "{part:?} is missing: {error}");
        }
        return Ok(());
    }
    if !settings.stopped {
        first.service.start()?;
    }
    if let Some((other, settings)) = &mut second {
        apply(settings, other.service.base(), &stage)?;
        if !settings.alone {
            other.service.join(&[first.service.swarm_address()]);
        }
        if !settings.stopped {
            other.service.start()?;
        }
    }
    stage.peer = Some(Player { service: &mut first.service, mock: Some(&first.mock) });
    stage.other =
        second.as_mut().map(|(other, _)| Player { service: &mut other.service, mock: Some(&other.mock) });
    stage.run(case);
    Ok(())
}

/// Makes a peer's folder and its IPFS daemon.
fn make(settings: &Settings, base: &Path, secret: &str, stage: &Stage<'_>, runtime: &Handle) -> Result<Made> {
    let mock = runtime.block_on(MockKubo::start())?;
    if let Some(id) = &settings.ipfs_id {
        let answer = format!(r#"{{"ID":"{id}","Addresses":["/ip4/127.0.0.1/tcp/4001/p2p/{id}"]}}"#);
        mock.script(Endpoint::Id, Script { end: End::Status(200, answer.into_bytes()), ..Script::default() });
    }
    for path in &settings.mute {
        mock.script(endpoint(path), Script { end: End::Hang, ..Script::default() });
    }
    for path in &settings.broken {
        mock.script(endpoint(path), Script { end: End::Error("on purpose".to_owned()), ..Script::default() });
    }
    let mut variables: BTreeMap<&str, String> = BTreeMap::from([("CLUSTER_SECRET", secret.to_owned())]);
    for (name, value) in &settings.variables {
        variables.insert(name, stage.fill(value));
    }
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let consensus = settings.consensus.as_deref().unwrap_or("crdt");
    let mut service =
        Service::init_agreeing(&Programs::build()?.service, consensus, base, &mock.api(), &variables)?;
    let arguments: Vec<String> = settings.arguments.iter().map(|word| stage.fill(word)).collect();
    service.set_arguments(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    Ok(Made { service, mock })
}

/// Writes values into a peer's `service.toml`.
fn apply(settings: &Settings, base: &Path, stage: &Stage<'_>) -> Result<()> {
    let path = base.join("service.toml");
    let mut root: toml::Table = toml::from_str(&fs::read_to_string(&path)?)?;
    for (key, value) in &settings.set {
        let mut words: Vec<&str> = key.split('.').collect();
        let last = words.pop().context("an empty key")?;
        let mut table = &mut root;
        for word in words {
            let entry = table.entry(word).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            table = entry.as_table_mut().with_context(|| format!("{word} of {key} is no table"))?;
        }
        table.insert(last.to_owned(), stage.fill_value(value));
    }
    Ok(fs::write(&path, toml::to_string(&root)?)?)
}
