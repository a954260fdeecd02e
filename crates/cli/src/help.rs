//! Help in the sections that people and scripts know.

use clap::Command;

/// Widest line of any help text.
const WIDTH: usize = 100;

/// Gives a command and everything below it the known form; `path` is how it is called, `description` stands in the
/// help of the program itself.
pub(crate) fn dress(command: Command, path: &str, description: &str) -> Command {
    let template = if command.get_name() == path {
        let description = indented(description);
        format!(
            "NAME:\n   {path} - {{about}}\n\nUSAGE:\n   {{usage}}\n\nVERSION:\n   {{version}}\n\nDESCRIPTION:\n   {description}\n\n\
             COMMANDS:\n{{subcommands}}\n\nGLOBAL OPTIONS:\n{{options}}\n"
        )
    } else if command.has_subcommands() {
        format!(
            "NAME:\n   {path} - {{about}}\n\nUSAGE:\n   {{usage}}\n\nCOMMANDS:\n{{subcommands}}\n\nOPTIONS:\n{{options}}\n"
        )
    } else {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let long = command.get_long_about().map_or_else(|| about.clone(), ToString::to_string);
        let description = indented(&long);
        format!(
            "NAME:\n   {path} - {about}\n\nUSAGE:\n   {{usage}}\n\nDESCRIPTION:\n   {description}\n\nOPTIONS:\n{{options}}\n"
        )
    };
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    // Of a flag given twice the last counts.
    let command = command
        .help_template(template)
        .term_width(WIDTH)
        .disable_help_subcommand(true)
        .args_override_self(true);
    names.into_iter().fold(command, |command, name| {
        let path = format!("{path} {name}");
        command.mut_subcommand(name, |sub| dress(sub, &path, ""))
    })
}

fn indented(text: &str) -> String {
    text.replace('\n', "\n   ").replace("\n   \n", "\n\n")
}

/// Renders the help of the command that `path` leads to, as far as it does.
pub(crate) fn render(mut root: Command, path: &[String]) -> String {
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

/// Lists every command below this one with its path, groups included, hidden ones not.
pub(crate) fn list(command: &Command, path: &str, found: &mut Vec<String>) {
    for sub in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        let path = format!("{path} {}", sub.get_name());
        found.push(path.clone());
        list(sub, &path, found);
    }
}
