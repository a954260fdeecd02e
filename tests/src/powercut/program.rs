//! The command `powercut`.

use super::{
    ClusterWorkload, Engine, Fault, KillOptions, PeerProgram, ServiceWorkload, Variant, kill_often, toy,
};
use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use cluster_testkit::powercut::{Campaign, CampaignOptions, NameModel, Workload, is_permitted};
use std::{
    io,
    path::PathBuf,
    process::ExitCode,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// Cuts the power of peers under load and kills them, and checks that everything acknowledged is still there.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Disks to rebuild
    #[arg(long, default_value_t = 200)]
    disks: usize,
    /// Recordings to make them from
    #[arg(long, default_value_t = 4)]
    recordings: usize,
    /// Requests in one recording
    #[arg(long, default_value_t = 1200)]
    requests: usize,
    /// Times to kill a peer with -9
    #[arg(long, default_value_t = 200)]
    kills: usize,
    /// Configure the peer with batching
    #[arg(long)]
    batching: bool,
    /// Cut the power of three peers with Raft at once, instead of one peer's
    #[arg(long, conflicts_with_all = ["batching", "engine"])]
    raft: bool,
    /// Engine of the peer's store
    #[arg(long, value_enum, default_value_t = Engine::Fjall)]
    engine: Engine,
    /// Let any sync commit all earlier changes of names, as ext4 does
    #[arg(long)]
    ext4: bool,
    /// Seed of everything [default: the time]
    #[arg(long)]
    seed: Option<u64>,
    /// Where recordings with a failure are kept
    #[arg(long, default_value = "target/powercut")]
    keep: PathBuf,
    /// Repeat the cuts of a kept recording
    #[arg(long, value_name = "FOLDER")]
    replay: Option<PathBuf>,
    /// Number of the kept recording
    #[arg(long, default_value_t = 0, requires = "replay")]
    recording: usize,
    /// Only this disk of it
    #[arg(long, requires = "replay")]
    disk: Option<usize>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the toy store
    #[command(hide = true)]
    Toy {
        /// Its folder
        root: PathBuf,
        /// What is wrong with it
        fault: Fault,
    },
}

/// Runs the command.
pub fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<bool> {
    if let Some(Verb::Toy { root, fault }) = arguments.verb {
        toy::serve(&root, fault, io::stdin().lock(), io::stdout())?;
        return Ok(true);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let seed = arguments.seed.unwrap_or(now);
    let variant = if arguments.batching { Variant::Batching } else { Variant::Default };
    let program = PeerProgram::find(variant, arguments.engine)?;
    println!("seed {seed}");
    let mut is_clean = true;
    if arguments.disks > 0 {
        ensure!(is_permitted(), "strace is missing or may not trace here");
        let began = Instant::now();
        let workload: Box<dyn Workload> = if arguments.raft {
            Box::new(ClusterWorkload::new(arguments.requests)?)
        } else {
            Box::new(ServiceWorkload::new(program.clone(), arguments.requests))
        };
        let campaign = Campaign::new(
            &*workload,
            CampaignOptions {
                disks: arguments.disks,
                recordings: arguments.recordings,
                seed,
                names: if arguments.ext4 { NameModel::Ext4Ordered } else { NameModel::Strict },
                keep: arguments.keep,
            },
        );
        let summary = match arguments.replay {
            Some(folder) => campaign.replay(&folder, arguments.recording, arguments.disk)?,
            None => campaign.run()?,
        };
        println!("{summary}\n  {:.1?}, of it {:.1?} under traced load", began.elapsed(), summary.load_time);
        is_clean &= summary.is_clean();
    }
    if arguments.kills > 0 && !arguments.raft {
        let began = Instant::now();
        let summary = kill_often(&program, &KillOptions { kills: arguments.kills, seed })?;
        println!("{summary}\n  {:.1?}", began.elapsed());
        is_clean &= summary.failures.is_empty();
    }
    Ok(is_clean)
}
