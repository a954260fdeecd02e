//! The stub and the empty handler as child processes, and the calls that steer the stub.

use super::connection::{Connection, get, post};
use super::process::{Process, within};
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::process::Command;

/// First argument that makes this program the IPFS daemon's stand-in.
pub(crate) const SERVE_STUB: &str = "serve-stub";
/// First argument that makes this program the empty handler.
pub(crate) const SERVE_EMPTY: &str = "serve-empty";

const LIMIT: Duration = Duration::from_secs(60);

/// A running stand-in.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    address: SocketAddr,
}

impl Server {
    /// Starts the IPFS daemon's stand-in with a delay in milliseconds.
    pub(crate) fn stub(delay: f64) -> Result<Self> {
        Self::start(&[SERVE_STUB, "--with-stdin", "--delay", &delay.to_string()])
    }

    /// Starts the empty handler.
    pub(crate) fn empty() -> Result<Self> {
        Self::start(&[SERVE_EMPTY])
    }

    fn start(arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("where this program lies")?);
        command.args(arguments);
        let (process, line) = Process::start_server(command, arguments[0])?;
        let address = line.strip_prefix("listening on ").and_then(|address| address.parse().ok());
        let address = address.with_context(|| format!("{} said {line:?}", arguments[0]))?;
        Ok(Self { process, address })
    }

    /// Returns where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Changes the stub's delay, in milliseconds.
    pub(crate) async fn set_delay(&self, delay: f64) -> Result<()> {
        self.ask(&post(&format!("/delay?micros={}", (delay * 1e3) as u64))).await.map(drop)
    }

    /// Makes the stub know pins of the generator's sequence.
    pub(crate) async fn preload(&self, seed: u64, count: u64) -> Result<()> {
        self.ask(&post(&format!("/preload?seed={seed}&first=0&count={count}"))).await.map(drop)
    }

    /// Returns how often the stub was asked for `call`.
    pub(crate) async fn calls(&self, call: &str) -> Result<u64> {
        let stats: serde_json::Value = serde_json::from_slice(&self.ask(&get("/stats")).await?)?;
        Ok(stats["calls"][call].as_u64().unwrap_or(0))
    }

    async fn ask(&self, request: &[u8]) -> Result<Vec<u8>> {
        let exchange = async { Connection::open(self.address, 4096).await?.fetch(request).await };
        let (status, body) = within(LIMIT, "an answer of the stub", exchange).await??;
        if status != 200 {
            bail!("the stub answered {status}");
        }
        Ok(body)
    }
}
