//! Brings the command line to the one form that the parser reads.
//!
//! Scripts write long flags with one dash, values that begin with one, switches as `--flag=false`, flags after
//! arguments, and `help` before or after a command.

use clap::{Arg, ArgAction, Command};
use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
};

/// The rewritten line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rewritten {
    /// Words for the parser: global flags, the command, its flags and arguments.
    pub(super) words: Vec<OsString>,
    /// The command they name.
    pub(super) path: Vec<String>,
    /// A word that stands where a command must, and names none.
    pub(super) unknown: Option<String>,
}

/// Rewrites `args`, the words after the program's name.
pub(super) fn rewrite(root: &Command, args: Vec<OsString>) -> Rewritten {
    let mut rest = VecDeque::from(args);
    let mut done = Rewritten::default();
    let (mut globals, mut words) = (Vec::new(), Vec::new());
    let mut level = root;
    let mut help = false;
    while let Some(given) = rest.pop_front() {
        // What is not Unicode can only be an argument, such as a path.
        let Some(word) = given.to_str() else {
            words.push(given);
            continue;
        };
        if word == "--" {
            words.push(given);
            words.extend(rest.drain(..));
        } else if let Some((name, value)) = flag(word) {
            if let Some(arg) = find(level, name) {
                push_flag(arg, value, &mut rest, &mut words);
            } else if let Some(arg) = find(root, name) {
                // Global flags belong in front; behind the command there is no doubt what they mean either.
                push_flag(arg, value, &mut rest, &mut globals);
            } else {
                words.push(given);
            }
        } else if !level.has_subcommands() {
            words.push(given);
        } else if word == "help" || word == "h" {
            help = true;
        } else if let Some(sub) = level.find_subcommand(word) {
            done.path.push(sub.get_name().to_owned());
            words.push(sub.get_name().into());
            level = sub;
        } else {
            done.unknown = Some(word.to_owned());
            break;
        }
    }
    if help {
        words.push("--help".into());
    }
    done.words = globals;
    done.words.append(&mut words);
    done
}

/// Splits a flag into its name and the value after `=`. A lone dash and a negative number are arguments.
fn flag(word: &str) -> Option<(&str, Option<&str>)> {
    let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some(name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value))))
}

fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let mut letters = name.chars();
    let letter = letters.next().filter(|_| letters.next().is_none());
    command.get_arguments().filter(|a| !a.is_positional()).find(|arg| {
        arg.get_long() == Some(name)
            || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
            || (letter.is_some() && arg.get_short() == letter)
    })
}

/// Writes a flag in its long form, a value joined to it so that it may begin with a dash.
fn push_flag(arg: &Arg, value: Option<&str>, rest: &mut VecDeque<OsString>, words: &mut Vec<OsString>) {
    let Some(long) = arg.get_long() else { return };
    let mut flag = OsString::from(format!("--{long}"));
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    match (takes_value, value) {
        (true, Some(value)) => join(&mut flag, value.as_ref()),
        (true, None) => {
            if let Some(value) = rest.pop_front() {
                join(&mut flag, &value);
            }
        }
        (false, None | Some("1" | "t" | "T" | "true" | "True" | "TRUE")) => {}
        (false, Some("0" | "f" | "F" | "false" | "False" | "FALSE")) => return,
        (false, Some(other)) => join(&mut flag, other.as_ref()),
    }
    words.push(flag);
}

fn join(flag: &mut OsString, value: &OsStr) {
    flag.push("=");
    flag.push(value);
}
