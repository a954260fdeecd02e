//! Several peers of a suite that are one cluster.

use super::control::Server;
use super::peer::{Daemon, Peer};
use super::process::within;
use super::stage::{Stage, World};
use super::suite::Suite;
use crate::cluster::random_secret;
use anyhow::{Context, Result, bail};
use std::time::Duration;

/// Longest wait until all peers see each other. Go's speak at heartbeats of 10 s, and first of all to those they know.
const MEET_LIMIT: Duration = Duration::from_secs(300);
/// Pause between two looks at who sees whom.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// Pins in one block when a cluster is filled in batches.
pub(crate) const BATCH: u64 = 200;
/// Age at which a batch that is not full is written too: long, so that a slow machine does not make more blocks.
const BATCH_AGE: &str = "10s";
/// Room for every pin of a load: an acknowledgement does not wait for the batch, and a full queue refuses pins.
const BATCH_QUEUE: &str = "10000000";

/// How the peers of a cluster write their pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocks {
    /// As the settings say; each pin in a block of its own unless they say otherwise.
    AsSet,
    /// [`BATCH`] pins in a block.
    Batched,
}

/// What the peers of one cluster share.
#[derive(Debug)]
pub(crate) struct Cluster<'a> {
    stage: &'a Stage<'a>,
    environment: Vec<(&'static str, String)>,
}

impl<'a> Cluster<'a> {
    /// Makes a cluster without peers.
    pub(crate) fn new(stage: &'a Stage<'a>, blocks: Blocks) -> Result<Self> {
        let mut environment = vec![("CLUSTER_SECRET", random_secret()?)];
        if blocks == Blocks::Batched {
            environment.push(("CLUSTER_CRDT_BATCHING_MAXBATCHSIZE", BATCH.to_string()));
            environment.push(("CLUSTER_CRDT_BATCHING_MAXBATCHAGE", BATCH_AGE.to_owned()));
            environment.push(("CLUSTER_CRDT_BATCHING_MAXQUEUESIZE", BATCH_QUEUE.to_owned()));
        }
        Ok(Self { stage, environment })
    }

    /// Sets a variable of all its peers.
    pub(crate) fn set(&mut self, name: &'static str, value: String) {
        self.environment.push((name, value));
    }

    /// Makes the folder of a peer that will join `others`, with a stand-in of the IPFS daemon that answers after
    /// `delay` milliseconds.
    pub(crate) async fn peer(&self, others: &[&Peer], delay: f64) -> Result<(Peer, Server)> {
        self.peer_of(self.stage.suite, others, delay).await
    }

    /// As [`Cluster::peer`], of any suite.
    pub(crate) async fn peer_of(
        &self,
        suite: &Suite,
        others: &[&Peer],
        delay: f64,
    ) -> Result<(Peer, Server)> {
        let stub = Server::stub(delay)?;
        let (mut peer, _) =
            Peer::create(suite, stub.address(), self.stage.settings, &self.environment).await?;
        peer.join(others.iter().map(|other| other.swarm_address()).collect::<Result<_>>()?);
        Ok((peer, stub))
    }

    /// Starts `count` peers and waits until each sees all. Each one joins all before it and is told the addresses of
    /// all, because peers of Go do not tell each other addresses on the loopback.
    pub(crate) async fn start(&self, count: usize, delay: f64) -> Result<Vec<World>> {
        let mut made: Vec<(Peer, Server)> = Vec::with_capacity(count);
        for _ in 0..count {
            let others: Vec<&Peer> = made.iter().map(|(peer, _)| peer).collect();
            made.push(self.peer(&others, delay).await?);
        }
        let addresses = made.iter().map(|(peer, _)| peer.swarm_address()).collect::<Result<Vec<_>>>()?;
        let mut worlds = Vec::with_capacity(count);
        for (number, (mut peer, stub)) in made.into_iter().enumerate() {
            let mut others = addresses.clone();
            others.remove(number);
            peer.set("CLUSTER_PEERADDRESSES", others.join(","));
            let daemon = peer.start_and_wait().await?;
            worlds.push(World { daemon, peer, stub });
        }
        for world in &mut worlds {
            within(MEET_LIMIT, "peers that see each other", until_sees(&mut world.daemon, count)).await??;
        }
        Ok(worlds)
    }
}

async fn until_sees(daemon: &mut Daemon, count: usize) -> Result<()> {
    loop {
        daemon.check_alive()?;
        let (status, body) = daemon.fetch("/id", MEET_LIMIT).await?;
        if status != 200 {
            bail!("GET /id: status {status}: {}", String::from_utf8_lossy(&body));
        }
        let id: serde_json::Value = serde_json::from_slice(&body).context("GET /id")?;
        if id["cluster_peers"].as_array().is_some_and(|seen| seen.len() == count) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// Stops the peers in order, the last one first.
pub(crate) async fn stop(worlds: Vec<World>) -> Result<()> {
    for (number, world) in worlds.into_iter().enumerate().rev() {
        world.daemon.stop().await.with_context(|| format!("stopping peer {number}"))?;
    }
    Ok(())
}
