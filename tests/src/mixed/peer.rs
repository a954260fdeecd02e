//! One peer of a mixed cluster.

use crate::{
    http::{Connection, Response},
    world::{client_of, ipfs_path},
};
use anyhow::{Context, Result, ensure};
use cluster_client::{
    Cid, Client, Lines, Scope,
    api_types::{GlobalPinInfo, Pin, PinOptions},
};
use cluster_testkit::service::Service;
use std::{collections::BTreeMap, fmt, path::Path, process::Command, time::Instant};

/// Whose program a peer runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Go IPFS Cluster.
    Go,
    /// This suite.
    Ours,
}

/// One peer with a client of its REST API.
pub struct MixedPeer {
    /// Whose program it runs.
    pub family: Family,
    /// Its name, of which the first part is the family.
    pub name: String,
    /// The peer.
    pub service: Service,
    /// A client of the peer.
    pub client: Client,
    /// Which Kubo it uses.
    pub kubo: usize,
}

impl fmt::Debug for MixedPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MixedPeer").field("name", &self.name).finish_non_exhaustive()
    }
}

impl MixedPeer {
    /// Starts the peer again, with a client that has no connections to the process before.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_again(&mut self) -> Result<()> {
        self.service.start()?;
        self.client = client_of(&self.service).await?;
        Ok(())
    }

    /// Pins a CID.
    ///
    /// # Errors
    /// When the peer refuses or dies.
    pub async fn pin(&self, cid: &Cid, options: &PinOptions) -> Result<Pin> {
        Ok(self.client.pin(&ipfs_path(cid)?, options).await?)
    }

    /// Unpins a CID.
    ///
    /// # Errors
    /// When the peer refuses or dies.
    pub async fn unpin(&self, cid: &Cid) -> Result<()> {
        self.client.unpin(&ipfs_path(cid)?).await?;
        Ok(())
    }

    /// Counts the members that the peer sees, itself included.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn members(&self) -> Result<usize> {
        Ok(self.client.id().await?.cluster_peers.unwrap_or_default().len())
    }

    /// Makes one request of the REST API by hand.
    ///
    /// # Errors
    /// When the peer does not answer.
    pub fn ask(&self, path: &str) -> Result<Response> {
        let response = Connection::open_to(self.service.socket()?)?.ask("GET", path)?;
        ensure!(response.stream_error.is_none(), "{}: {:?}", self.name, response.stream_error);
        Ok(response)
    }

    /// Returns the pinset, each entry as the bytes in which the peer tells it, by CID.
    ///
    /// # Errors
    /// When the peer does not answer.
    pub fn pinset(&self) -> Result<BTreeMap<String, String>> {
        let response = self.ask("/allocations")?;
        // No content is how both suites say that there is nothing.
        ensure!(matches!(response.status, 200 | 204), "{}: status {}", self.name, response.status);
        let lines = String::from_utf8(response.body)?;
        let mut pins = BTreeMap::new();
        for line in lines.lines().filter(|line| !line.is_empty()) {
            let pin: serde_json::Value = serde_json::from_str(line)?;
            let cid = pin["cid"].as_str().context("an entry has no CID")?;
            ensure!(pins.insert(cid.to_owned(), line.to_owned()).is_none(), "{cid} is told twice");
        }
        Ok(pins)
    }

    /// Returns what the peer gathers of the status of everything, by CID.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn statuses(&self) -> Result<BTreeMap<String, GlobalPinInfo>> {
        let mut lines: Lines<GlobalPinInfo> = self.client.status_all("", Scope::Cluster).await?;
        let mut all = BTreeMap::new();
        while let Some(info) = lines.next().await {
            let info = info?;
            all.insert(info.cid.to_string(), info);
        }
        Ok(all)
    }

    /// Runs a ctl against the peer and returns what it prints.
    ///
    /// # Errors
    /// When it cannot be run or does not succeed; what it printed is in the error.
    pub fn ctl(&self, ctl: &Path, arguments: &[&str]) -> Result<String> {
        let output = Command::new(ctl).args(["--host", self.service.rest()]).args(arguments).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {} {arguments:?}: {text}{error}", self.name, ctl.display());
        Ok(text)
    }

    /// Exports the state of the stopped peer, its lines in order.
    ///
    /// # Errors
    /// When that fails.
    pub fn export(&self) -> Result<Vec<String>> {
        let mut output = self.service.command(&["state", "export"])?;
        let mut error = String::from_utf8_lossy(&output.stderr);
        let closed_too_soon =
            ["bloomCached", "panic: pebble: closed"].iter().any(|said| error.contains(said));
        if self.family == Family::Go && closed_too_soon {
            // It closes its store while it still reads it, for a filter or a repair, and panics when that comes too late.
            output = self.service.command(&["state", "export"])?;
            error = String::from_utf8_lossy(&output.stderr);
        }
        ensure!(output.status.success(), "{}: state export: {error}", self.name);
        let mut lines: Vec<String> = String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect();
        lines.sort();
        Ok(lines)
    }

    /// Returns the last lines of its log, for messages.
    pub fn log(&self) -> String {
        format!("--- {}\n{}", self.name, self.service.log_text())
    }
}

/// Says how long something took, for the lines that tests print.
pub(super) fn seconds_since(start: Instant) -> String {
    format!("{:.1} s", start.elapsed().as_secs_f64())
}
