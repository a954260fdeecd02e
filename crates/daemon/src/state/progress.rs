//! What a person sees while a state command takes long: one line on a terminal, and nothing anywhere else.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::Path,
    time::Duration,
};

const DRAW_EVERY: Duration = Duration::from_millis(200);

const BYTES: &str = "{msg} {bar:24} {bytes} of {total_bytes}, {eta} left";
const SOME_BYTES: &str = "{spinner} {msg} {bytes} ({elapsed})";
const PINS: &str = "{msg} {bar:24} {human_pos} of {human_len} pins, {eta} left";
const SOME_PINS: &str = "{spinner} {msg} {human_pos} pins ({elapsed})";
const SOME_ROWS: &str = "{spinner} {msg} {human_pos} rows ({elapsed})";

/// A line on standard error, where that is a terminal. It goes with its owner.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Shows how much of a file was read. What is no ordinary file has no end that could be foreseen.
    pub(super) fn of_file(doing: &'static str, file: &File) -> Self {
        let size = file.metadata().ok().filter(|metadata| metadata.is_file()).map(|metadata| metadata.len());
        Self::shown(doing, size, if size.is_some() { BYTES } else { SOME_BYTES })
    }

    /// Shows how many bytes of an input without an end were read.
    pub(super) fn of_input(doing: &'static str) -> Self {
        Self::shown(doing, None, SOME_BYTES)
    }

    /// Shows how many pins were written to a file, or to standard output when none is named; of how many, if that is
    /// known.
    pub(super) fn of_pins(doing: &'static str, pins: Option<u64>, file: Option<&Path>) -> Self {
        // Pins on the terminal are progress themselves.
        if file.is_none() && io::stdout().is_terminal() {
            return Self { bar: ProgressBar::hidden() };
        }
        Self::shown(doing, pins, if pins.is_some() { PINS } else { SOME_PINS })
    }

    /// Shows how many rows were written; nobody knows how many there are.
    pub(super) fn of_rows(doing: &'static str) -> Self {
        Self::shown(doing, None, SOME_ROWS)
    }

    fn shown(doing: &'static str, end: Option<u64>, template: &str) -> Self {
        let bar = ProgressBar::with_draw_target(end, ProgressDrawTarget::stderr())
            .with_style(style(template))
            .with_message(doing);
        if !bar.is_hidden() {
            bar.enable_steady_tick(DRAW_EVERY);
        }
        Self { bar }
    }

    /// Goes on.
    pub(super) fn advance(&self, by: u64) {
        self.bar.inc(by);
    }

    /// Goes on with every byte that is read from `input`.
    pub(super) fn reading<R: Read>(&self, input: R) -> impl Read + use<R> {
        self.bar.wrap_read(input)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are those above, which a test reads.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_read() {
        for template in [BYTES, SOME_BYTES, PINS, SOME_PINS, SOME_ROWS] {
            ProgressStyle::with_template(template).unwrap();
        }
    }
}
