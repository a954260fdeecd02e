//! Arguments of `add`, which this version refuses.

use clap::Args;

/// Everything after `add`: accepted as it comes, so that the answer is about the command and not about a flag.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// What to add
    #[arg(value_name = "path", allow_hyphen_values = true, trailing_var_arg = true)]
    pub(crate) paths: Vec<String>,
}
