//! The two programs' entry: arguments, runtime, signals, exit status.

use super::control::{SERVE_EMPTY, SERVE_STUB};
use super::figures::Results;
use super::limits;
use super::report;
use super::server::{EmptyHandler, listen, serve};
use super::settings::Settings;
use super::stage::Stage;
use super::stub::{self, StubArguments};
use super::suite::{self, Side};
use anyhow::{Context, Result};
use clap::Parser;
use std::process::ExitCode;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

/// Status of a run that a signal ended.
const INTERRUPTED: u8 = 130;

/// Runs the benchmark; also serves as the child processes it starts of itself.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next();
    let first = arguments.next();
    match first.as_ref().and_then(|first| first.to_str()) {
        Some(SERVE_STUB) => run(serve_stub(StubArguments::parse_from(program.into_iter().chain(arguments)))),
        Some(SERVE_EMPTY) => run(serve_empty()),
        _ => run(measure(Settings::parse())),
    }
}

/// Runs the IPFS daemon's stand-in alone.
pub fn stub_main() -> ExitCode {
    run(serve_stub(StubArguments::parse()))
}

/// Drives a program to its end or to the first signal. Either way everything it owns is dropped before the process
/// ends, child processes first of all.
fn run(program: impl Future<Output = Result<ExitCode>>) -> ExitCode {
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")
        .and_then(|runtime| {
            runtime.block_on(async {
                let (mut interrupt, mut terminate, mut hang_up) = (
                    signal(SignalKind::interrupt())?,
                    signal(SignalKind::terminate())?,
                    signal(SignalKind::hangup())?,
                );
                tokio::select! {
                    result = program => result,
                    _ = interrupt.recv() => Ok(ExitCode::from(INTERRUPTED)),
                    _ = terminate.recv() => Ok(ExitCode::from(INTERRUPTED)),
                    _ = hang_up.recv() => Ok(ExitCode::from(INTERRUPTED)),
                }
            })
        });
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

async fn serve_stub(arguments: StubArguments) -> Result<ExitCode> {
    if arguments.with_stdin {
        until_stdin_ends(stub::run(&arguments)).await
    } else {
        stub::run(&arguments).await.map(|()| ExitCode::SUCCESS)
    }
}

async fn serve_empty() -> Result<ExitCode> {
    let (listener, address) = listen(0).await?;
    println!("listening on {address}");
    until_stdin_ends(serve(listener, EmptyHandler)).await
}

/// Ends with standard input, which the parent holds: so a server never outlives it, however the parent ends.
async fn until_stdin_ends(server: impl Future<Output = Result<()>>) -> Result<ExitCode> {
    let mut input = tokio::net::unix::pipe::Receiver::from_owned_fd(
        std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned().context("standard input")?,
    )
    .context("standard input is not a pipe")?;
    let mut byte = [0];
    tokio::select! {
        result = server => result?,
        _ = input.read(&mut byte) => {}
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure(settings: Settings) -> Result<ExitCode> {
    let measures = settings.measures();
    let suites =
        if measures == [super::measure::Measure::Limits] { Vec::new() } else { suite::find(&settings)? };
    println!("settings: {}", settings.describe());
    let limits = limits::measure(&settings).await.context("measuring the machine")?;
    for line in limits.lines() {
        println!("{line}");
    }
    let mut results = Results::default();
    results.probed(limits.sync_rate);
    let ours = suites.iter().find(|suite| suite.side == Side::Ours);
    for round in 1..=settings.alternate {
        let mut stages: Vec<Stage<'_>> =
            suites.iter().map(|suite| Stage { suite, ours, settings: &settings, large: None }).collect();
        for measure in &measures {
            for stage in &mut stages {
                println!("{measure:?}, {}, round {round}", stage.suite.side.title());
                if let Err(error) = measure.run(stage, &mut results).await {
                    results.fail(stage.suite.side, &format!("{measure:?}: {error:#}"));
                }
            }
        }
    }
    println!("\n{}", report::text(&limits, &settings, &results)?);
    let markdown = report::markdown(&limits, &settings, &results)?;
    match &settings.markdown {
        Some(file) => {
            std::fs::write(file, markdown).with_context(|| format!("writing {}", file.display()))?
        }
        None => println!("{markdown}"),
    }
    if let Some(file) = &settings.json {
        std::fs::write(file, report::json(&results))
            .with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(if results.failures().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
