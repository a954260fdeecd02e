//! Runs many peers in one process, for suites that end all of them at once with `kill -9`. Reads a line of JSON from
//! standard input: `[{"base": …, "variables": {…}, "join": […]}]`; says `ready` when all run; stops them when standard
//! input ends.
#![allow(clippy::print_stdout)]

use anyhow::{Context, Result};
use cluster_testkit::many_peers::{PeerFolder, run};
use serde_json::Value;
use std::io::Write;
use tokio::io::AsyncReadExt;

fn main() -> Result<()> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let folders: Vec<Value> = serde_json::from_str(&line)?;
    let folders = folders.iter().map(folder).collect::<Result<Vec<_>>>()?;
    let ready = || {
        println!("ready");
        // Whoever waits for it has gone otherwise.
        let _ = std::io::stdout().flush();
    };
    run(&folders, ready, async {
        let mut rest = Vec::new();
        // An error ends the input as well.
        let _ = tokio::io::stdin().read_to_end(&mut rest).await;
    })
}

fn folder(value: &Value) -> Result<PeerFolder> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let variables = value["variables"].as_object().context("no variables")?;
    Ok(PeerFolder {
        base: value["base"].as_str().context("no base")?.into(),
        variables: variables
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect(),
        join: texts(&value["join"]),
    })
}
