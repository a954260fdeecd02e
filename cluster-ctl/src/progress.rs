//! What a person sees while a command takes long: one line on a terminal, and nothing anywhere else.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Most commands are done before anybody wonders.
const WONDERS_AFTER: Duration = Duration::from_secs(1);

const DRAW_EVERY: Duration = Duration::from_millis(200);

const WAITING: &str = "{spinner} {msg} ({elapsed})";
const RECEIVING: &str = "{spinner} {human_pos} received ({elapsed})";

/// A line on standard error, where that is a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    /// Shows the line once the command takes long.
    shows: Option<JoinHandle<()>>,
}

impl Progress {
    /// Makes a line that nobody sees yet.
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
            .with_style(style(WAITING))
            .with_message("waiting for an answer");
        Self { bar, shows: None }
    }

    /// Begins to count the time after which the line is shown.
    pub(crate) fn begin(&mut self) {
        let bar = self.bar.clone();
        self.shows = Some(tokio::spawn(async move {
            tokio::time::sleep(WONDERS_AFTER).await;
            bar.set_draw_target(ProgressDrawTarget::stderr());
            if !bar.is_hidden() {
                bar.enable_steady_tick(DRAW_EVERY);
            }
        }));
    }

    /// Says what is waited for.
    pub(crate) fn says(&self, text: impl Into<String>) {
        self.bar.set_message(text.into());
    }

    /// Counts an object that was received and is shown elsewhere.
    pub(crate) fn received(&self) {
        if self.bar.position() == 0 {
            self.bar.set_style(style(RECEIVING));
        }
        self.bar.inc(1);
    }

    /// Takes the line away for good: the terminal is needed for something else.
    pub(crate) fn end(&mut self) {
        if let Some(shows) = self.shows.take() {
            shows.abort();
            self.bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are those above, which a test reads.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_read() {
        for template in [WAITING, RECEIVING] {
            ProgressStyle::with_template(template).unwrap();
        }
    }
}
