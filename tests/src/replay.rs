//! What a Go peer said in a live cluster, said again to a fresh peer of ours: it must come to the same pinset, and tell of
//! that peer what that peer told of itself.

use crate::{http::Connection, world::client_of};
use anyhow::{Context, Result, ensure};
use cluster_testkit::{
    hostile::{Asked, Player, Session},
    mock_kubo::MockKubo,
    service::{Programs, Service},
};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(50);

/// Where the recorded session lies.
pub fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/live-session.json")
}

/// Names the path of the status of one CID, at the peer asked alone.
pub fn status_path(cid: &str) -> String {
    format!("/pins/{cid}?local=true")
}

/// Plays a session to a fresh peer of ours and compares. Returns what was asked of the played peer.
///
/// # Errors
/// Says what differs, with the log of ours.
pub async fn replay(session: &Session) -> Result<Asked> {
    let folder = tempfile::tempdir()?;
    let mock = MockKubo::start().await?;
    let variables = [("CLUSTER_SECRET", session.secret.as_str()), ("CLUSTER_MONITORPINGINTERVAL", "2s")];
    let mut peer = Service::init(&Programs::build()?.service, folder.path(), &mock.api(), &variables)?;
    peer.start()?;
    let asked = compare(session, &mut peer).await.with_context(|| peer.log_text())?;
    peer.stop()?;
    let check = peer.command(&["state", "check"])?;
    ensure!(check.status.success(), "state check: {}", String::from_utf8_lossy(&check.stdout));
    let export = String::from_utf8(peer.command(&["state", "export"])?.stdout)?;
    same_lines("state export", &export, session.export.iter().map(String::as_str))?;
    Ok(asked)
}

async fn compare(session: &Session, peer: &mut Service) -> Result<Asked> {
    client_of(peer).await?;
    let played = session.identity()?.id();
    let player = Player::meet(session.clone(), peer.swarm_address()).await?;
    player.tell().await?;
    let told = |path: &str| session.told.get(path).with_context(|| format!("the session has no {path}"));

    let pinset = told("/allocations")?;
    until(async || {
        same_lines("GET /allocations", &ask(peer, "/allocations")?, pinset.lines())?;
        // Every block is merged, whatever the pinset looks like without it.
        let health: Value = serde_json::from_str(&ask(peer, "/health/crdt")?)?;
        let found = (&health["blocks_merged"], &health["blocks_missing"], &health["dirty"]);
        let wanted = (&session.blocks.len().into(), &0.into(), &false.into());
        ensure!(found == wanted, "GET /health/crdt: {health}");
        // The played peer counts as a member once its metrics came.
        let graph: Value = serde_json::from_str(&ask(peer, "/id")?)?;
        ensure!(graph["cluster_peers"].as_array().is_some_and(|all| all.len() == 2), "GET /id: {graph}");
        Ok(())
    })
    .await?;

    let own = entries(told("/pins?local=true")?)?;
    let gathered = entries(&ask(peer, "/pins")?)?;
    ensure!(own.len() == gathered.len(), "GET /pins: {} of {} entries", gathered.len(), own.len());
    for (own, gathered) in own.iter().zip(&gathered) {
        same_status(&played, own, gathered)?;
    }
    for entry in &own {
        let cid = entry["cid"].as_str().context("a status without a CID")?;
        let own = serde_json::from_str(told(&status_path(cid))?)?;
        same_status(&played, &own, &serde_json::from_str(&ask(peer, &format!("/pins/{cid}"))?)?)?;
    }
    let id: Value = serde_json::from_str(told("/id")?)?;
    let peers = entries(&ask(peer, "/peers")?)?;
    let listed = peers.iter().find(|entry| entry["id"] == id["id"]).context("it is no peer")?;
    ensure!(*listed == id, "GET /peers: {listed}\nand it said {id}");

    // Nothing of ours was needed to come to this.
    let health: Value = serde_json::from_str(&ask(peer, "/health/crdt")?)?;
    ensure!(health["blocks_known"] == session.blocks.len(), "GET /health/crdt: {health}");
    Ok(player.asked())
}

/// Compares what a peer said of the status of a CID with what is told of it.
fn same_status(peer: &str, own: &Value, gathered: &Value) -> Result<()> {
    let [mut said, mut told] = [own, gathered].map(|status| status["peer_map"][peer].clone());
    if said["status"] == "remote" {
        // Who is no holder is not asked for one CID's status: the time is that of the question.
        said["timestamp"].take();
        told["timestamp"].take();
    }
    let same = said.is_object() && said == told && own["cid"] == gathered["cid"];
    ensure!(same, "the peer said {own}\nand ours tells {gathered}");
    Ok(())
}

/// Reads a stream of objects, in the order of their CIDs.
fn entries(body: &str) -> Result<Vec<Value>> {
    let mut all: Vec<Value> =
        serde_json::Deserializer::from_str(body).into_iter().collect::<serde_json::Result<_>>()?;
    all.sort_by_key(|entry| entry["cid"].to_string());
    Ok(all)
}

fn ask(peer: &Service, path: &str) -> Result<String> {
    let response = Connection::open_to(peer.socket()?)?.ask("GET", path)?;
    ensure!(response.stream_error.is_none(), "GET {path}: {:?}", response.stream_error);
    ensure!(matches!(response.status, 200 | 204), "GET {path}: status {}", response.status);
    Ok(String::from_utf8(response.body)?)
}

/// Compares lines whatever their order.
fn same_lines<'a>(what: &str, found: &str, wanted: impl Iterator<Item = &'a str>) -> Result<()> {
    let (mut found, mut wanted): (Vec<_>, Vec<_>) = (found.lines().collect(), wanted.collect());
    found.sort_unstable();
    wanted.sort_unstable();
    let only = |here: &[&str], there: &[&str]| {
        here.iter()
            .filter(|line| there.binary_search(line).is_err())
            .map(|line| format!("\n{line}"))
            .collect::<String>()
    };
    ensure!(
        found == wanted,
        "{what}: here only:{}\nthere only:{}",
        only(&found, &wanted),
        only(&wanted, &found)
    );
    Ok(())
}

/// Waits until something holds.
async fn until(holds: impl AsyncFn() -> Result<()>) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        match holds().await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error.context("not in time")),
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}
