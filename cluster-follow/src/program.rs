//! From the arguments of the process to what is to be done.

use crate::arguments::{Arguments, Verb};
use clap::{CommandFactory, FromArgMatches};
use cluster_cli::Program;
use cluster_daemon::{Environment, program_folder};
use std::{ffi::OsString, path::PathBuf, process::ExitCode};

/// What the arguments ask for.
pub(crate) struct Parsed {
    /// Name of the program, to show.
    pub(crate) program: &'static str,
    /// Folder for all followers.
    pub(crate) folder: PathBuf,
    /// What to do.
    pub(crate) task: Task,
}

/// What to do.
pub(crate) enum Task {
    /// List the followers.
    ListAll,
    /// Tell what is known of one of them, and what can be done.
    Describe {
        /// Name of its cluster.
        name: String,
        /// What can be done.
        help: String,
    },
    /// Work on one of them.
    Perform {
        /// Name of its cluster.
        name: String,
        /// What to do.
        verb: Verb,
    },
}

/// Names the program may be called by; the first is its own.
const NAMES: [&str; 2] = ["cluster-follow", GO_NAME];

/// The name of the Go suite's program.
pub(crate) const GO_NAME: &str = "ipfs-cluster-follow";

const DESCRIPTION: &str = "Follows clusters that others publish: the IPFS daemon of this machine pins what they pin.\n\
Without arguments it lists the clusters that are configured. \"<clusterName> init <URL>\" configures one,\n\
\"<clusterName> run\" follows it, \"<clusterName>\" alone tells what is known of it.";

/// Reads the arguments. What has been answered already (help, version, mistakes) comes back as an exit code.
pub(crate) fn parse(
    mut words: impl Iterator<Item = OsString>,
    environment: &Environment,
) -> Result<Parsed, ExitCode> {
    let called_as = words.next().unwrap_or_default();
    let called_as = called_as.to_string_lossy();
    let program = Program::new(command(&called_as), &called_as, NAMES, DESCRIPTION);
    let (name, words) = take_name(words);
    // Of a bad flag, after which the reference exits with 0, scripts had better learn.
    let matches = program.parse(words.into_iter()).map_err(|stop| stop.report())?;
    let Arguments { config, verb, .. } = Arguments::from_arg_matches(&matches).map_err(|error| {
        let _ = error.print();
        ExitCode::FAILURE
    })?;
    let task = match (name, verb) {
        (_, Some(Verb::Manuals(asked))) => return Err(program.print_manuals(&asked)),
        (None, None) => Task::ListAll,
        (None, Some(_)) => {
            eprintln!("the name of a cluster belongs before the command: {} <clusterName> …", program.name());
            return Err(ExitCode::FAILURE);
        }
        (Some(name), None) => Task::Describe { name, help: program.help(&[]) },
        (Some(name), Some(verb)) => Task::Perform { name, verb },
    };
    let folder = program_folder(config, ".ipfs-cluster-follow", environment).map_err(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })?;
    Ok(Parsed { program: program.name(), folder, task })
}

/// Makes the commands, whose usage shows that the cluster's name stands before them.
fn command(called_as: &str) -> clap::Command {
    let program = Program::name_of(called_as, NAMES);
    let usages = [
        ("info", ""),
        ("init", " <template_URL>"),
        ("run", " [--init <template_URL>]"),
        ("list", ""),
        ("stop", ""),
        ("remove", " [--force]"),
    ];
    let all = Arguments::command()
        .override_usage(format!("{program} [global options] [<clusterName> [command [command options]]]"));
    usages.into_iter().fold(all, |all, (name, rest)| {
        all.mut_subcommand(name, |one| {
            one.override_usage(format!("{program} [global options] <clusterName> {name}{rest}"))
        })
    })
}

/// Takes the name of the cluster out: the first word that is neither a flag, nor the value of one, nor asks for help.
fn take_name(words: impl Iterator<Item = OsString>) -> (Option<String>, Vec<OsString>) {
    let mut rest = Vec::new();
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        let is_config = matches!(&*text, "-c" | "--c" | "-config" | "--config");
        if is_about_the_program(&text, words.peek()) {
            rest.push(word);
            rest.extend(words);
            return (None, rest);
        }
        if !text.starts_with('-') && text != "help" && text != "h" {
            let name = text.into_owned();
            rest.extend(words);
            return (Some(name), rest);
        }
        rest.push(word);
        if is_config {
            rest.extend(words.next());
        }
    }
    (None, rest)
}

/// Says whether a word is a command of the program rather than the name of a cluster, which a command would follow.
fn is_about_the_program(word: &str, next: Option<&OsString>) -> bool {
    let is_command = |next: &OsString| {
        Arguments::command().get_subcommands().any(|command| next.to_str() == Some(command.get_name()))
    };
    matches!(word, "completions" | "man") && !next.is_some_and(is_command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Parsed, ExitCode> {
        let environment = Environment::of([("HOME", "/home/me")]);
        parse(line.split(' ').map(OsString::from), &environment)
    }

    fn verb(line: &str) -> (PathBuf, String, Option<Verb>) {
        let Parsed { folder, task, .. } = parsed(line).ok().unwrap();
        match task {
            Task::Describe { name, .. } => (folder, name, None),
            Task::Perform { name, verb } => (folder, name, Some(verb)),
            Task::ListAll => panic!("no name in {line}"),
        }
    }

    #[test]
    fn the_arguments_hold_together() {
        command("cluster-follow").debug_assert();
    }

    #[test]
    fn the_name_stands_before_the_command_and_flags_anywhere() {
        for line in ["f -c /x a run", "f --config=/x a run", "f a run --config /x", "f -config /x a run"] {
            let (folder, name, verb) = verb(line);
            assert_eq!((folder, name.as_str()), (PathBuf::from("/x"), "a"), "{line}");
            assert!(matches!(verb, Some(Verb::Run(_))), "{line}");
        }
        let (folder, name, none) = verb("f run");
        assert_eq!((folder, name.as_str()), (PathBuf::from("/home/me/.ipfs-cluster-follow"), "run"));
        assert!(none.is_none());
        assert!(matches!(parsed("f").ok().unwrap().task, Task::ListAll));
        let Some(Verb::Init(init)) = verb("f a init --gateway g u").2 else { panic!("no init") };
        assert_eq!((init.url.as_deref(), init.gateway.gateway.as_deref()), (Some("u"), Some("g")));
    }

    #[test]
    fn the_programs_name_is_the_one_it_was_called_by() {
        for (called, shown) in [("/bin/ipfs-cluster-follow", GO_NAME), ("./cluster-follow", "cluster-follow")]
        {
            assert_eq!(parsed(called).ok().unwrap().program, shown);
            let help = Program::new(command(called), called, NAMES, DESCRIPTION).help(&["init".to_owned()]);
            assert!(help.contains(&format!("{shown} [global options] <clusterName> init")), "{help}");
        }
    }
}
