//! `cluster-service`: runs a cluster peer. Arguments in, one call, exit code out; the rest is in the daemon crate.

mod arguments;
mod program;

use cluster_daemon::{Environment, logging, memory};
use program::Parsed;
use std::process::ExitCode;

/// Rows and requests are many small allocations on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    memory::keep_pages_small();
    let environment = Environment::process();
    let parsed = match program::parse(std::env::args_os(), &environment) {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    match parsed {
        Parsed::Version => {
            println!("{}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Parsed::Run { command, levels, debug } => {
            if let Err(error) = logging::start(levels.as_deref(), debug, &environment) {
                eprintln!("error setting log levels: {error}");
                return ExitCode::FAILURE;
            }
            let outcome = cluster_daemon::run(command, &environment);
            logging::flush();
            match outcome {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("error {error}");
                    ExitCode::FAILURE
                }
            }
        }
    }
}
