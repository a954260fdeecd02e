//! The main job in one command: a real Kubo, a real peer, real content, a `kill -9`, and the pin is still there.
#![allow(clippy::print_stdout)]

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use cluster_client::{Cid, Client, Host, IpfsPath, Scope, TrackerStatus, api_types::PinOptions};
use cluster_testkit::{
    kubo::{Kubo, KuboBinary},
    service::{Programs, Service},
};
use std::{
    fs,
    io::{Read, Write},
    path::PathBuf,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

/// Size of the file that is pinned, in bytes.
const FILE_SIZE: u64 = 16 * 1024 * 1024;

/// How long a pin may take.
const PIN_LIMIT: Duration = Duration::from_secs(60);

/// Shows one peer with one Kubo at work.
#[derive(Debug, Parser)]
struct Arguments {
    /// The `ipfs` program to use.
    #[arg(long)]
    ipfs: Option<PathBuf>,
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
    let folder = tempfile::tempdir()?;

    step(&format!("starting a Kubo of its own ({})", binary.path().display()));
    let kubo = Kubo::start(&binary)?;
    step("making a peer and starting it");
    let mut peer = Service::init(&programs.service, &folder.path().join("peer"), kubo.api(), &[])?;
    peer.start()?;
    let client = Client::builder(vec![Host::parse(peer.rest())?]).build().await?;

    step(&format!("adding a random file of {} MiB to Kubo, not pinned", FILE_SIZE >> 20));
    let file = folder.path().join("random");
    let mut random = fs::File::open("/dev/urandom")?.take(FILE_SIZE);
    std::io::copy(&mut random, &mut fs::File::create(&file)?)?;
    let cid = kubo.add(&file)?;
    println!("    {cid}");

    step("pinning it through the peer");
    let options = PinOptions { name: "quickstart".to_owned(), ..PinOptions::default() };
    client.pin(&IpfsPath::parse(&format!("/ipfs/{cid}"))?, &options).await?;
    let parsed: Cid = cid.parse()?;
    wait_pinned(&client, &parsed).await?;
    ensure!(kubo.pins("recursive")?.contains(&cid), "Kubo does not list the pin");
    println!("    `ipfs pin ls` lists it");

    step("kill -9 on the peer, and starting it again");
    peer.kill()?;
    let started = Instant::now();
    peer.start()?;
    let client = Client::builder(vec![Host::parse(peer.rest())?]).build().await?;
    let pin = client.allocation(&parsed).await.context("the pin is gone after the restart")?;
    println!("    answered {} ms after its start", started.elapsed().as_millis());
    ensure!(pin.options.name == "quickstart", "the pin came back without its name");
    wait_pinned(&client, &parsed).await?;

    step("what it looks like with cluster-ctl");
    let mut shown = Command::new(&programs.ctl);
    shown.args(["--host", peer.rest(), "status"]);
    let output = shown.output()?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    ensure!(output.status.success(), "cluster-ctl failed: {}", String::from_utf8_lossy(&output.stderr));

    println!("\n  {:<14}{}", "REST API", peer.rest());
    println!("  {:<14}{}", "Kubo RPC", kubo.api());
    println!("  {:<14}{}", "peer's folder", peer.base().display());
    println!("  {:<14}{} --host {} pin add <CID>", "try", programs.ctl.display(), peer.rest());
    if arguments.once {
        peer.stop()?;
        println!("\neverything held");
        return Ok(());
    }
    println!("\nrunning until Ctrl-C");
    std::future::pending().await
}

fn step(text: &str) {
    println!("» {text}");
    // A closed terminal is no reason to stop.
    let _ = std::io::stdout().flush();
}

async fn wait_pinned(client: &Client, cid: &Cid) -> Result<()> {
    let started = Instant::now();
    let mut last = String::new();
    loop {
        let info = client.status(cid, Scope::Local).await?;
        let statuses: Vec<_> = info.peer_map.iter().flatten().map(|(_, status)| status).collect();
        for status in &statuses {
            let line = format!("{}{}", status.status.name().to_uppercase(), with_error(&status.error));
            if line != last {
                println!("    {:>6} ms  {line}", started.elapsed().as_millis());
                last = line;
            }
        }
        if !statuses.is_empty() && statuses.iter().all(|s| s.status == TrackerStatus::Pinned) {
            return Ok(());
        }
        if started.elapsed() > PIN_LIMIT {
            bail!("{cid} is not pinned after {} s: {last}", PIN_LIMIT.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn with_error(error: &str) -> String {
    if error.is_empty() { String::new() } else { format!(": {error}") }
}
