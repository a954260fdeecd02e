//! The control client: one command, one or a few calls of the REST API, its output and an exit code.

mod cli;
mod commands;
mod dot;
mod exit;
mod failure;
#[cfg(feature = "libp2p")]
mod libp2p;
mod output;
mod program;
mod progress;
mod relative_time;
mod session;
mod text;

use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let program = program::program(&words.next().unwrap_or_default().to_string_lossy());
    let cli = match program::parse(&program, words) {
        Ok(cli) => cli,
        Err(stop) => return stop.report(),
    };
    let output = match output::Output::new(&cli.global.encoding) {
        Ok(output) => output,
        Err(failure) => return failure.report_as_text(),
    };
    // One thread is enough, and starting more would cost longer than most commands take.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::client("starting", error).report_as_text(),
    };
    runtime.block_on(commands::run(&program, cli, output))
}
