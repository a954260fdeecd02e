//! The command `raft-storm`.

use super::{StormOptions, storm};
use anyhow::{Result, ensure};
use clap::Parser;
use std::{
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Kills and parts peers that agree by Raft while clients work, and checks that nothing acknowledged is lost, that nothing is
/// half there, that new leaders come in time, and that all peers are equal at the end.
#[derive(Debug, Parser)]
struct Arguments {
    /// Times to kill a peer with -9
    #[arg(long, default_value_t = 200)]
    kills: usize,
    /// Partitions by network namespaces
    #[arg(long, default_value_t = 50)]
    partitions: usize,
    /// Peers
    #[arg(long, default_value_t = 5)]
    peers: usize,
    /// Clients that work at the same time
    #[arg(long, default_value_t = 32)]
    clients: usize,
    /// Election time-out of the peers, in milliseconds
    #[arg(long, default_value_t = 1000)]
    election_timeout: u64,
    /// Seed of everything but the time things take [default: the time]
    #[arg(long)]
    seed: Option<u64>,
    /// Say each fault when it comes
    #[arg(long)]
    verbose: bool,
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
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let options = StormOptions {
        peers: arguments.peers,
        kills: arguments.kills,
        partitions: arguments.partitions,
        clients: arguments.clients,
        election_timeout: Duration::from_millis(arguments.election_timeout),
        seed: arguments.seed.unwrap_or(now),
        is_verbose: arguments.verbose,
    };
    ensure!((3..=16).contains(&options.peers), "from 3 to 16 peers are possible");
    println!("raft storm: seed {}", options.seed);
    let summary = storm(&options)?;
    println!("{summary}");
    Ok(summary.failures.is_empty())
}
