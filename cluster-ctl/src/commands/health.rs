//! `health` and `ipfs`.

use crate::{cli::HealthCommand, dot, failure::Failure, session::Session};
use cluster_client::{Scope, api_types::json};
use std::{fs, io};

/// `health graph`, `metrics`, `alerts`, `crdt`, `raft`, `bandwidth`
pub(super) async fn health(session: &mut Session, command: HealthCommand) -> Result<(), Failure> {
    match command {
        HealthCommand::Graph { file, all_ipfs_peers } => {
            let graph = session.client.graph().await?;
            let mut drawing = Vec::new();
            if session.output.is_json() {
                json::to_indented(&graph, &mut drawing).map_err(io::Error::other)?;
            } else {
                dot::draw(&graph, all_ipfs_peers, &mut drawing)?;
            }
            if file.is_empty() {
                return Ok(session.output.bytes(&drawing)?);
            }
            fs::write(&file, &drawing)
                .map_err(|e| Failure::client("creating output file", format!("{file}: {e}")))
        }
        HealthCommand::Metrics { name: None } => {
            let names = session.client.metric_names().await?;
            Ok(session.output.array(&names)?)
        }
        HealthCommand::Metrics { name: Some(name) } => {
            let metrics = session.client.metrics(&name).await?;
            Ok(session.output.array(&metrics)?)
        }
        HealthCommand::Alerts => {
            let alerts = session.client.alerts().await?;
            Ok(session.output.array(&alerts)?)
        }
        HealthCommand::Crdt => {
            let health = session.client.crdt_health().await?;
            Ok(session.output.object(&health)?)
        }
        HealthCommand::Raft => {
            let health = session.client.raft_health().await?;
            Ok(session.output.object(&health)?)
        }
        HealthCommand::Bandwidth => {
            let bandwidth = session.client.bandwidth().await?;
            Ok(session.output.object(&bandwidth)?)
        }
    }
}

/// `ipfs gc`
pub(super) async fn collect_garbage(session: &mut Session, scope: Scope) -> Result<(), Failure> {
    let outcome = session.client.collect_garbage(scope).await?;
    Ok(session.output.object(&outcome)?)
}
