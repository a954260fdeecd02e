//! What is done, and what a person is told of it.

use crate::{
    arguments::{Gateway, InitArguments, RemoveArguments, RunArguments, Verb},
    program::{GO_NAME, Parsed, Task},
    running::{Api, RunningError},
};
use cluster_daemon::{
    Environment,
    config::ConfigFormat,
    follow::{
        self, DEFAULT_GATEWAY, FollowError, Follower, Info, InitFollower, RemoveAnswer, SourceState,
        StopAnswer,
    },
};
use std::{
    io::{self, BufWriter, Write},
    path::Path,
};

/// Failure of a task, as a person is told of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    /// About a follower.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// Asking one that runs.
    #[error(transparent)]
    Running(#[from] RunningError),
    /// The system refuses a runtime.
    #[error("preparing the process: {0}")]
    Runtime(#[source] io::Error),
}

/// Does what the arguments ask for.
pub(crate) fn perform(parsed: Parsed, environment: &Environment) -> Result<(), TaskError> {
    let Parsed { program, folder, task } = parsed;
    let named = |name: &str| Follower::new(program, &folder, name);
    match task {
        Task::ListAll => list_all(program, &folder),
        Task::Describe { name, help } => {
            show_info(&named(&name)?, environment)?;
            print!("\nAdditional help:\n\n-------------------\n\n{help}");
            Ok(())
        }
        Task::Perform { name, verb } => work(&named(&name)?, verb, environment),
    }
}

/// Works on one follower.
fn work(follower: &Follower, verb: Verb, environment: &Environment) -> Result<(), TaskError> {
    let name = follower.name();
    match verb {
        Verb::Info => show_info(follower, environment)?,
        Verb::Init(InitArguments { url, gateway }) => init(follower, url, gateway, environment)?,
        Verb::Run(RunArguments { init: url, gateway }) => {
            if url.is_some() && follower.check_initialized().is_ok() {
                println!("The follower peer for \"{name}\" is initialized already: --init is skipped.");
            } else if url.is_some() {
                init(follower, url, gateway, environment)?;
            }
            follow::run(follower, environment)?;
        }
        Verb::List => list(follower, environment)?,
        Verb::Stop => match follow::stop(follower)? {
            StopAnswer::Stopped => println!("The follower peer for \"{name}\" has stopped."),
            StopAnswer::NotRunning => println!("The follower peer for \"{name}\" does not run."),
        },
        Verb::Remove(RemoveArguments { force }) => match follow::remove(follower, force)? {
            RemoveAnswer::Removed => println!("The follower peer for \"{name}\" is removed."),
            RemoveAnswer::Kept => println!("Nothing is removed."),
        },
        // Answered when the arguments were read.
        Verb::Manuals(_) => {}
    }
    Ok(())
}

fn init(
    follower: &Follower,
    url: Option<String>,
    gateway: Gateway,
    environment: &Environment,
) -> Result<(), FollowError> {
    let gateway = gateway.gateway.or_else(|| environment.text("IPFS_GATEWAY").map(str::to_owned));
    // Scripts written for the Go suite expect its file.
    let format = if follower.program() == GO_NAME { ConfigFormat::Json } else { ConfigFormat::Toml };
    let gateway = gateway.unwrap_or_else(|| DEFAULT_GATEWAY.to_owned());
    follow::init(follower, &InitFollower { url, gateway, format }, environment)
}

fn list_all(program: &str, folder: &Path) -> Result<(), TaskError> {
    let names = follow::find_all(folder)?;
    if names.is_empty() {
        println!("\nNo clusters configured yet!\n");
        println!("To follow one, take the URL that its operators publish and run:\n");
        println!("{program} \"<name>\" init <template_URL>\n{program} \"<name>\" run\n");
        println!("Tip: \"{program} --help\" for help and examples.");
        return Ok(());
    }
    println!("Configurations found for {} follower peers. For info and help, try running:\n", names.len());
    for name in names {
        println!("{program} \"{name}\"");
    }
    println!("\nTip: \"{program} --help\" for help and examples.");
    Ok(())
}

fn show_info(follower: &Follower, environment: &Environment) -> Result<(), TaskError> {
    let Info { source, ipfs_online } = follow::info(follower, environment)?;
    let api = Api::of(follower, environment)?;
    let (online, figures) = runtime()?.block_on(async { (api.answers().await, api.figures().await) });
    println!("Information about follower peer for Cluster \"{}\":\n", follower.name());
    println!("Config folder: {}", follower.base().display());
    match source {
        SourceState::Available(url) => println!("Config source URL: Available ({url})"),
        SourceState::Failed { url, reason, has_copy } => {
            println!("Config source URL: failed retrieving configuration source ({url})");
            let copy = if has_copy { "the next start uses the copy" } else { "there is no copy of it yet" };
            eprintln!("{reason}; {copy}");
        }
        SourceState::Local(path) => {
            println!("Config source URL: none, the settings are in {}", path.display())
        }
    }
    println!("Cluster Peer online: {online}");
    println!("IPFS peer online: {ipfs_online}");
    if let Some(figures) = figures {
        println!("Sync: {figures}");
    }
    Ok(())
}

/// Lists the pins: the running peer's answer if one listens, what is stored if none does.
fn list(follower: &Follower, environment: &Environment) -> Result<(), TaskError> {
    follower.check_initialized()?;
    let api = Api::of(follower, environment)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let done = if api.is_listened_on() {
        runtime()?.block_on(api.list(&mut out)).map_err(TaskError::from)
    } else {
        follow::list_stored(follower, environment, &mut out).map_err(TaskError::from)
    };
    match done {
        // Whoever reads had enough.
        Err(
            TaskError::Running(RunningError::Output(error)) | TaskError::Follow(FollowError::Output(error)),
        ) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.and_then(|()| out.flush().or(Ok(()))),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, TaskError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(TaskError::Runtime)
}
