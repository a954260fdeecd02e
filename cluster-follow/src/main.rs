//! `cluster-follow`: runs follower peers. Arguments in, one call, exit code out; the rest is in the daemon crate.

mod arguments;
mod program;
mod running;
mod tasks;

use cluster_daemon::{Environment, follow::FollowError, logging, memory};
use std::process::ExitCode;
use tasks::TaskError;

/// Rows and requests are many small allocations on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is logged unless the environment says otherwise: requests would drown the rest.
const LEVELS: &str = "info,restapilog:error";

fn main() -> ExitCode {
    memory::keep_pages_small();
    let environment = Environment::process();
    let parsed = match program::parse(std::env::args_os(), &environment) {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    let own = environment.text("IPFS_CLUSTER_LOG_LEVEL").or_else(|| environment.text("GOLOG_LOG_LEVEL"));
    let levels = if own.is_some() { None } else { Some(LEVELS) };
    if let Err(error) = logging::start(levels, false, &environment) {
        eprintln!("error setting log levels: {error}");
        return ExitCode::FAILURE;
    }
    let outcome = tasks::perform(parsed, &environment);
    logging::flush();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // As in the Go suite, whose scripts read it there.
        Err(error @ TaskError::Follow(FollowError::NotInitialized { .. })) => {
            println!("\n{error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
