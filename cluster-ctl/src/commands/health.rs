//! `health` and `ipfs`.

use crate::{cli::HealthCommand, failure::Failure, session::Session};
use cluster_client::Scope;

/// `health graph`, `metrics`, `alerts`, `bandwidth`
pub(super) async fn health(session: &mut Session, command: HealthCommand) -> Result<(), Failure> {
    match command {
        HealthCommand::Graph { file, all_ipfs_peers } => {
            // The server is asked first: when it has no graph its answer says more.
            let graph = session.client.graph().await?;
            if !session.output.is_json() || !file.is_empty() || all_ipfs_peers {
                return Err(Failure::unsupported("drawing the graph (use --enc=json)"));
            }
            Ok(session.output.graph(&graph)?)
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
