//! Why there is nothing to run.

/// Why there is nothing to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// A text that was asked for: the version, help, or the help of a group that was called without a command.
    Show(String),
    /// No command at all; the text is the help of the program.
    NoCommand(String),
    /// A mistake, with the help that goes with it.
    Usage(String),
    /// No such command.
    UnknownCommand {
        /// The word that names none.
        name: String,
        /// The group it was looked for in; nothing is the program itself.
        group: Vec<String>,
        /// What to say.
        text: String,
    },
}
