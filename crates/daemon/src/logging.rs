//! Logs to standard error, with levels per component (api §5.1, §11.3).

mod levels;
mod line_buffer;
mod status_line;

pub use levels::{LogLevelError, LogLevels};
pub(crate) use status_line::StatusLine;

use crate::config::Environment;
use line_buffer::{LineBuffer, Lines};
use std::{
    io::{self, IsTerminal, Stderr},
    sync::{Arc, OnceLock},
};
use tracing_subscriber::{layer::SubscriberExt, registry::Registry, util::SubscriberInitExt};

/// Says why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The levels are not in the expected form.
    #[error(transparent)]
    Levels(#[from] LogLevelError),
    /// The system refuses the thread that writes.
    #[error("cannot start the thread that writes the log: {0}")]
    Thread(#[source] io::Error),
}

/// The lines of this process.
static LINES: OnceLock<Arc<LineBuffer<Stderr>>> = OnceLock::new();

/// Writes out the lines that wait: before the process ends, or says its last word.
pub fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush();
    }
}

/// Starts logging for the process; a second start changes nothing. Lines below a warning are written within some
/// milliseconds, so whoever ends the process calls [`flush`]. `levels` is the text of `--loglevel`; without it
/// `IPFS_CLUSTER_LOG_LEVEL` and then `GOLOG_LOG_LEVEL` say. `GOLOG_LOG_FMT` chooses `json`, `color` or `nocolor`.
///
/// # Errors
/// The levels are not in the expected form, or the system refuses a thread.
pub fn start(levels: Option<&str>, debug: bool, environment: &Environment) -> Result<(), LogError> {
    let text = levels.or_else(|| environment.text("IPFS_CLUSTER_LOG_LEVEL")).map(str::to_owned);
    // The last one has a notation of its own: `error,crdt=debug`.
    let general = || environment.text("GOLOG_LOG_LEVEL").map(|text| text.replace('=', ":"));
    let text = text.or_else(general).unwrap_or_default();
    let levels = if debug { LogLevels::debug() } else { LogLevels::parse(&text)? };
    for component in levels.overwritten() {
        eprintln!("overwriting existing {component} log level");
    }
    let format = environment.text("GOLOG_LOG_FMT").unwrap_or_default();
    let color = match format {
        "color" => true,
        "nocolor" => false,
        _ => io::stderr().is_terminal(),
    };
    let registry = Registry::default().with(levels.targets());
    let buffer = match LINES.get() {
        Some(buffer) => Arc::clone(buffer),
        None => {
            let started = LineBuffer::start(io::stderr()).map_err(LogError::Thread)?;
            Arc::clone(LINES.get_or_init(|| started))
        }
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(Lines(buffer));
    // Fails only when the process logs already, which a second peer in one process meets.
    let _ = match format {
        "json" => registry.with(lines.json().flatten_event(true)).try_init(),
        _ => registry.with(lines.with_ansi(color)).try_init(),
    };
    Ok(())
}
