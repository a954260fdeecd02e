//! What is done, and what a person is told of it.

use crate::{
    arguments::{Gateway, Verb},
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
    /// There is none of that name.
    #[error("{missing}\n\nRun \"{program} {name} init <template_URL>\" to initialize it.", missing = FollowError::NotInitialized)]
    NotInitialized {
        /// Name of the program.
        program: &'static str,
        /// Name of the cluster.
        name: String,
    },
    /// The system refuses a runtime.
    #[error("preparing the process: {0}")]
    Runtime(#[source] io::Error),
}

/// Does what the arguments ask for.
pub(crate) fn perform(parsed: Parsed, environment: &Environment) -> Result<(), TaskError> {
    let Parsed { program, folder, task } = parsed;
    let (name, verb) = match task {
        Task::ListAll => return list_all(program, &folder),
        Task::One { name, verb } => (name, verb),
    };
    let follower = Follower::new(&folder, &name)?;
    let done = match verb {
        Err(help) => show_info(&follower, environment)
            .map(|()| print!("\nAdditional help:\n\n-------------------\n\n{help}")),
        Ok(Verb::Info) => show_info(&follower, environment),
        Ok(Verb::Init(init)) => {
            Init { program, environment, gateway: &init.gateway }.run(&follower, init.url.clone())
        }
        Ok(Verb::Run(run)) => {
            if run.init.is_some() {
                if follower.check_initialized().is_ok() {
                    println!("The follower peer for \"{name}\" is initialized already: --init is skipped.");
                } else {
                    Init { program, environment, gateway: &run.gateway }.run(&follower, run.init.clone())?;
                }
            }
            follow::run(&follower, environment).map_err(TaskError::from)
        }
        Ok(Verb::List) => list(&follower, environment),
        // Answered when the arguments were read.
        Ok(Verb::Manuals(_)) => Ok(()),
        Ok(Verb::Stop) => follow::stop(&follower).map_err(TaskError::from).map(|answer| match answer {
            StopAnswer::Stopped => println!("The follower peer for \"{name}\" has stopped."),
            StopAnswer::NotRunning => println!("The follower peer for \"{name}\" does not run."),
        }),
        Ok(Verb::Remove(remove)) => {
            follow::remove(&follower, remove.force).map_err(TaskError::from).map(|answer| match answer {
                RemoveAnswer::Removed => println!("The follower peer for \"{name}\" is removed."),
                RemoveAnswer::Kept => println!("Nothing is removed."),
            })
        }
    };
    done.map_err(|error| match error {
        TaskError::Follow(FollowError::NotInitialized) => TaskError::NotInitialized { program, name },
        other => other,
    })
}

/// Initialising, in the words of one command or another.
struct Init<'a> {
    program: &'static str,
    environment: &'a Environment,
    gateway: &'a Gateway,
}

impl Init<'_> {
    fn run(&self, follower: &Follower, url: Option<String>) -> Result<(), TaskError> {
        let gateway = self.gateway.gateway.as_deref().or_else(|| self.environment.text("IPFS_GATEWAY"));
        let options = InitFollower {
            url,
            gateway: gateway.unwrap_or(DEFAULT_GATEWAY).to_owned(),
            // Scripts written for the Go suite expect its file.
            format: if self.program == GO_NAME { ConfigFormat::Json } else { ConfigFormat::Toml },
            program: self.program,
        };
        Ok(follow::init(follower, &options, self.environment)?)
    }
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
    let online = runtime()?.block_on(api.answers());
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
