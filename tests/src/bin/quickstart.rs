//! The main job in one command: three real peers, each with a real Kubo of its own; content that is in one of them is
//! pinned through another and read from the third; one peer is killed and catches up.
#![allow(clippy::print_stdout)]

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use cluster_client::{Cid, Scope, TrackerStatus, api_types::PinOptions};
use cluster_testkit::{kubo::KuboBinary, service::Programs};
use cluster_tests::{
    cluster::{Cluster, pinset},
    world::made_up_cid,
};
use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

/// Size of the file that is pinned, in bytes.
const FILE_SIZE: u64 = 64 * 1024 * 1024;

/// How long a pin may take.
const PIN_LIMIT: Duration = Duration::from_secs(120);

/// Changes made while one peer is away.
const MISSED: u64 = 500;

/// How long a peer that comes back may take to know them.
const CATCH_UP: Duration = Duration::from_secs(30);

/// Shows three peers with three Kubos at work.
#[derive(Debug, Parser)]
struct Arguments {
    /// The `ipfs` program to use.
    #[arg(long)]
    ipfs: Option<PathBuf>,
    /// How the peers agree: crdt or raft.
    #[arg(long, default_value = "crdt")]
    consensus: String,
    /// End when everything was shown, with status 0 only if all of it held.
    #[arg(long)]
    once: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let shown = runtime.block_on(async {
        tokio::select! {
            result = show(&arguments) => result,
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    });
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nquickstart failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn show(arguments: &Arguments) -> Result<()> {
    step("building the programs");
    let programs = Programs::build()?;
    let binary = KuboBinary::find_anywhere(arguments.ipfs.as_deref())?;
    step(&format!("starting three peers, each with a Kubo of its own ({})", binary.path().display()));
    let mut cluster = Cluster::start_agreeing(&binary, &arguments.consensus, 3, &[]).await?;
    print!("{}", cluster.ctl(0, &["peers", "ls"])?);

    step(&format!("adding a random file of {} MiB to the Kubo of peer-0, not pinned", FILE_SIZE >> 20));
    let cid = cluster.add(0, FILE_SIZE)?;
    println!("    {cid}");
    step("pinning it through peer-1");
    let options = PinOptions { name: "quickstart".to_owned(), ..PinOptions::default() };
    cluster.pin(1, &cid, &options).await?;
    watch_until_pinned(&cluster, &cid).await?;
    step("reading it from the Kubo of peer-2, without asking any other");
    let started = Instant::now();
    let content = cluster.members[2].ipfs.read_offline(&cid.to_string())?;
    ensure!(content == std::fs::read(cluster.content_file())?, "other bytes came back");
    println!("    {} bytes in {} ms, the same as in the file", content.len(), started.elapsed().as_millis());

    step(&format!("kill -9 on peer-2, and {MISSED} changes without it"));
    cluster.members[2].peer.kill()?;
    for number in 0..MISSED {
        cluster.pin((number % 2) as usize, &made_up_cid(number)?, &PinOptions::default()).await?;
    }
    cluster.unpin(0, &made_up_cid(0)?).await?;
    step("starting it again");
    cluster.start_again(2).await?;
    let back = Instant::now();
    loop {
        // With Raft a peer shows nothing before it knows that nothing is missing.
        let here = pinset(&cluster.members[2].client).await.unwrap_or_default();
        let there = pinset(&cluster.members[0].client).await?;
        if here == there && here.len() as u64 == MISSED {
            break;
        }
        ensure!(
            back.elapsed() < CATCH_UP,
            "it knows {} pins after {CATCH_UP:?}, not {}",
            here.len(),
            there.len()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("    it knows all changes {} ms after its first answer", back.elapsed().as_millis());
    let pin = cluster.members[2].client.allocation(&cid).await.context("the pin is gone after the kill")?;
    ensure!(pin.options.name == "quickstart", "the pin came back without its name");

    if arguments.consensus == "raft" {
        show_leadership(&mut cluster).await?;
    }
    step("what it looks like with cluster-ctl");
    print!("{}", cluster.ctl(2, &["status", &cid.to_string()])?);
    for member in &cluster.members {
        let (api, kubo) = (member.peer.rest(), member.ipfs.api());
        println!("  {:<8} REST API {api}   Kubo RPC {kubo}", member.name());
    }
    println!("  try      {} --host {} status", programs.ctl.display(), cluster.members[0].peer.rest());
    if arguments.once {
        for member in &mut cluster.members {
            member.peer.stop()?;
        }
        println!("\neverything held");
        return Ok(());
    }
    println!("\nrunning until Ctrl-C");
    std::future::pending().await
}

/// Kills the leader and pins through another member, then shows that a strong read of a third one sees it at once.
async fn show_leadership(cluster: &mut Cluster) -> Result<()> {
    print!("{}", cluster.ctl(0, &["health", "raft"])?);
    let leader = cluster.members[0].client.raft_health().await?.leader.context("nobody leads")?;
    let mut ids = Vec::new();
    for member in &cluster.members {
        ids.push(member.client.id().await?.id);
    }
    let lost = ids.iter().position(|id| *id == leader).context("the leader is none of the three")?;
    let (one, other) = ((lost + 1) % 3, (lost + 2) % 3);
    step(&format!("kill -9 on peer-{lost}, which leads, and a pin through peer-{one}"));
    cluster.members[lost].peer.kill()?;
    let (cid, began) = (made_up_cid(MISSED)?, Instant::now());
    cluster.pin(one, &cid, &PinOptions::default()).await?;
    println!("    acknowledged after {} ms", began.elapsed().as_millis());
    print!("{}", cluster.ctl(other, &["--consistency", "strong", "pin", "ls", &cid.to_string()])?);
    step("starting it again");
    cluster.start_again(lost).await?;
    cluster
        .converge("the members are ready", async |member| {
            let health = member.client.raft_health().await?;
            Ok((health.ready, format!("{health:?}")))
        })
        .await
}

fn step(text: &str) {
    println!("» {text}");
    // A closed terminal is no reason to stop.
    let _ = std::io::stdout().flush();
}

/// Shows the status on every peer whenever it changes; on a terminal in one line that is written over.
async fn watch_until_pinned(cluster: &Cluster, cid: &Cid) -> Result<()> {
    let started = Instant::now();
    let live = std::io::stdout().is_terminal();
    let mut last = String::new();
    loop {
        let info = cluster.members[1].client.status(cid, Scope::Cluster).await?;
        let statuses: Vec<_> = info.peer_map.into_iter().flatten().map(|(_, status)| status).collect();
        let mut parts: Vec<String> =
            statuses.iter().map(|s| format!("{} {}", s.peername, s.status.name().to_uppercase())).collect();
        parts.sort();
        let line = parts.join("   ");
        if line != last {
            let (start, end) = if live { ("\r\x1b[K", "") } else { ("", "\n") };
            print!("{start}    {:>6} ms  {line}{end}", started.elapsed().as_millis());
            // As in `step`.
            let _ = std::io::stdout().flush();
            last = line;
        }
        if statuses.len() == cluster.members.len()
            && statuses.iter().all(|s| s.status == TrackerStatus::Pinned)
        {
            if live {
                println!();
            }
            return Ok(());
        }
        if let Some(failed) = statuses.iter().find(|s| !s.error.is_empty()) {
            println!("\n    {}: {}", failed.peername, failed.error);
        }
        if started.elapsed() > PIN_LIMIT {
            bail!("{cid} is not pinned everywhere after {} s: {last}", PIN_LIMIT.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
