//! Help, the list of commands, and the name under which the program was called.

use crate::cli::Cli;
use clap::{Command, CommandFactory};

/// Widest line of any help text.
const WIDTH: usize = 100;

const DESCRIPTION: &str = "   Talks to the REST API of a cluster peer. The state shown is that peer's view of the \
cluster; whether\n   content is on a peer's disk is what \"status\" says, not \"pin ls\".";

/// Returns the name to show: the family of names under which the program was called.
pub(crate) fn program_name(called_as: &str) -> &'static str {
    let file = called_as.rsplit('/').next().unwrap_or_default();
    if file.starts_with("ipfs-") { "ipfs-cluster-ctl" } else { "cluster-ctl" }
}

/// Returns the line of `--version`.
pub(crate) fn version_line(program: &str) -> String {
    format!("{program} version {}", env!("CARGO_PKG_VERSION"))
}

/// Makes the commands with help in the sections that people and scripts know (api §4.1).
pub(crate) fn command(program: &'static str) -> Command {
    let mut root =
        dress(Cli::command().name(program).bin_name(program).version(env!("CARGO_PKG_VERSION")), program);
    root.build();
    root
}

fn dress(command: Command, path: &str) -> Command {
    let template = if command.get_name() == path {
        format!(
            "NAME:\n   {path} - {{about}}\n\nUSAGE:\n   {{usage}}\n\nVERSION:\n   {{version}}\n\nDESCRIPTION:\n{DESCRIPTION}\n\n\
             COMMANDS:\n{{subcommands}}\n\nGLOBAL OPTIONS:\n{{options}}\n"
        )
    } else if command.has_subcommands() {
        format!(
            "NAME:\n   {path} - {{about}}\n\nUSAGE:\n   {{usage}}\n\nCOMMANDS:\n{{subcommands}}\n\nOPTIONS:\n{{options}}\n"
        )
    } else {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let long = command.get_long_about().map(ToString::to_string).unwrap_or_else(|| about.clone());
        let description = long.replace('\n', "\n   ").replace("\n   \n", "\n\n");
        format!(
            "NAME:\n   {path} - {about}\n\nUSAGE:\n   {{usage}}\n\nDESCRIPTION:\n   {description}\n\nOPTIONS:\n{{options}}\n"
        )
    };
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    let command = command.help_template(template).term_width(WIDTH).disable_help_subcommand(true);
    names.into_iter().fold(command, |command, name| {
        let path = format!("{path} {name}");
        command.mut_subcommand(name, |sub| dress(sub, &path))
    })
}

/// Renders the help of the command that `path` leads to, as far as it does.
pub(crate) fn render(program: &'static str, path: &[String]) -> String {
    let mut root = command(program);
    let mut at = &mut root;
    for name in path {
        // Asked twice because the first answer would keep the tree borrowed on the way out.
        if at.find_subcommand(name).is_none() {
            break;
        }
        let Some(next) = at.find_subcommand_mut(name) else { return String::new() };
        at = next;
    }
    at.render_help().to_string()
}

/// Lists every command with its path, groups included, hidden ones not.
pub(crate) fn all_commands(program: &'static str) -> Vec<String> {
    fn walk(command: &Command, path: &str, found: &mut Vec<String>) {
        for sub in command.get_subcommands().filter(|c| !c.is_hide_set()) {
            let path = format!("{path} {}", sub.get_name());
            found.push(path.clone());
            walk(sub, &path, found);
        }
    }
    let mut found = Vec::new();
    walk(&command(program), program, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_help_line_is_wider_than_120_and_all_sections_are_there() {
        let root = render("ipfs-cluster-ctl", &[]);
        let mut last = 0;
        for section in ["NAME:", "USAGE:", "VERSION:", "DESCRIPTION:", "COMMANDS:", "GLOBAL OPTIONS:"] {
            let at = root.find(&format!("{section}\n")).unwrap_or_else(|| panic!("{section} in {root}"));
            assert!(at >= last, "{section} is out of order in {root}");
            last = at;
        }
        let commands = all_commands("ipfs-cluster-ctl");
        assert!(commands.iter().any(|c| c == "ipfs-cluster-ctl pin add"));
        for path in commands.iter().map(|c| c.split(' ').skip(1).map(str::to_owned).collect::<Vec<_>>()) {
            let help = render("ipfs-cluster-ctl", &path);
            assert!(help.starts_with(&format!("NAME:\n   ipfs-cluster-ctl {} - ", path.join(" "))), "{help}");
            assert!(help.contains("USAGE:\n   ipfs-cluster-ctl ") && help.contains("\nOPTIONS:\n"), "{help}");
            for line in help.lines().chain(root.lines()) {
                assert!(line.chars().count() <= 120, "{line}");
            }
        }
    }

    #[test]
    fn the_name_follows_the_call() {
        assert_eq!(program_name("/usr/bin/ipfs-cluster-ctl"), "ipfs-cluster-ctl");
        assert_eq!(program_name("./cluster-ctl"), "cluster-ctl");
        assert_eq!(version_line("cluster-ctl"), "cluster-ctl version 1.1.6");
    }
}
