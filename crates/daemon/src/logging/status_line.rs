//! One line that a person at a terminal sees change.

use super::{
    LINES,
    line_buffer::{ERASE_LINE, LineBuffer},
};
use crate::Environment;
use rustix::{fd::AsFd, termios::tcgetwinsize};
use std::{
    io::{self, IsTerminal, Stderr, Write},
    sync::Arc,
};

/// Columns of a terminal that does not tell.
const USUAL_WIDTH: usize = 80;

/// A line on the terminal, below the log where that goes there too. It goes away when this is dropped.
#[derive(Debug)]
pub(crate) struct StatusLine(Place);

#[derive(Debug)]
enum Place {
    /// Standard error, which the log writes to as well.
    BelowLog(Arc<LineBuffer<Stderr>>),
    /// Standard output, where nothing else is written meanwhile.
    Output,
}

impl StatusLine {
    /// Finds the terminal; `None` when nobody watches, or it cannot erase. The log must have been started.
    pub(crate) fn on_terminal(environment: &Environment) -> Option<Self> {
        if environment.text("TERM").is_none_or(|kind| kind == "dumb") {
            return None;
        }
        if io::stderr().is_terminal() {
            return Some(Self(Place::BelowLog(Arc::clone(LINES.get()?))));
        }
        // Not made in vain: one that goes away erases.
        io::stdout().is_terminal().then(|| Self(Place::Output))
    }

    /// Shows a text in place of the one before; what the terminal has no room for is cut off.
    pub(crate) fn show(&self, text: &str) {
        match &self.0 {
            Place::BelowLog(lines) => lines.show_status(&fitted(text, width(io::stderr()))),
            Place::Output => write(&format!("{ERASE_LINE}{}", fitted(text, width(io::stdout())))),
        }
    }

    /// Leaves a last text that does not go away.
    pub(crate) fn finish(self, text: &str) {
        match &self.0 {
            Place::BelowLog(lines) => lines.push(format!("{text}\n").as_bytes(), true),
            Place::Output => write(&format!("{ERASE_LINE}{text}\n")),
        }
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        match &self.0 {
            Place::BelowLog(lines) => lines.show_status(""),
            Place::Output => write(ERASE_LINE),
        }
    }
}

fn write(text: &str) {
    let mut out = io::stdout().lock();
    // Nobody watches any more.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn width(terminal: impl AsFd) -> usize {
    tcgetwinsize(terminal)
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|width| *width > 0)
        .unwrap_or(USUAL_WIDTH)
}

/// Cuts a text so that it stays within one line of a terminal.
fn fitted(text: &str, width: usize) -> String {
    // A full line would leave the cursor on the next one.
    let room = width.saturating_sub(1);
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_within_its_line() {
        assert_eq!(fitted("12345", 6), "12345");
        assert_eq!(fitted("12345", 5), "123…");
        assert_eq!(fitted("äöüßé", 5), "äöü…");
        assert_eq!(fitted("12345", 1), "…");
    }
}
