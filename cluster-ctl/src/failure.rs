//! Why a command failed, and where that is printed (api §4.3).

use crate::{exit::Exit, output::Output};
use cluster_client::{ClientError, TlsProblem, api_types::Error};
use std::{fmt::Display, io, process::ExitCode};

/// Failure of a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// On this side: printed to standard error.
    #[error("error {doing}: {problem}")]
    Client {
        /// What was being done; may be empty.
        doing: &'static str,
        /// What went wrong.
        problem: String,
    },
    /// A call failed: its error object is printed to standard output.
    #[error(transparent)]
    Call(#[from] ClientError),
    /// A deadline passed.
    #[error("error {doing}: context deadline exceeded")]
    Deadline {
        /// What was being done.
        doing: &'static str,
    },
    /// Standard output is gone.
    #[error("error writing output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// A failure on this side.
    pub(crate) fn client(doing: &'static str, problem: impl Display) -> Self {
        Self::Client { doing, problem: problem.to_string() }
    }

    /// The command or option is not built yet.
    pub(crate) fn unsupported(what: &str) -> Self {
        Self::client("", format!("{what} is not supported by this version yet"))
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Call(error) if error.code() != 0 => Exit::Server,
            Self::Client { .. } | Self::Call(_) => Exit::Client,
            Self::Deadline { .. } => Exit::Deadline,
            // Who closes the pipe has seen enough.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
            Self::Output(_) => Exit::Client,
        }
    }

    /// Prints the failure and returns the exit code.
    pub(crate) fn report(self, output: &mut Output) -> ExitCode {
        let exit = self.exit();
        match &self {
            Self::Call(error) => {
                let printed = output.object(&error_object(error)).and_then(|()| output.flush());
                if printed.is_err() {
                    return exit.into();
                }
            }
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            other => eprint_line(other),
        }
        exit.into()
    }

    /// Prints a failure that comes before there is an output.
    pub(crate) fn report_as_text(self) -> ExitCode {
        eprint_line(&self);
        self.exit().into()
    }
}

/// Returns the error object to print, with the flag that helps when there is one.
fn error_object(error: &ClientError) -> Error {
    let Error { code, mut message } = error.to_object();
    match error.tls_problem() {
        Some(TlsProblem::PlainHttp) => {
            message.push_str(" (leave out --https; with --basic-auth add --force-http)");
        }
        Some(problem) if problem.is_about_the_certificate() => {
            message.push_str(" (or add --no-check-certificate, if nobody else can be at that address)");
        }
        _ => {}
    }
    Error { code, message }
}

/// Writes a line to standard error; there is nowhere to report that this fails.
fn eprint_line(text: &dyn Display) {
    use io::Write;
    let _ = writeln!(io::stderr().lock(), "{text}");
}

impl crate::text::Text for Error {
    fn write_text(&self, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(out, "An error occurred:\n  Code: {}\n  Message: {}", self.code, self.message)
    }
}
