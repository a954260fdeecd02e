//! The control client: one command, one or a few calls of the REST API, its output and an exit code.

mod argv;
mod cli;
mod commands;
mod exit;
mod failure;
mod help;
mod output;
mod relative_time;
mod session;
mod text;

use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().map(|a| a.to_string_lossy().into_owned());
    let program = help::program_name(&args.next().unwrap_or_default());
    let cli = match argv::parse(program, args) {
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
    runtime.block_on(commands::run(program, cli, output))
}
