//! One function per command: calls, then output.

mod health;
mod peers;
mod pins;
mod search;
mod settle;
mod status;
mod watch;

use crate::{
    cli::{Cli, Command, IpfsCommand},
    exit::Exit,
    failure::Failure,
    output::Output,
    session::{Session, connect},
};
use cluster_cli::Program;
use cluster_client::{
    Cid, Scope,
    go_duration::{self, DurationError},
};
use std::{io, process::ExitCode, time::Duration};

/// Runs the command and returns the exit code.
pub(crate) async fn run(program: &Program, cli: Cli, mut output: Output) -> ExitCode {
    let Cli { global, command } = cli;
    let client = match &command {
        Command::Commands => return print(Ok(program.commands().join("\n") + "\n"), output),
        Command::Manuals(asked) => return print(program.manuals(asked), output),
        Command::Add(_) => return Failure::unsupported("add").report(&mut output),
        _ => match connect(&global).await {
            Ok(client) => client,
            Err(failure) => return failure.report(&mut output),
        },
    };
    output.progress().begin();
    let mut session = Session { client, output };
    let done = dispatch(&mut session, command).await;
    // What a stream brought before it failed is shown before the failure.
    match done.and_then(|()| Ok(session.output.flush()?)) {
        Ok(()) => Exit::Success.into(),
        Err(failure) => {
            session.output.progress().end();
            failure.report(&mut session.output)
        }
    }
}

async fn dispatch(session: &mut Session, command: Command) -> Result<(), Failure> {
    match command {
        Command::Id => peers::id(session).await,
        Command::Peers(command) => peers::peers(session, command).await,
        Command::Pin(command) => pins::pin(session, command).await,
        Command::Status { cids, local, filter, search, watch } => {
            let asked =
                status::Asked { cids: &cids, scope: scope(local), filter: &filter, search: &search, watch };
            status::status(session, asked).await
        }
        Command::Watch { cursor, no_follow } => watch::watch(session, cursor, !no_follow).await,
        Command::Totals => Ok(session.output.object(&session.client.totals().await?)?),
        Command::Recover { cid, local } => status::recover(session, cid.as_deref(), scope(local)).await,
        Command::Version => peers::version(session).await,
        Command::Health(command) => health::health(session, command).await,
        Command::Ipfs(IpfsCommand::Gc { local }) => {
            session.output.progress().says("collecting garbage");
            health::collect_garbage(session, scope(local)).await
        }
        Command::Add(_) | Command::Manuals(_) | Command::Commands => Ok(()),
    }
}

/// Prints what needs no peer.
fn print(text: io::Result<String>, mut output: Output) -> ExitCode {
    let text = text.map_err(|error| Failure::client("making manuals", error));
    let printed = text.and_then(|text| Ok(output.bytes(text.as_bytes()).and_then(|()| output.flush())?));
    match printed {
        Ok(()) => Exit::Success.into(),
        Err(failure) => failure.report(&mut output),
    }
}

fn scope(local: bool) -> Scope {
    if local { Scope::Local } else { Scope::Cluster }
}

/// Reads the duration of a flag; a negative one is zero, for no flag means anything else by it.
fn parse_duration(doing: &'static str, text: &str) -> Result<Duration, Failure> {
    match go_duration::parse(text) {
        Ok(duration) => Ok(duration),
        Err(DurationError::Negative) => Ok(Duration::ZERO),
        Err(error) => Err(Failure::client(doing, format!("invalid duration \"{text}\": {error}"))),
    }
}

fn parse_cid(text: &str) -> Result<Cid, Failure> {
    cluster_client::parse_cid(text).map_err(|e| Failure::client("parsing cid", e))
}
