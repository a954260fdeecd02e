//! A mixed cluster that runs.

use super::{
    peer::{Family, MixedPeer, seconds_since},
    plan::{GoPrograms, Plan},
};
use crate::{cluster::random_secret, world::client_of};
use anyhow::{Result, bail, ensure};
use cluster_client::{Cid, TrackerStatus};
use cluster_testkit::{
    kubo::{Kubo, KuboBinary, rsa_identity},
    service::{Programs, Service},
    two_sides::TwoSides,
};
use std::{
    collections::BTreeMap,
    fmt::Debug,
    fs::File,
    io::Read,
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::sync::{Mutex, MutexGuard};

/// How long anything may take that only has to happen at some time: gossip needs heartbeats of 10 s, and a machine
/// with two processors runs a dozen daemons.
pub const LIMIT: Duration = Duration::from_secs(120);

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(300);

/// Tests that run side by side take turns: a handful of daemons is enough for a small machine.
static TURN: Mutex<()> = Mutex::const_new(());

/// Peers of both families, their Kubos and machines. Fields are dropped in order: the machines last.
#[derive(Debug)]
pub struct MixedCluster {
    /// The peers, in the order in which they were started.
    pub peers: Vec<MixedPeer>,
    /// The Kubos; which peer uses which is with the peer.
    pub kubos: Vec<Kubo>,
    /// The ctl of each family: Go's, then ours.
    pub ctls: [PathBuf; 2],
    secret: String,
    folder: tempfile::TempDir,
    /// Where they run.
    pub machines: TwoSides,
    _turn: MutexGuard<'static, ()>,
}

impl MixedCluster {
    /// Starts what is planned and waits until every peer sees every peer. `None` where there are no Go programs or
    /// there can be no machines.
    ///
    /// # Errors
    /// When a daemon does not start, or the peers do not see each other in time.
    pub async fn start(plan: &Plan) -> Result<Option<Self>> {
        let Some(go) = GoPrograms::given() else { return Ok(None) };
        let ours = Programs::build()?;
        let binary = KuboBinary::find_or_build(None)?;
        let turn = TURN.lock().await;
        let count = plan.go + plan.ours;
        let machines = TwoSides::build_in(plan.network, u8::try_from(count + plan.spare)?, 0)?;
        let Some(machines) = machines else { return Ok(None) };
        let started = Instant::now();
        let folder = tempfile::tempdir()?;
        let mut kubos = Vec::new();
        for number in 0..plan.kubos {
            let machine = u8::try_from(number)?;
            let (api, swarm) = (machines.control_address(machine), machines.address(machine));
            kubos.push(Kubo::start_by(&binary, &machines.launcher(machine), api, swarm)?);
        }
        let ctls = [go.ctl, ours.ctl];
        let secret = random_secret()?;
        let mut cluster = Self { peers: Vec::new(), kubos, ctls, secret, folder, machines, _turn: turn };
        for (number, family) in families(plan).into_iter().enumerate() {
            let program = match family {
                Family::Go => &go.service,
                Family::Ours => &ours.service,
            };
            let name = format!("{family:?}-{number}").to_lowercase();
            let kubo = number % (plan.kubos - plan.spare);
            let machine = u8::try_from(number)?;
            let machines = &cluster.machines;
            let rest = format!("/ip4/{}/tcp/9094", machines.control_address(machine));
            let suffix = if plan.websocket.contains(&number) { "/ws" } else { "" };
            let swarm = format!("/ip4/{}/tcp/9096{suffix}", machines.address(machine));
            let mut variables = vec![
                ("CLUSTER_SECRET", cluster.secret.as_str()),
                ("CLUSTER_PEERNAME", &name),
                ("CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS", &rest),
                ("CLUSTER_LISTENMULTIADDRESS", &swarm),
            ];
            variables.extend(plan.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            let base = cluster.folder.path().join(&name);
            let requests = cluster.folder.path().join(format!("{name}.requests"));
            if family == Family::Go {
                // Or requests would push everything else out of what is kept of its log.
                variables.push(("CLUSTER_RESTAPI_HTTPLOGFILE", requests.to_str().unwrap_or_default()));
            }
            let mut service = Service::init(program, &base, cluster.kubos[kubo].api(), &variables)?;
            if plan.rsa.contains(&number) {
                service.set_identity(&rsa_identity(&binary)?)?;
            }
            if plan.reached.contains(&number) {
                service.set_variable(
                    "CLUSTER_LISTENMULTIADDRESS",
                    &format!("{swarm},/ip4/{}/tcp/9096", machines.control_address(machine)),
                );
            }
            service.launch_by(&machines.launcher(machine));
            if family == Family::Ours {
                service.set_arguments(&["--allow-open-api"]);
            }
            if let Some(before) = cluster.peers.last().filter(|_| plan.joins) {
                service.join(&[before.service.swarm_address()]);
            }
            service.start()?;
            let client = client_of(&service).await?;
            cluster.peers.push(MixedPeer { family, name, service, client, kubo });
        }
        println!("{count} peers and {} Kubos run after {}", plan.kubos, seconds_since(started));
        cluster.until_all_see(count).await?;
        Ok(Some(cluster))
    }

    /// Returns the secret of the cluster.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Returns where a peer that [is reached from here](Plan::reached_from_here) is.
    ///
    /// # Panics
    /// When there is no peer of that number.
    pub fn address_from_here(&self, number: usize) -> String {
        let machine = u8::try_from(number).unwrap_or(u8::MAX);
        let (address, id) = (self.machines.control_address(machine), self.peers[number].service.id());
        format!("/ip4/{address}/tcp/9096/p2p/{id}")
    }

    /// Returns the numbers of the peers of one family.
    pub fn of(&self, family: Family) -> Vec<usize> {
        (0..self.peers.len()).filter(|number| self.peers[*number].family == family).collect()
    }

    /// Returns the peers that run.
    pub fn running(&self) -> impl Iterator<Item = &MixedPeer> {
        self.peers.iter().filter(|peer| peer.service.pid().is_some())
    }

    /// Waits until what `look` sees of every running peer holds, and returns it.
    ///
    /// # Errors
    /// When it does not hold in time: each peer's view and log are in the error.
    pub async fn converge<T: Debug>(
        &self,
        what: &str,
        limit: Duration,
        look: impl AsyncFn(&MixedPeer) -> Result<T>,
        holds: impl Fn(&[T]) -> bool,
    ) -> Result<Vec<T>> {
        let started = Instant::now();
        loop {
            let (mut views, mut errors) = (Vec::new(), Vec::new());
            for peer in self.running() {
                match look(peer).await {
                    Ok(view) => views.push(view),
                    Err(error) => errors.push(format!("{}: {error:#}", peer.name)),
                }
            }
            if errors.is_empty() && holds(&views) {
                println!("{what} after {}", seconds_since(started));
                return Ok(views);
            }
            if started.elapsed() > limit {
                let logs: Vec<String> = self.peers.iter().map(MixedPeer::log).collect();
                bail!("not in time: {what}\n{views:#?}\n{}\n{}", errors.join("\n"), logs.join("\n"));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until every running peer sees `count` members.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub async fn until_all_see(&self, count: usize) -> Result<()> {
        self.converge(&format!("all see {count} members"), LIMIT, MixedPeer::members, |seen| {
            seen.iter().all(|n| *n == count)
        })
        .await
        .map(drop)
    }

    /// Waits until all running peers tell the same pinset, byte for byte, and something holds of it.
    ///
    /// # Errors
    /// When they do not in time: what differs is in the error.
    pub async fn until_equal(
        &self,
        limit: Duration,
        holds: impl Fn(&BTreeMap<String, String>) -> bool,
    ) -> Result<BTreeMap<String, String>> {
        let started = Instant::now();
        loop {
            let (mut pinsets, mut errors) = (Vec::new(), Vec::new());
            for peer in self.running() {
                match peer.pinset() {
                    Ok(pins) => pinsets.push((peer.name.as_str(), pins)),
                    Err(error) => errors.push(format!("{}: {error:#}", peer.name)),
                }
            }
            if let Some((_, first)) = pinsets.first()
                && errors.is_empty()
                && pinsets.iter().all(|(_, pins)| pins == first)
                && holds(first)
            {
                println!("pinsets of {} entries are equal after {}", first.len(), seconds_since(started));
                return Ok(first.clone());
            }
            if started.elapsed() > limit {
                let logs: Vec<String> = self.peers.iter().map(MixedPeer::log).collect();
                let (errors, logs) = (errors.join("\n"), logs.join("\n"));
                bail!("pinsets are not as expected:\n{}\n{errors}\n{logs}", differences(&pinsets));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until all running peers gather these statuses of a CID, in the order of the peers.
    ///
    /// # Errors
    /// When they do not in time.
    pub async fn until_statuses(&self, cid: &Cid, wanted: &[TrackerStatus]) -> Result<()> {
        let look = async |peer: &MixedPeer| {
            let info = peer.client.status(cid, cluster_client::Scope::Cluster).await?;
            let map: BTreeMap<String, TrackerStatus> =
                info.peer_map.into_iter().flatten().map(|(id, info)| (id.to_string(), info.status)).collect();
            Ok(self.running().map(|peer| map.get(peer.service.id()).copied()).collect::<Vec<_>>())
        };
        self.converge(&format!("statuses of {cid} {wanted:?}"), LIMIT, look, |views| {
            views.iter().all(|view| view.iter().map(Option::as_ref).eq(wanted.iter().map(Some)))
        })
        .await
        .map(drop)
    }

    /// Adds random content to the Kubo of one peer, unpinned.
    ///
    /// # Errors
    /// When the Kubo fails.
    pub fn add(&self, number: usize, size: u64) -> Result<Cid> {
        let file = self.folder.path().join("content");
        let mut random = File::open("/dev/urandom")?.take(size);
        std::io::copy(&mut random, &mut File::create(&file)?)?;
        Ok(self.kubos[self.peers[number].kubo].add(&file)?.parse()?)
    }

    /// Keeps the folders of the peers when `CLUSTER_LIVE_KEEP` is set, and says where they are.
    pub fn keep_if_asked(&mut self) {
        if std::env::var_os("CLUSTER_LIVE_KEEP").is_some() {
            self.folder.disable_cleanup(true);
            println!("kept: {}", self.folder.path().display());
        }
    }

    /// Stops all peers and compares what they export; returns the number of entries.
    ///
    /// # Errors
    /// When one does not stop orderly, exports something else than the first, or holds a damaged store.
    pub fn stop_and_compare(&mut self) -> Result<usize> {
        let mut exports = Vec::new();
        for peer in &mut self.peers {
            peer.service.stop()?;
            exports.push(peer.export()?);
            if peer.family == Family::Ours {
                let check = peer.service.command(&["state", "check"])?;
                ensure!(check.status.success(), "{}: {}", peer.name, String::from_utf8_lossy(&check.stdout));
            }
        }
        for (peer, export) in self.peers.iter().zip(&exports) {
            ensure!(
                *export == exports[0],
                "{} exports\n{}\nand {}\n{}",
                self.peers[0].name,
                exports[0].join("\n"),
                peer.name,
                export.join("\n")
            );
        }
        println!("{} peers export the same {} entries", exports.len(), exports[0].len());
        Ok(exports[0].len())
    }
}

/// Returns the families in the order in which the peers are started.
fn families(plan: &Plan) -> Vec<Family> {
    let (mut go, mut ours) = (plan.go, plan.ours);
    let mut order = Vec::new();
    while go + ours > 0 {
        if go > 0 {
            order.push(Family::Go);
            go -= 1;
        }
        if ours > 0 {
            order.push(Family::Ours);
            ours -= 1;
        }
    }
    order
}

/// Says what the pinsets do not have in common.
fn differences(pinsets: &[(&str, BTreeMap<String, String>)]) -> String {
    let mut text = String::new();
    let mut all: Vec<&String> = pinsets.iter().flat_map(|(_, pins)| pins.keys()).collect();
    all.sort();
    all.dedup();
    for (name, pins) in pinsets {
        text += &format!("{name}: {} entries\n", pins.len());
    }
    for cid in all {
        let views: Vec<Option<&String>> = pinsets.iter().map(|(_, pins)| pins.get(cid)).collect();
        if views.iter().any(|view| *view != views[0]) {
            for ((name, _), view) in pinsets.iter().zip(views) {
                text += &format!("  {cid} at {name}: {}\n", view.map_or("absent", String::as_str));
            }
        }
    }
    text
}
