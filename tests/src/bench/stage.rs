//! Where a measure takes place: a suite, and the peers made for it.

use super::cids;
use super::control::Server;
use super::figures::Results;
use super::import_file;
use super::load::{Load, Until};
use super::peer::{Daemon, Peer};
use super::procfs;
use super::settings::{SeedBy, Settings};
use super::suite::Suite;
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Longest `state import` or `state export`.
pub(crate) const TRANSFER_LIMIT: Duration = Duration::from_secs(1800);
/// Longest wait for a peer to come to rest.
const SETTLE_LIMIT: Duration = Duration::from_secs(3600);
/// Share of one core below which a peer counts as resting.
const RESTING: f64 = 0.1;

/// A suite and what has been prepared for it.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    /// The programs.
    pub(crate) suite: &'a Suite,
    /// Our programs, when they are measured too.
    pub(crate) ours: Option<&'a Suite>,
    /// The command line.
    pub(crate) settings: &'a Settings,
    /// A stopped peer with a large pinset.
    pub(crate) large: Option<Large>,
}

/// A running daemon with its own stand-in of the IPFS daemon.
#[derive(Debug)]
pub(crate) struct World {
    /// The daemon; declared first so that it ends before what it uses.
    pub(crate) daemon: Daemon,
    /// Its folder.
    pub(crate) peer: Peer,
    /// The stand-in.
    pub(crate) stub: Server,
}

/// A stopped peer with a large pinset.
#[derive(Debug)]
pub(crate) struct Large {
    /// Its folder.
    pub(crate) peer: Peer,
    /// The stand-in, which knows all its pins.
    pub(crate) stub: Server,
    /// How many pins it has.
    pub(crate) count: u64,
    /// Whether it has run and come to rest since it was filled.
    pub(crate) settled: bool,
}

impl Stage<'_> {
    /// Starts an empty peer.
    pub(crate) async fn fresh(&self) -> Result<World> {
        let stub = Server::stub(self.settings.delay)?;
        let (peer, _) = Peer::create(self.suite, stub.address(), self.settings, &[]).await?;
        let daemon = peer.start_and_wait().await?;
        Ok(World { daemon, peer, stub })
    }

    /// Returns a load of these settings on a peer.
    pub(crate) fn load(&self, peer: &Peer, connections: usize) -> Load {
        Load { api: peer.api(), connections, ..self.load_template() }
    }

    /// Returns a load of these settings, its peer still to be named.
    pub(crate) fn load_template(&self) -> Load {
        Load {
            api: SocketAddr::from(([127, 0, 0, 1], 0)),
            connections: 16,
            seed: self.settings.seed,
            first: 0,
            until: Until::Time(self.settings.load_time()),
            warm_up: self.settings.warm_up_time(),
            remember: false,
            check_every: None,
        }
    }

    /// Starts the daemon on the large pinset, making the pinset first where there is none, and waits until it rests.
    pub(crate) async fn start_large(&mut self, results: &mut Results) -> Result<(Daemon, &Large)> {
        if self.large.is_none() {
            self.large = Some(self.fill(results).await?);
        }
        let settings = self.settings;
        let large = self.large.as_mut().context("no large pinset")?;
        if !large.settled {
            large.stub.set_delay(settings.drain_delay).await?;
            let mut daemon = large.peer.start()?;
            daemon.first_answer(&cids::text(settings.seed, 0), 200).await?;
            settle(&mut daemon).await?;
            daemon.stop().await?;
            large.stub.set_delay(settings.delay).await?;
            large.settled = true;
        }
        let mut daemon = large.peer.start()?;
        daemon.first_answer(&cids::text(settings.seed, 0), 200).await?;
        settle(&mut daemon).await?;
        Ok((daemon, large))
    }

    async fn fill(&self, results: &mut Results) -> Result<Large> {
        let count = self.settings.pins();
        results.note(self.suite.side, &format!("making {count} pins by {:?}", self.settings.seed_by));
        let stub = Server::stub(self.settings.delay)?;
        let (peer, _) = Peer::create(self.suite, stub.address(), self.settings, &[]).await?;
        match self.settings.seed_by {
            SeedBy::Import => {
                let file = peer.scratch("pins");
                import_file::write(&file, self.settings.seed, count)?;
                let name = file.to_str().context("a folder's name is not text")?;
                peer.run(&["state", "import", "-f", name], TRANSFER_LIMIT).await?;
                std::fs::remove_file(&file)?;
                stub.preload(self.settings.seed, count).await?;
            }
            SeedBy::Load => {
                let daemon = peer.start_and_wait().await?;
                let mut load = self.load(&peer, 256);
                load.until = Until::Count(count);
                load.warm_up = Duration::ZERO;
                let outcome = load.run().await?;
                if outcome.latency.len() != count {
                    bail!("loading the pinset: {}", outcome.describe());
                }
                daemon.stop().await?;
            }
        }
        Ok(Large { peer, stub, count, settled: false })
    }
}

/// Waits until nothing is queued or in work and the daemon uses hardly any CPU.
pub(crate) async fn settle(daemon: &mut Daemon) -> Result<()> {
    let began = Instant::now();
    let mut restful = 0;
    while restful < 3 {
        if began.elapsed() > SETTLE_LIMIT {
            bail!("waited {} s in vain: a daemon at rest", SETTLE_LIMIT.as_secs());
        }
        daemon.check_alive()?;
        let before = procfs::cpu_seconds(daemon.id())?;
        let looked = Instant::now();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let used = (procfs::cpu_seconds(daemon.id())? - before) / looked.elapsed().as_secs_f64();
        restful = if used < RESTING { restful + 1 } else { 0 };
        if restful == 3 && queued(daemon).await? {
            restful = 0;
        }
    }
    Ok(())
}

/// Tells whether the tracker still has work.
async fn queued(daemon: &Daemon) -> Result<bool> {
    let path = "/pins?local=true&filter=queued,pinning,unpinning";
    let (status, body) = daemon.fetch(path, Duration::from_secs(300)).await?;
    match status {
        204 => Ok(false),
        200 => Ok(true),
        other => bail!("GET {path}: status {other}: {}", String::from_utf8_lossy(&body)),
    }
}
