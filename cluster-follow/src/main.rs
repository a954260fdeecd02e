//! `cluster-follow`: runs follower peers. Arguments in, one call, exit code out; the rest is in the daemon crate.

mod arguments;
mod program;
mod running;
mod tasks;

use cluster_daemon::{Environment, logging};
use std::process::ExitCode;

/// Rows and requests are many small allocations on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is logged unless the environment says otherwise: requests would drown the rest.
const LEVELS: &str = "info,restapilog:error";

fn main() -> ExitCode {
    keep_pages_small();
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
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Has memory given out in ordinary pages. The allocator asks for huge ones, and a process that needs a few MiB then
/// occupies twice as much, for no gain that could be measured.
fn keep_pages_small() {
    #[cfg(target_os = "linux")]
    if rustix::thread::disable_transparent_huge_pages(true).is_err() {
        // An old kernel: more memory is used, nothing else.
    }
}
