//! Command lines as scripts write them for the reference's programs, and help in the sections they look for (api
//! §4.1).
//!
//! A program declares its commands with `clap`; [`Program`] reads its words leniently and [`Stop`] says what to print
//! when there is nothing to run.

mod help;
mod manuals;
mod program;
mod rewrite;
mod stop;

pub use manuals::Manuals;
pub use program::Program;
pub use stop::Stop;
